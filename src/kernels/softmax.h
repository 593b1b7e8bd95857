#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/lanes.h"
#include "kernels/math.h"

/// Rows of logits: their softmax, its logarithm, and the gradients. Arrays are dense, (rows, n).
namespace gradus::kernels {

inline int64_t row_grain(int64_t n) noexcept { return std::max<int64_t>((1 << 14) / std::max<int64_t>(n, 1), 1); }

/// The largest of n > 0 numbers. A NaN among them may be passed over: it shows in the sum of the row.
template <class T>
T row_max(int64_t n, const T* x) {
  const auto larger = [](T a, T b) { return a > b ? a : b; };
  T top = x[0];
  if (n < lanes) {
    for (int64_t i = 1; i < n; ++i) top = larger(top, x[i]);
    return top;
  }
  T lane[lanes];
  for (int64_t k = 0; k < lanes; ++k) lane[k] = x[k];
  for (int64_t i = lanes; i < n; i += lanes) {
    const T* from = x + std::min(i, n - lanes);  // the last step overlaps the one before it
    for (int64_t k = 0; k < lanes; ++k) lane[k] = larger(lane[k], from[k]);
  }
  return fold(lane, larger);
}

/// The sum of f(i) for i in [0, n): in lanes within a block, and the blocks in double, so that the error does not grow with n.
template <class T, class F>
T row_sum(int64_t n, F f) {
  constexpr int64_t block = 16 * lanes;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += block) {
    T values[block], lane[lanes] = {};
    const int64_t count = std::min(block, n - begin), padded = (count + lanes - 1) / lanes * lanes;
    for (int64_t i = 0; i < count; ++i) values[i] = f(begin + i);
    for (int64_t i = count; i < padded; ++i) values[i] = 0;
    for (int64_t i = 0; i < padded; i += lanes)
      for (int64_t k = 0; k < lanes; ++k) lane[k] += values[i + k];
    total += static_cast<double>(fold(lane, [](T a, T b) { return a + b; }));
  }
  return static_cast<T>(total);
}

/// Calls f(row) for every row, in the version for this machine, on the pool's threads.
template <class F>
void for_each_row(int64_t rows, int64_t n, F f) {
  parallel_for(rows, row_grain(n), [=](int64_t begin, int64_t end) {
    isa::run([=] {
      for (int64_t r = begin; r < end; ++r) f(r);
    });
  });
}

/// y = softmax(x)
template <class T>
void softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for_each_row(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    T* b = y + r * n;
    const T top = row_max(n, a);
    for (int64_t i = 0; i < n; ++i) b[i] = vexp(a[i] - top);
    const T scale = 1 / row_sum<T>(n, [b](int64_t i) { return b[i]; });
    for (int64_t i = 0; i < n; ++i) b[i] *= scale;
  });
}

/// y = log(softmax(x))
template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for_each_row(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    T* b = y + r * n;
    // The maximum goes first: it would swallow small differences if the two were one number.
    const T top = row_max(n, a);
    const T rest = std::log(row_sum<T>(n, [a, top](int64_t i) { return vexp(a[i] - top); }));
    for (int64_t i = 0; i < n; ++i) b[i] = a[i] - top - rest;
  });
}

/// dx = y * (dy - sum(dy * y))
template <class T>
void softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for_each_row(rows, n, [=](int64_t r) {
    const T *a = y + r * n, *d = dy + r * n;
    T* b = dx + r * n;
    const T total = row_sum<T>(n, [a, d](int64_t i) { return a[i] * d[i]; });
    for (int64_t i = 0; i < n; ++i) b[i] = a[i] * (d[i] - total);
  });
}

/// dx = dy - e^y * sum(dy)
template <class T>
void log_softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for_each_row(rows, n, [=](int64_t r) {
    const T *a = y + r * n, *d = dy + r * n;
    T* b = dx + r * n;
    const T total = row_sum<T>(n, [d](int64_t i) { return d[i]; });
    for (int64_t i = 0; i < n; ++i) b[i] = d[i] - vexp(a[i]) * total;
  });
}

}  // namespace gradus::kernels
