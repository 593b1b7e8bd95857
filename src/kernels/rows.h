#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/lanes.h"

/// What kernels that work row by row share: sums and maxima of a row, and the split over threads. Arrays are dense, (rows, n).
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

/// The sums of the K numbers f(i) for i in [0, n): in lanes within a block, and the blocks in double, so that the error does not grow with
/// n.
template <class T, size_t K, class F>
std::array<T, K> row_sums(int64_t n, F f) {
  constexpr int64_t block = 32 * lanes;
  std::array<double, K> total{};
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t end = std::min(begin + block, n), whole = end - (end - begin) % lanes;
    T lane[K][lanes] = {};
    const auto add = [&](int64_t i, int64_t k) {
      const std::array<T, K> v = f(i + k);
      for (size_t j = 0; j < K; ++j) lane[j][k] += v[j];
    };
    for (int64_t i = begin; i < whole; i += lanes) {
      GRADUS_INDEPENDENT
      for (int64_t k = 0; k < lanes; ++k) add(i, k);
    }
    GRADUS_INDEPENDENT
    for (int64_t k = 0; k < end - whole; ++k) add(whole, k);
    for (size_t j = 0; j < K; ++j) total[j] += static_cast<double>(fold(lane[j], [](T u, T v) { return u + v; }));
  }
  std::array<T, K> sums;
  for (size_t j = 0; j < K; ++j) sums[j] = static_cast<T>(total[j]);
  return sums;
}

/// The sum of f(i) for i in [0, n).
template <class T, class F>
T row_sum(int64_t n, F f) {
  constexpr int64_t few = 8;
  if (n > 0 && n < few) {  // one after the other, as PyTorch adds a few
    T total = f(0);
    for (int64_t i = 1; i < n; ++i) total += f(i);
    return total;
  }
  return row_sums<T, 1>(n, [f](int64_t i) { return std::array<T, 1>{f(i)}; })[0];
}

/// Calls f(row) for every row of numbers of type T, in the version for this machine, on the pool's threads.
template <class T, class F>
void for_each_row(int64_t rows, int64_t n, F f) {
  parallel_for(rows, row_grain(n), [=](int64_t begin, int64_t end) {
    isa::run<T>([=] {
      for (int64_t r = begin; r < end; ++r) f(r);
    });
  });
}

}  // namespace gradus::kernels
