#pragma once

#include "core/check.h"
#include "gradus/tensor.h"

namespace gradus {

/// The place of element i, counted in row-major order, of a tensor of `shape`.
Shape place_of(int64_t i, const Shape& shape);

/// Throws IndexError, with the first bad index and its place, unless every element of `index` (dense, int64) lies in [low, limit).
void check_indices(const char* op, const Tensor& index, int64_t low, int64_t limit, const char* what);

inline void check_index_dtype(const char* op, const Tensor& index) {
  check<DTypeError>(index.dtype() == DType::Int64, "{}: indices must be int64, got {}; convert with .to(gradus::int64)", op,
                    name(index.dtype()));
}

}  // namespace gradus
