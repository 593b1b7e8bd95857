#pragma once

#include <optional>

#include "gradus/tensor.h"

/// Reductions. `dims` empty means all dimensions; `keepdim` leaves the reduced ones with size 1.
namespace gradus {

/// The sum; integers and bools sum as int64. With dtype, elements are converted first.
GRADUS_API Tensor sum(const Tensor& x, const Dims& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
/// The mean. Throws DTypeError on integers: convert first, or give a dtype.
GRADUS_API Tensor mean(const Tensor& x, const Dims& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
/// sum((x - mean(x))^2) / max(0, n - correction)
GRADUS_API Tensor var(const Tensor& x, const Dims& dims = {}, int64_t correction = 1, bool keepdim = false);

/// A reduced value and where it stood.
struct ValuesIndices {
  Tensor values;
  Tensor indices;  ///< int64
};
/// The largest element. NaN wins. Throws ValueError on an empty tensor. The gradient is shared evenly among equal elements.
GRADUS_API Tensor max(const Tensor& x);
GRADUS_API Tensor min(const Tensor& x);
/// The largest element along a dimension and its first place; the gradient goes to that place.
GRADUS_API ValuesIndices max(const Tensor& x, int64_t dim, bool keepdim = false);
GRADUS_API ValuesIndices min(const Tensor& x, int64_t dim, bool keepdim = false);
/// The place of the first largest element: along a dimension, or in the flattened tensor.
GRADUS_API Tensor argmax(const Tensor& x, std::optional<int64_t> dim = {}, bool keepdim = false);
GRADUS_API Tensor argmin(const Tensor& x, std::optional<int64_t> dim = {}, bool keepdim = false);
/// Whether any, or every, element is not zero.
GRADUS_API Tensor any(const Tensor& x);
GRADUS_API Tensor all(const Tensor& x);

/// Adds x up along the dimensions in which it is larger than `shape`, so that it has that shape: the adjoint of broadcasting.
GRADUS_API Tensor sum_to(const Tensor& x, const Shape& shape);

/// True when x and y have the same shape and equal elements.
GRADUS_API bool equal(const Tensor& x, const Tensor& y);
/// True when |x - y| <= atol + rtol * |y| everywhere (broadcasting).
GRADUS_API bool allclose(const Tensor& x, const Tensor& y, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);

}  // namespace gradus
