#pragma once

#include <cmath>
#include <cstdint>

#include "core/scratch.h"
#include "kernels/rows.h"

/// Rows brought to mean 0 and variance 1, and the gradients. Arrays are dense, (rows, n); weight and bias (n) may be null.
namespace gradus::kernels {

/// y = (x - mean) * rstd * weight + bias, with rstd = 1 / sqrt(variance + eps), the variance being that of all n. mean and rstd (rows).
template <class T>
void layer_norm(int64_t rows, int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* rstd) {
  const T count = static_cast<T>(n), e = static_cast<T>(eps);
  for_each_row(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    T* b = y + r * n;
    const T m = row_sum<T>(n, [a](int64_t i) { return a[i]; }) / count;
    const T variance = row_sum<T>(n, [a, m](int64_t i) { return (a[i] - m) * (a[i] - m); }) / count;
    const T s = 1 / std::sqrt(variance + e);
    mean[r] = m;
    rstd[r] = s;
    if (weight && bias) {
      GRADUS_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) b[i] = (a[i] - m) * s * weight[i] + bias[i];
    } else {
      for (int64_t i = 0; i < n; ++i) b[i] = (a[i] - m) * s;
      if (weight)
        for (int64_t i = 0; i < n; ++i) b[i] *= weight[i];
      if (bias)
        for (int64_t i = 0; i < n; ++i) b[i] += bias[i];
    }
  });
}

namespace detail {

/// The gradient of one row: with g = dy * weight and h = (x - mean) * rstd, dx = rstd * (g - mean(g) - h * mean(g * h)).
template <class T>
void layer_norm_row_backward(int64_t n, const T* x, const T* weight, const T* dy, T mean, T rstd, T* dx) {
  const T count = static_cast<T>(n);
  // g is stored first, in dx: were it multiplied out anew each time, its rounding would not cancel in g - mean(g).
  const T* g = dy;
  if (weight) {
    GRADUS_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * weight[i];
    g = dx;
  }
  const T along_mean = row_sum<T>(n, [g](int64_t i) { return g[i]; }) / count;
  const T along_h = row_sum<T>(n, [g, x, mean](int64_t i) { return g[i] * (x[i] - mean); }) * rstd / count;
  GRADUS_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dx[i] = rstd * (g[i] - along_mean - (x[i] - mean) * rstd * along_h);
}

}  // namespace detail

/// dx (rows, n), dweight and dbias (n), each of which may be null. Rows are taken in pieces that depend on the sizes alone; each piece has
/// sums of its own for dweight and dbias, which are added in double.
template <class T>
void layer_norm_backward(int64_t rows, int64_t n, const T* x, const T* weight, const T* mean, const T* rstd, const T* dy, T* dx, T* dweight,
                         T* dbias) {
  const int64_t grain = std::max(row_grain(n), std::min<int64_t>((rows + 7) / 8, 64)), pieces = (rows + grain - 1) / grain;
  const Scratch<T> sums(dweight || dbias ? 2 * pieces * n : 0);
  T* const partial = sums.data();
  parallel_for(rows, grain, [=](int64_t begin, int64_t end) {
    T *dw = dweight ? partial + begin / grain * 2 * n : nullptr, *db = dbias ? partial + begin / grain * 2 * n + n : nullptr;
    if (dw) std::fill_n(dw, n, T(0));
    if (db) std::fill_n(db, n, T(0));
    isa::run([=] {
      for (int64_t r = begin; r < end; ++r) {
        const T *a = x + r * n, *d = dy + r * n, m = mean[r], s = rstd[r];
        if (dx) detail::layer_norm_row_backward(n, a, weight, d, m, s, dx + r * n);
        if (dw) {
          GRADUS_INDEPENDENT
          for (int64_t i = 0; i < n; ++i) dw[i] += d[i] * (a[i] - m) * s;
        }
        if (db) {
          GRADUS_INDEPENDENT
          for (int64_t i = 0; i < n; ++i) db[i] += d[i];
        }
      }
    });
  });
  const auto add_up = [=](const T* from, T* to) {
    for (int64_t i = 0; i < n; ++i) {
      double total = 0;
      for (int64_t piece = 0; piece < pieces; ++piece) total += static_cast<double>(from[piece * 2 * n + i]);
      to[i] = static_cast<T>(total);
    }
  };
  if (dweight) add_up(partial, dweight);
  if (dbias) add_up(partial + n, dbias);
}

}  // namespace gradus::kernels
