#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/math.h"

/// Rows of logits: their softmax, its logarithm, and the gradients. Arrays are dense, (rows, n).
namespace gradus::kernels {

inline int64_t row_grain(int64_t n) noexcept { return std::max<int64_t>((1 << 14) / std::max<int64_t>(n, 1), 1); }

/// The largest of n numbers, NaN if there is one.
template <class T>
T row_max(int64_t n, const T* x) {
  constexpr int64_t lanes = 16;
  T best[lanes];
  std::fill_n(best, lanes, -std::numeric_limits<T>::infinity());
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t k = 0; k < lanes; ++k) best[k] = x[i + k] <= best[k] ? best[k] : x[i + k];
  for (; i < n; ++i) best[0] = x[i] <= best[0] ? best[0] : x[i];
  T top = best[0];
  for (int64_t k = 1; k < lanes; ++k) top = best[k] <= top ? top : best[k];
  return top;
}

/// The sum of f(i) for i in [0, n): in lanes within a block, and the blocks in double, so that the error does not grow with n.
template <class T, class F>
T row_sum(int64_t n, F f) {
  constexpr int64_t lanes = 16, block = 1024;
  double total = 0;
  int64_t i = 0;
  while (i + lanes <= n) {
    T lane[lanes] = {};
    const int64_t end = i + std::min(block, (n - i) / lanes * lanes);
    for (; i < end; i += lanes)
      for (int64_t k = 0; k < lanes; ++k) lane[k] += f(i + k);
    for (int64_t k = 0; k < lanes; ++k) total += static_cast<double>(lane[k]);
  }
  for (; i < n; ++i) total += static_cast<double>(f(i));
  return static_cast<T>(total);
}

/// y = softmax(x)
template <class T>
void softmax(int64_t rows, int64_t n, const T* x, T* y) {
  parallel_for(rows, row_grain(n), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      isa::run([n, a = x + r * n, b = y + r * n] {
        const T top = row_max(n, a);
        for (int64_t i = 0; i < n; ++i) b[i] = vexp(a[i] - top);
        const T scale = 1 / row_sum<T>(n, [b](int64_t i) { return b[i]; });
        for (int64_t i = 0; i < n; ++i) b[i] *= scale;
      });
  });
}

/// log(sum(e^x)) of each row.
template <class T>
T log_sum_exp(int64_t n, const T* x) {
  const T top = row_max(n, x);
  return top + std::log(row_sum<T>(n, [x, top](int64_t i) { return vexp(x[i] - top); }));
}

/// y = log(softmax(x))
template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  parallel_for(rows, row_grain(n), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      isa::run([n, a = x + r * n, b = y + r * n] {
        // The maximum goes first: it would swallow small differences if the two were one number.
        const T top = row_max(n, a);
        const T rest = std::log(row_sum<T>(n, [a, top](int64_t i) { return vexp(a[i] - top); }));
        for (int64_t i = 0; i < n; ++i) b[i] = a[i] - top - rest;
      });
  });
}

/// dx = y * (dy - sum(dy * y))
template <class T>
void softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  parallel_for(rows, row_grain(n), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      isa::run([n, a = y + r * n, d = dy + r * n, b = dx + r * n] {
        const T total = row_sum<T>(n, [a, d](int64_t i) { return a[i] * d[i]; });
        for (int64_t i = 0; i < n; ++i) b[i] = a[i] * (d[i] - total);
      });
  });
}

/// dx = dy - e^y * sum(dy)
template <class T>
void log_softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  parallel_for(rows, row_grain(n), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      isa::run([n, a = y + r * n, d = dy + r * n, b = dx + r * n] {
        const T total = row_sum<T>(n, [d](int64_t i) { return d[i]; });
        for (int64_t i = 0; i < n; ++i) b[i] = d[i] - vexp(a[i]) * total;
      });
  });
}

}  // namespace gradus::kernels
