#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace gradus::kernels {

/// Whether all of the n numbers, `step` apart, are finite: none NaN or infinite.
template <class T>
bool all_finite(int64_t n, int64_t step, const T* x) {
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) finite &= std::fabs(x[i * step]) <= std::numeric_limits<T>::max();
  return finite;
}

}  // namespace gradus::kernels
