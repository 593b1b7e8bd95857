#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "gradus/tensor.h"

/// Operations that rearrange. permute to unbind, movedim, unfold, diagonal, broadcast_to and unflatten give views: the same elements under
/// another shape, without a copy; a change in place through one shows in the others. The rest copies. Dimensions may be negative, counted
/// from the end.
namespace gradus {

/// Reorders the dimensions: y.size(d) == x.size(dims[d]). Throws ShapeError unless dims names each dimension once.
GRADUS_API Tensor permute(const Tensor& x, const Dims& dims);
/// Swaps two dimensions.
GRADUS_API Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1);
/// The transpose of a matrix; a vector or scalar as it is. Throws ShapeError beyond two dimensions.
GRADUS_API Tensor t(const Tensor& x);
/// The elements in row-major order under another shape, one size of which may be -1. A view where strides allow, a copy otherwise.
GRADUS_API Tensor reshape(const Tensor& x, const Shape& shape);
/// reshape without the copy: throws ShapeError where that is not possible.
GRADUS_API Tensor view(const Tensor& x, const Shape& shape);
/// Stretches dimensions of size 1 and adds new ones in front; -1 keeps a size.
GRADUS_API Tensor expand(const Tensor& x, const Shape& shape);
/// Takes out every dimension of size 1, or one of them; one of another size stays.
GRADUS_API Tensor squeeze(const Tensor& x);
GRADUS_API Tensor squeeze(const Tensor& x, int64_t dim);
/// Puts in a dimension of size 1.
GRADUS_API Tensor unsqueeze(const Tensor& x, int64_t dim);
/// Joins the dimensions from start_dim to end_dim, both included.
GRADUS_API Tensor flatten(const Tensor& x, int64_t start_dim = 0, int64_t end_dim = -1);
/// Elements start, start + step, … below stop along dim, as Python's x[start:stop:step]. Throws ValueError unless step > 0.
GRADUS_API Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start = {}, std::optional<int64_t> stop = {},
                        int64_t step = 1);
/// One element along dim, which goes. Throws IndexError outside [-size, size).
GRADUS_API Tensor select(const Tensor& x, int64_t dim, int64_t index);
/// `length` elements from `start` along dim. Throws IndexError beyond the size.
GRADUS_API Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length);
/// The storage of x seen through any shape, strides and offset (that of x when left out). Throws IndexError outside it.
GRADUS_API Tensor as_strided(const Tensor& x, const Shape& shape, const Strides& strides, std::optional<int64_t> storage_offset = {});

/// Pieces of `size` along dim (the last may be smaller), or pieces of the given sizes, which must add up to x's.
GRADUS_API std::vector<Tensor> split(const Tensor& x, int64_t size, int64_t dim = 0);
GRADUS_API std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int64_t dim = 0);
/// At most `chunks` pieces of equal size along dim (the last may be smaller).
GRADUS_API std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim = 0);
/// Every element along dim.
GRADUS_API std::vector<Tensor> unbind(const Tensor& x, int64_t dim = 0);

/// Joins tensors along dim; the other sizes must agree.
GRADUS_API Tensor cat(const std::vector<Tensor>& xs, int64_t dim = 0);
/// Joins tensors of one shape along a new dimension.
GRADUS_API Tensor stack(const std::vector<Tensor>& xs, int64_t dim = 0);

/// A contiguous copy.
GRADUS_API Tensor clone(const Tensor& x);
/// x when it is contiguous, a contiguous copy otherwise.
GRADUS_API Tensor contiguous(const Tensor& x);
/// x when it has the dtype, a converted copy otherwise.
GRADUS_API Tensor to(const Tensor& x, DType dtype);

/// Moves dimensions to other places; the rest keep their order.
GRADUS_API Tensor movedim(const Tensor& x, const Dims& source, const Dims& destination);
/// Windows of `size` elements along dim, `step` apart, as a new last dimension.
GRADUS_API Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step);
/// The elements [i, i + offset] of dimensions dim1 and dim2, as a new last dimension.
GRADUS_API Tensor diagonal(const Tensor& x, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
/// expand under the name NumPy gives it.
GRADUS_API Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// Splits one dimension into several, one size of which may be -1.
GRADUS_API Tensor unflatten(const Tensor& x, int64_t dim, const Shape& sizes);

/// The whole tensor repeated along each dimension; more repeats than dimensions add dimensions in front.
GRADUS_API Tensor repeat(const Tensor& x, const Dims& repeats);
/// repeat with missing repeats in front taken as 1.
GRADUS_API Tensor tile(const Tensor& x, const Dims& repeats);
/// Joins tensors side by side: along dimension 1, vectors and scalars along their only one.
GRADUS_API Tensor hstack(const std::vector<Tensor>& xs);
/// Joins tensors one below the other: along dimension 0, vectors and scalars as rows.
GRADUS_API Tensor vstack(const std::vector<Tensor>& xs);
/// Each dimension of dims back to front.
GRADUS_API Tensor flip(const Tensor& x, const Dims& dims);
/// Elements moved on by shifts[i] places along dims[i], those that leave coming in at the other end; without dims, of the flattened tensor.
GRADUS_API Tensor roll(const Tensor& x, const Dims& shifts, const Dims& dims = {});
/// The part of each matrix on and below (above) the given diagonal, 0 elsewhere.
GRADUS_API Tensor tril(const Tensor& x, int64_t diagonal = 0);
GRADUS_API Tensor triu(const Tensor& x, int64_t diagonal = 0);
/// A vector as a diagonal matrix; of a matrix, its diagonal.
GRADUS_API Tensor diag(const Tensor& x, int64_t diagonal = 0);
/// The sum of the diagonal of a matrix.
GRADUS_API Tensor trace(const Tensor& x);
/// Vectors stretched to the grid that they span; indexing "ij" (matrix, the default) or "xy" (Cartesian: the first two exchanged).
GRADUS_API std::vector<Tensor> meshgrid(const std::vector<Tensor>& xs, std::string_view indexing = "ij");

/// x with more elements put around it: pads are (before, after) of the last dimension, then of the one before it, and so on; a negative one
/// takes elements away. Mode "constant" puts `value` there; of x's own elements "reflect" puts those beyond the first and the last one in
/// mirror order, "replicate" the first and the last one, "circular" those of the other end. These three pad the dimensions behind the
/// channels, all of them. Throws ValueError on another mode, ShapeError for a list that does not fit or where x has too few elements.
GRADUS_API Tensor pad(const Tensor& x, const Dims& pads, std::string_view mode = "constant", Scalar value = 0);

}  // namespace gradus
