#pragma once

#include <array>
#include <cmath>

#include "core/check.h"

namespace gradus::optim {

/// Throws ValueError unless `value` is a finite number of 0 or more.
inline void check_not_negative(const char* op, const char* what, double value) {
  check<ValueError>(std::isfinite(value) && value >= 0, "{}: {} is {}; it must be finite and not negative", op, what, value);
}

/// Throws ValueError unless both are in [0, 1).
inline void check_betas(const char* op, const std::array<double, 2>& betas) {
  for (size_t i = 0; i < betas.size(); ++i)
    check<ValueError>(betas[i] >= 0 && betas[i] < 1, "{}: betas[{}] is {}; it must be in [0, 1)", op, i, betas[i]);
}

}  // namespace gradus::optim
