#pragma once

#include <algorithm>

#include "gradus/tensor.h"

namespace gradus {

/// The kind that a dtype belongs to: 0 bool, 1 integer, 2 floating-point.
inline int kind(DType dtype) noexcept { return dtype == DType::Bool ? 0 : dtype == DType::Int64 ? 1 : 2; }

/// The dtype in which x and y meet, by PyTorch's rules: the larger, except that a scalar tensor does not widen one with dimensions of
/// its own kind.
inline DType result_type(const Tensor& x, const Tensor& y) {
  const DType a = x.dtype(), b = y.dtype();
  const bool a_counts = x.dim() > 0, b_counts = y.dim() > 0;
  if (a_counts == b_counts || kind(a) != kind(b)) return std::max(a, b);
  return a_counts ? a : b;
}

/// A plain number widens a tensor only to another kind, and then to the default of that kind.
inline DType result_type(const Tensor& x, Scalar y) {
  if (kind(y.dtype()) <= kind(x.dtype())) return x.dtype();
  return kind(y.dtype()) == 2 ? DType::Float32 : y.dtype();
}

/// True unless numbers of dtype `value` would lose what is behind the point as elements of `into`. Bool takes every number, by "is not
/// zero".
inline bool fits_into(DType value, DType into) noexcept { return into == DType::Bool || kind(value) != 2 || kind(into) == 2; }

}  // namespace gradus
