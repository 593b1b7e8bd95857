#pragma once

#include <cmath>
#include <cstdint>

#include "core/check.h"

namespace gradus::optim {

inline double real(int64_t n) { return static_cast<double>(n); }

/// Throws ValueError unless `value` is positive.
inline void check_positive(const char* op, const char* what, int64_t value) {
  check<ValueError>(value > 0, "{}: {} is {}; it must be positive", op, what, value);
}

/// Throws ValueError unless `value` is finite.
inline void check_finite(const char* op, const char* what, double value) {
  check<ValueError>(std::isfinite(value), "{}: {} is {}; it must be finite", op, what, value);
}

}  // namespace gradus::optim
