#pragma once

#include "core/check.h"
#include "gradus/tensor.h"

namespace gradus {

/// The place of element i, counted in row-major order, of a tensor of `shape`.
inline Shape place_of(int64_t i, const Shape& shape) {
  Shape place = shape;
  for (int64_t d = shape.size() - 1; d >= 0; --d) {
    place[d] = i % shape[d];
    i /= shape[d];
  }
  return place;
}

/// Throws IndexError, with the first bad index and its place, unless every element of `index` (dense, int64) lies in [low, limit).
inline void check_indices(const char* op, const Tensor& index, int64_t low, int64_t limit, const char* what) {
  const int64_t* values = index.data<int64_t>();
  for (int64_t i = 0, n = index.numel(); i < n; ++i)
    if (values[i] < low || values[i] >= limit)
      fail<IndexError>("{}: index {} at {} is out of range for {} {}", op, values[i], place_of(i, index.shape()), limit, what);
}

inline void check_index_dtype(const char* op, const Tensor& index) {
  check<DTypeError>(index.dtype() == DType::Int64, "{}: indices must be int64, got {}; convert with .to(gradus::int64)", op,
                    name(index.dtype()));
}

}  // namespace gradus
