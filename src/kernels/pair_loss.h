#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/pointwise.h"
#include "kernels/softmax.h"
#include "kernels/strided.h"

/// A function of the pairs (a[i], b[i]) of two dense arrays: its sum, and the gradient of that, without an array between.
namespace gradus::kernels {

/// The sum of f(a[i], b[i]). Work is cut by the size alone, so the bits do not depend on the number of threads.
template <class T, class F>
T pair_sum(int64_t n, const T* a, const T* b, F f) {
  const int64_t pieces = (n + pointwise_grain - 1) / pointwise_grain;
  std::vector<double> partial(static_cast<size_t>(pieces));
  parallel_for(pieces, 1, [=, to = partial.data()](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      isa::run<T>([=] {
        const T *x = a + p * pointwise_grain, *y = b + p * pointwise_grain;
        to[p] = row_sum<T>(std::min(pointwise_grain, n - p * pointwise_grain), [x, y, f](int64_t i) { return f(x[i], y[i]); });
      });
  });
  double total = 0;
  for (double part : partial) total += part;
  return static_cast<T>(total);
}

/// to[i] = dy[i] * f(a[i], b[i]), or, where dy is one number for all, scale * dy[0] * f(a[i], b[i]).
template <class T, class F>
void pair_gradient(int64_t n, const T* a, const T* b, const T* dy, bool one, T scale, T* to, F f) {
  const Layout dense{{n}, {1}, 0}, repeated{{n}, {0}, 0};
  const T factor = one ? scale * dy[0] : T(0);
  map([f](T d, T p, T q) { return d * f(p, q); }, n, Strided(to, dense, Lie::Dense),
      one ? Strided(&factor, repeated) : Strided(dy, dense, Lie::Dense), Strided(a, dense, Lie::Dense), Strided(b, dense, Lie::Dense));
}

}  // namespace gradus::kernels
