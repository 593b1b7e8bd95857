#pragma once

#include <cstdint>

#include "core/check.h"

/// Arithmetic with sizes that a caller gave, which may be anything.
namespace gradus {

/// a + b; throws ShapeError that starts with op where that is beyond an int64.
inline int64_t checked_sum(const char* op, int64_t a, int64_t b) {
  int64_t sum = 0;
  check<ShapeError>(!__builtin_add_overflow(a, b, &sum), "{}: the sizes {} and {} add up to more than an int64 holds", op, a, b);
  return sum;
}

/// a b; throws ShapeError that starts with op where that is beyond an int64.
inline int64_t checked_product(const char* op, int64_t a, int64_t b) {
  int64_t product = 0;
  check<ShapeError>(!__builtin_mul_overflow(a, b, &product), "{}: {} times {} is more than an int64 holds", op, a, b);
  return product;
}

}  // namespace gradus
