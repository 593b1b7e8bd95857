#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace gradus::kernels {
namespace detail {

using Four = float __attribute__((vector_size(16)));

inline Four load_four(const float* p) {
  Four v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store_four(Four v, float* p) { std::memcpy(p, &v, sizeof v); }

/// to[k, n] = from[n, k] for 4 x 4 elements, rows `width` and `stride` apart.
inline void transpose_four(const float* from, int64_t stride, float* to, int64_t width) {
  const Four a = load_four(from), b = load_four(from + stride), c = load_four(from + 2 * stride), d = load_four(from + 3 * stride);
  const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Four ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store_four(__builtin_shufflevector(ab, cd, 0, 1, 4, 5), to);
  store_four(__builtin_shufflevector(ab, cd, 2, 3, 6, 7), to + width);
  store_four(__builtin_shufflevector(ef, gh, 0, 1, 4, 5), to + 2 * width);
  store_four(__builtin_shufflevector(ef, gh, 2, 3, 6, 7), to + 3 * width);
}

}  // namespace detail

/// to (K, width), dense: to[k, n] = from[n * n_stride + k * k_stride]. One of the strides is 1.
inline void pack_block(int64_t K, int64_t width, const float* from, int64_t n_stride, int64_t k_stride, float* to) {
  if (n_stride == 1) {
    for (int64_t k = 0; k < K; ++k) std::copy_n(from + k * k_stride, width, to + k * width);
    return;
  }
  const int64_t whole_K = K / 4 * 4, whole_width = width / 4 * 4;
  constexpr int64_t strip = 16;  // of k at a time: the lines written stay in the nearest cache
  for (int64_t k0 = 0; k0 < whole_K; k0 += strip)
    for (int64_t n = 0; n < whole_width; n += 4)
      for (int64_t k = k0; k < std::min(k0 + strip, whole_K); k += 4)
        detail::transpose_four(from + n * n_stride + k, n_stride, to + k * width + n, width);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t n = k < whole_K ? whole_width : 0; n < width; ++n) to[k * width + n] = from[n * n_stride + k * k_stride];
}

}  // namespace gradus::kernels
