#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/rows.h"

/// Channels brought to mean 0 and variance 1 over the batch, and the gradients. x is dense, (N, C, inner); weight and bias (C) may be null.
/// A channel belongs to one thread, and its sums are added in double, so that the bits are the same for any number of threads.
namespace gradus::kernels {

struct ChannelSizes {
  int64_t N, C, inner;

  int64_t count() const noexcept { return N * inner; }
  int64_t at(int64_t n, int64_t c) const noexcept { return (n * C + c) * inner; }
};

namespace detail {

/// The sums over a channel of the K numbers f(place).
template <class T, size_t K, class F>
std::array<double, K> channel_sums(const ChannelSizes& s, int64_t c, F f) {
  std::array<double, K> total{};
  for (int64_t n = 0; n < s.N; ++n) {
    const std::array<T, K> part = row_sums<T, K>(s.inner, [first = s.at(n, c), f](int64_t i) { return f(first + i); });
    for (size_t k = 0; k < K; ++k) total[k] += static_cast<double>(part[k]);
  }
  return total;
}

}  // namespace detail

/// y = (x - mean) * rstd * weight + bias with rstd = 1 / sqrt(variance + eps); mean, variance and rstd (C), the variance being that of all.
template <class T>
void batch_norm(const ChannelSizes& s, const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* variance, T* rstd) {
  for_each_row<T>(s.C, s.count(), [=](int64_t c) {
    const auto count = static_cast<double>(s.count());
    const T m = static_cast<T>(detail::channel_sums<T, 1>(s, c, [x](int64_t i) { return std::array{x[i]}; })[0] / count);
    const T v =
        static_cast<T>(detail::channel_sums<T, 1>(s, c, [x, m](int64_t i) { return std::array{(x[i] - m) * (x[i] - m)}; })[0] / count);
    const T r = 1 / std::sqrt(v + static_cast<T>(eps)), w = weight ? weight[c] : T(1), b = bias ? bias[c] : T(0);
    mean[c] = m;
    variance[c] = v;
    rstd[c] = r;
    for (int64_t n = 0; n < s.N; ++n) {
      const T* from = x + s.at(n, c);
      T* to = y + s.at(n, c);
      GRADUS_INDEPENDENT
      for (int64_t i = 0; i < s.inner; ++i) to[i] = (from[i] - m) * r * w + b;
    }
  });
}

/// With h = (x - mean) * rstd: dx = weight * rstd * (dy - mean(dy) - h * mean(dy * h)), dweight = sum(dy * h) and dbias = sum(dy). Each of
/// the results may be null.
template <class T>
void batch_norm_backward(const ChannelSizes& s, const T* x, const T* weight, const T* mean, const T* rstd, const T* dy, T* dx, T* dweight,
                         T* dbias) {
  for_each_row<T>(s.C, s.count(), [=](int64_t c) {
    const T m = mean[c], r = rstd[c], w = weight ? weight[c] : T(1);
    const auto [sum, along] = detail::channel_sums<T, 2>(s, c, [=](int64_t i) { return std::array{dy[i], dy[i] * (x[i] - m)}; });
    if (dweight) dweight[c] = static_cast<T>(along * static_cast<double>(r));
    if (dbias) dbias[c] = static_cast<T>(sum);
    if (!dx) return;
    const auto count = static_cast<double>(s.count()), scale = static_cast<double>(r);
    const T shift = static_cast<T>(sum / count), slope = static_cast<T>(along * scale / count * scale), factor = w * r;
    for (int64_t n = 0; n < s.N; ++n) {
      const T *from = x + s.at(n, c), *d = dy + s.at(n, c);
      T* to = dx + s.at(n, c);
      GRADUS_INDEPENDENT
      for (int64_t i = 0; i < s.inner; ++i) to[i] = factor * (d[i] - shift - (from[i] - m) * slope);
    }
  });
}

}  // namespace gradus::kernels
