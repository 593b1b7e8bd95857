#pragma once

#include <array>
#include <cmath>
#include <vector>

#include "core/check.h"
#include "gradus/tensor.h"

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

/// Throws ValueError that names the first of `params` that is one of `before` or has been there already, several of whose elements are
/// one place in memory, or which shares elements with another of both lists: each element is updated once.
void check_apart(const char* op, const std::vector<Tensor>& before, const std::vector<Tensor>& params);

}  // namespace gradus::optim
