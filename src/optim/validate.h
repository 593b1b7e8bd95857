#pragma once

#include <cmath>

#include "core/check.h"

namespace gradus::optim {

/// Throws ValueError unless `value` is a finite number of 0 or more.
inline void check_not_negative(const char* op, const char* what, double value) {
  check<ValueError>(std::isfinite(value) && value >= 0, "{}: {} is {}; it must be finite and not negative", op, what, value);
}

}  // namespace gradus::optim
