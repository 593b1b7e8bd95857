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

/// a b in a tensor without elements, whose strides lead nowhere: it wraps around. In any other tensor the product is one that fits.
inline int64_t wrapping_product(int64_t a, int64_t b) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

}  // namespace gradus
