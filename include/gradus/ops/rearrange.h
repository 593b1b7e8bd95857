#pragma once

#include <string_view>
#include <vector>

#include "gradus/tensor.h"

/// More ways to rearrange. movedim, unfold, diagonal, broadcast_to and unflatten give views, the others copies.
namespace gradus {

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

}  // namespace gradus
