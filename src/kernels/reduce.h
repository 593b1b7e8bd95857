#pragma once

#include <algorithm>
#include <cstdint>

#include "core/isa.h"
#include "core/thread_pool.h"

/// Reductions of a dense array seen as (outer, length, inner), over the middle.
namespace gradus::kernels {

/// y (outer, inner) = the sum of f(x). Sums are kept in 16 lanes by blocks, and the blocks in double, so the error does not grow with length.
template <class Y, class X, class F>
void sum(int64_t outer, int64_t length, int64_t inner, const X* x, Y* y, F f) {
  using Accumulator = std::conditional_t<std::is_floating_point_v<Y>, double, uint64_t>;
  constexpr int64_t lanes = 16, block = 512;
  if (inner == 1) {
    const auto row = [=](int64_t o) {
      const X* from = x + o * length;
      isa::run([=] {
        Accumulator total = 0;
        int64_t i = 0;
        while (i + lanes <= length) {
          Y lane[lanes] = {};
          const int64_t end = std::min(i + block, i + (length - i) / lanes * lanes);
          for (; i < end; i += lanes)
            for (int64_t k = 0; k < lanes; ++k) lane[k] = static_cast<Y>(lane[k] + f(from[i + k]));
          for (int64_t k = 0; k < lanes; ++k) total += static_cast<Accumulator>(lane[k]);
        }
        for (; i < length; ++i) total += static_cast<Accumulator>(f(from[i]));
        y[o] = static_cast<Y>(total);
      });
    };
    parallel_for(outer, std::max<int64_t>((1 << 15) / std::max<int64_t>(length, 1), 1), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) row(o);
    });
    return;
  }
  // Rows of `inner` numbers are added up side by side, a strip at a time, so that the sums stay in the nearest cache.
  constexpr int64_t strip = 256;
  const int64_t strips = (inner + strip - 1) / strip;
  parallel_for(outer * strips, std::max<int64_t>((1 << 15) / std::max<int64_t>(length * strip, 1), 1), [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t o = piece / strips, first = piece % strips * strip, width = std::min(strip, inner - first);
      const X* from = x + o * length * inner + first;
      Y* to = y + o * inner + first;
      isa::run([=] {
        Accumulator total[strip] = {};
        for (int64_t i = 0; i < length; ++i)
          for (int64_t j = 0; j < width; ++j) total[j] += static_cast<Accumulator>(f(from[i * inner + j]));
        for (int64_t j = 0; j < width; ++j) to[j] = static_cast<Y>(total[j]);
      });
    }
  });
}

/// values and places (outer, inner) of the first element that `better(candidate, best)` prefers to all before it; NaN wins.
template <class T, class Better>
void extremum(int64_t outer, int64_t length, int64_t inner, const T* x, T* values, int64_t* places, Better better) {
  parallel_for(outer, std::max<int64_t>((1 << 15) / std::max<int64_t>(length * inner, 1), 1), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t j = 0; j < inner; ++j) {
        const T* from = x + o * length * inner + j;
        int64_t place = 0;
        T best = from[0];
        for (int64_t i = 1; i < length && best == best; ++i)
          if (const T v = from[i * inner]; better(v, best) || v != v) {
            best = v;
            place = i;
          }
        values[o * inner + j] = best;
        places[o * inner + j] = place;
      }
  });
}

}  // namespace gradus::kernels
