#pragma once

#include <cstdint>

#include "core/isa.h"

/// Reductions along a row keep several running results side by side, so that the processor works on many numbers at once.
namespace gradus::kernels {

/// How many. With 16 or fewer a compiler keeps them as single numbers.
inline constexpr int64_t lanes = 32;

/// Joins N results, a power of two, in pairs: f(lane[k], lane[k + N / 2]) and so on.
template <int64_t N = lanes, class T, class F>
inline T fold(T* lane, F f) {
  if constexpr (N == 1) {
    return lane[0];
  } else if constexpr (N >= 16) {  // two steps in one, in which the lanes stay in registers
    GRADUS_SIDE_BY_SIDE
    for (int64_t k = 0; k < N / 4; ++k) lane[k] = f(f(lane[k], lane[k + N / 2]), f(lane[k + N / 4], lane[k + N / 4 * 3]));
    return fold<N / 4>(lane, f);
  } else {
    GRADUS_SIDE_BY_SIDE
    for (int64_t k = 0; k < N / 2; ++k) lane[k] = f(lane[k], lane[k + N / 2]);
    return fold<N / 2>(lane, f);
  }
}

}  // namespace gradus::kernels
