#pragma once

#include <cmath>
#include <cstdint>

#include "core/allocator.h"
#include "kernels/rows.h"

/// Rows brought to mean 0 and variance 1, and the gradients. Arrays are dense, (rows, n); weight and bias (n) may be null.
namespace gradus::kernels {

/// How many rows a thread takes at a time: pieces of equal size, of about 8192 elements but never fewer than `least` rows.
inline int64_t balanced_rows(int64_t rows, int64_t n, int64_t least) noexcept {
  const int64_t pieces = std::clamp<int64_t>(rows * n >> 13, 1, std::max<int64_t>(rows / least, 1));
  return std::max<int64_t>((rows + pieces - 1) / pieces, 1);
}

namespace detail {

/// 1 / sqrt(variance) of a row whose variance is beyond T's largest number, beside which eps is nothing.
template <class T>
T scale_of_large(int64_t n, const T* x, T mean) {
  T top = 0;
  for (int64_t i = 0; i < n; ++i) top = std::max(top, std::fabs(x[i] - mean));
  const T total = row_sum<T>(n, [=](int64_t i) { return (x[i] - mean) / top * ((x[i] - mean) / top); });
  return 1 / std::sqrt(total / static_cast<T>(n)) / top;
}

}  // namespace detail

/// y = (x - mean) * rstd * weight + bias, with rstd = 1 / sqrt(variance + eps), the variance being that of all n. mean and rstd (rows).
template <class T>
void layer_norm(int64_t rows, int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* rstd) {
  const T count = static_cast<T>(n), e = static_cast<T>(eps);
  const auto one_row = [=](int64_t r) {
    const T* a = x + r * n;
    T* b = y + r * n;
    const T m = row_sum<T>(n, [a](int64_t i) { return a[i]; }) / count;
    const T variance = row_sum<T>(n, [a, m](int64_t i) { return (a[i] - m) * (a[i] - m); }) / count;
    const T s = std::isfinite(variance) ? 1 / std::sqrt(variance + e) : detail::scale_of_large(n, a, m);
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
  };
  parallel_for(rows, balanced_rows(rows, n, 1), [=](int64_t begin, int64_t end) {
    isa::run<T>([=] {
      for (int64_t r = begin; r < end; ++r) one_row(r);
    });
  });
}

namespace detail {

/// The gradient of one row: with g = dy * weight and h = (x - mean) * rstd, dx = rstd * (g - mean(g) - h * mean(g * h)).
template <class T>
void layer_norm_row_backward(int64_t n, const T* x, const T* weight, const T* dy, T mean, T rstd, T* dx) {
  // g is stored first, in dx: were it multiplied out anew each time, its rounding would not cancel in g - mean(g).
  const T* g = dy;
  if (weight) {
    GRADUS_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * weight[i];
    g = dx;
  }
  const auto [sum, along] = row_sums<T, 2>(n, [=](int64_t i) { return std::array<T, 2>{g[i], g[i] * (x[i] - mean)}; });
  const T count = static_cast<T>(n), shift = sum / count, slope = along * rstd / count * rstd;
  GRADUS_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dx[i] = rstd * (g[i] - shift - (x[i] - mean) * slope);
}

/// dweight += dy * h and dbias += dy, over R rows.
template <int64_t R, class T>
void layer_norm_add_rows(int64_t n, const T* x, const T* dy, const T* mean, const T* rstd, T* dweight, T* dbias) {
  GRADUS_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    T w = 0, b = 0;
    for (int64_t r = 0; r < R; ++r) {
      w += dy[r * n + i] * ((x[r * n + i] - mean[r]) * rstd[r]);
      b += dy[r * n + i];
    }
    dweight[i] += w;
    dbias[i] += b;
  }
}

}  // namespace detail

/// dx (rows, n), dweight and dbias (n), each of which may be null. Rows are taken in pieces that depend on the sizes alone; each piece has
/// sums of its own for dweight and dbias, which are added in double.
template <class T>
void layer_norm_backward(int64_t rows, int64_t n, const T* x, const T* weight, const T* mean, const T* rstd, const T* dy, T* dx, T* dweight,
                         T* dbias) {
  const int64_t grain = balanced_rows(rows, n, 32), pieces = (rows + grain - 1) / grain;
  const Scratch<T> sums(2 * pieces * n);
  T* const partial = sums.data();
  parallel_for(rows, grain, [=](int64_t begin, int64_t end) {
    T* const dw = partial + begin / grain * 2 * n;
    std::fill_n(dw, 2 * n, T(0));
    isa::run<T>([=] {
      constexpr int64_t together = 2;  // so that the sums are loaded and stored once for two rows
      for (int64_t r = begin; r < end; r += together) {
        const int64_t last = std::min(r + together, end);
        if (dx)
          for (int64_t i = r; i < last; ++i)
            detail::layer_norm_row_backward(n, x + i * n, weight, dy + i * n, mean[i], rstd[i], dx + i * n);
        if (last - r == together) detail::layer_norm_add_rows<together>(n, x + r * n, dy + r * n, mean + r, rstd + r, dw, dw + n);
        else
          for (int64_t i = r; i < last; ++i) detail::layer_norm_add_rows<1>(n, x + i * n, dy + i * n, mean + i, rstd + i, dw, dw + n);
      }
    });
  });
  const Scratch<double> all(2 * n);
  isa::run<T>([=, totals = all.data()] {
    std::fill_n(totals, 2 * n, 0.0);
    for (int64_t piece = 0; piece < pieces; ++piece)
      for (int64_t i = 0; i < 2 * n; ++i) totals[i] += static_cast<double>(partial[piece * 2 * n + i]);
    if (dweight) std::transform(totals, totals + n, dweight, [](double total) { return static_cast<T>(total); });
    if (dbias) std::transform(totals + n, totals + 2 * n, dbias, [](double total) { return static_cast<T>(total); });
  });
}

}  // namespace gradus::kernels
