#pragma once

#include <cstdint>
#include <variant>

#include "gradus/tensor.h"

namespace gradus::inspect {

/// Integers stay exact.
using Number = std::variant<int64_t, double>;

/// What the elements of a tensor are, those that are NaN left out but counted. Booleans count as 0 and 1.
struct Statistics {
  int64_t elements = 0;
  int64_t nans = 0;
  Number min = int64_t{0}, max = int64_t{0};
  double mean = 0;

  /// Without one there is no min, max or mean.
  bool has_numbers() const noexcept { return elements > nans; }
};

/// Goes through the elements where they lie, so that it takes no memory.
Statistics statistics_of(const Tensor& x);

}  // namespace gradus::inspect
