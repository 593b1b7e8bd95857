#pragma once

#include <optional>
#include <vector>

#include "gradus/tensor.h"

/// Operations that rearrange. All but cat, stack, clone, contiguous and to give views: the same elements under another shape, without a
/// copy. A change in place through one shows in the others. Dimensions may be negative, counted from the end.
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

}  // namespace gradus
