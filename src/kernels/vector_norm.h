#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/reduce.h"

/// The loops of gradient clipping, over elements side by side.
namespace gradus::kernels {

/// The sum of (x * factor)², in double precision.
template <class T>
double sum_of_squares(int64_t n, const T* x, double factor) {
  double total = 0;
  sum(1, n, 1, x, &total, [factor](T v) {
    const double scaled = static_cast<double>(v) * factor;
    return scaled * scaled;
  });
  return total;
}

/// The largest |x|; NaN when there is one.
template <class T>
double largest_magnitude(int64_t n, const T* x) {
  double top = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double v = std::fabs(static_cast<double>(x[i]));
    if (std::isnan(v)) return v;
    top = std::max(top, v);
  }
  return top;
}

/// x *= factor
template <class T>
void scale(int64_t n, T* x, T factor) {
  parallel_for(n, elements_a_piece, [=](int64_t begin, int64_t end) {
    isa::run<T>([=] {
      for (int64_t i = begin; i < end; ++i) x[i] *= factor;
    });
  });
}

}  // namespace gradus::kernels
