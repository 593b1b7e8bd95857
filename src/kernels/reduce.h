#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/isa.h"
#include "core/thread_pool.h"

/// Reductions of a dense array seen as (outer, length, inner), over the middle.
namespace gradus::kernels {

/// What sums are kept in: double for real numbers, so that their error does not grow with length; integers wrap around.
template <class T>
using Accumulator = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

namespace detail {

inline constexpr int64_t reduce_grain = 1 << 15;  // elements a thread takes at a time
inline constexpr int64_t strip = 256;             // columns that are reduced side by side, so that their results stay in the nearest cache

inline int64_t pieces_a_task(int64_t elements) noexcept { return std::max<int64_t>(reduce_grain / std::max<int64_t>(elements, 1), 1); }

/// to = the sum of f(x) over n neighbours.
template <class A, class X, class Out, class F>
void sum_neighbours(int64_t n, const X* from, Out* to, F f) {
  isa::run([=] {
    constexpr int64_t lanes = 32;
    A lane[lanes] = {}, total = 0;
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes)
      for (int64_t k = 0; k < lanes; ++k) lane[k] += static_cast<A>(f(from[i + k]));
    for (; i < n; ++i) total += static_cast<A>(f(from[i]));
    for (int64_t half = lanes / 2; half > 0; half /= 2)
      for (int64_t k = 0; k < half; ++k) lane[k] += lane[k + half];
    *to = static_cast<Out>(total + lane[0]);
  });
}

/// to (width) = the sum of f(x) over n rows of `width` numbers, `stride` apart.
template <class A, class X, class Out, class F>
void sum_rows(int64_t n, int64_t width, int64_t stride, const X* from, Out* to, F f) {
  isa::run([=] {
    A total[strip] = {};
    // Short rows without gaps are taken several at a time, which makes one long row of them.
    const int64_t together = stride == width ? std::clamp<int64_t>(strip / 2 / width, 1, std::max<int64_t>(n / 4, 1)) : 1;
    int64_t i = 0;
    for (; i + together <= n; i += together)
      for (int64_t j = 0; j < together * width; ++j) total[j] += static_cast<A>(f(from[i * stride + j]));
    for (; i < n; ++i)
      for (int64_t j = 0; j < width; ++j) total[j] += static_cast<A>(f(from[i * stride + j]));
    for (int64_t g = 1; g < together; ++g)
      for (int64_t j = 0; j < width; ++j) total[j] += total[g * width + j];
    for (int64_t j = 0; j < width; ++j) to[j] = static_cast<Out>(total[j]);
  });
}

}  // namespace detail

/// y (outer, inner) = the sums of f(x). Work is cut by the sizes alone, so the bits do not depend on the number of threads.
template <class Y, class X, class F>
void sum(int64_t outer, int64_t length, int64_t inner, const X* x, Y* y, F f) {
  using namespace detail;
  using A = Accumulator<Y>;
  const int64_t width = std::min(inner, strip), strips = inner == 0 ? 0 : (inner + strip - 1) / strip;
  const int64_t rows = reduce_grain / std::max<int64_t>(width, 1), chunks = std::max<int64_t>((length + rows - 1) / rows, 1);
  std::vector<A> partial(chunks > 1 ? static_cast<size_t>(outer * chunks * inner) : 0);
  parallel_for(outer * strips * chunks, pieces_a_task(std::min(length, rows) * width), [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t chunk = piece % chunks, first = piece / chunks % strips * strip, o = piece / chunks / strips;
      const int64_t n = std::min(rows, length - chunk * rows), w = std::min(strip, inner - first);
      const X* from = x + (o * length + chunk * rows) * inner + first;
      const auto into = [&](auto* to) {
        if (inner == 1) sum_neighbours<A>(n, from, to, f);
        else sum_rows<A>(n, w, inner, from, to, f);
      };
      if (chunks == 1) into(y + o * inner + first);
      else into(partial.data() + (o * chunks + chunk) * inner + first);
    }
  });
  if (chunks == 1) return;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t j = 0; j < inner; ++j) {
      A total = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) total += partial[static_cast<size_t>((o * chunks + chunk) * inner + j)];
      y[o * inner + j] = static_cast<Y>(total);
    }
}

/// The order in which `max` (`min`) prefers elements: a NaN to any number, the first of equals.
struct Larger {
  template <class T>
  bool operator()(T v, T best) const {
    return v > best || (v != v && best == best);
  }
};
struct Smaller {
  template <class T>
  bool operator()(T v, T best) const {
    return v < best || (v != v && best == best);
  }
};

namespace detail {

/// The best of n > 0 neighbours and its place: the best of each block, without places, and then the place in the block that won.
template <class T, class Better>
void best_of_neighbours(int64_t n, const T* from, T* value, int64_t* place, Better better) {
  isa::run([=] {
    constexpr int64_t lanes = 16, block = 512;
    T best = from[0];
    int64_t winner = 0;
    for (int64_t begin = 0; begin < n; begin += block) {
      const int64_t end = std::min(begin + block, n);
      T lane[lanes];
      for (int64_t k = 0; k < lanes; ++k) lane[k] = from[begin];
      int64_t i = begin;
      for (; i + lanes <= end; i += lanes)
        for (int64_t k = 0; k < lanes; ++k) lane[k] = better(from[i + k], lane[k]) ? from[i + k] : lane[k];
      for (; i < end; ++i) lane[0] = better(from[i], lane[0]) ? from[i] : lane[0];
      for (int64_t k = 1; k < lanes; ++k) lane[0] = better(lane[k], lane[0]) ? lane[k] : lane[0];
      if (better(lane[0], best)) {
        best = lane[0];
        winner = begin;
      }
    }
    while (from[winner] != best && (best == best || from[winner] == from[winner])) ++winner;
    *value = from[winner];
    *place = winner;
  });
}

/// The same for each of `width` columns.
template <class T, class Better>
void best_of_rows(int64_t n, int64_t width, int64_t stride, const T* from, T* values, int64_t* places, Better better) {
  isa::run([=] {
    for (int64_t j = 0; j < width; ++j) {
      values[j] = from[j];
      places[j] = 0;
    }
    for (int64_t i = 1; i < n; ++i)
      for (int64_t j = 0; j < width; ++j) {
        const T v = from[i * stride + j];
        const bool take = better(v, values[j]);
        values[j] = take ? v : values[j];
        places[j] = take ? i : places[j];
      }
  });
}

}  // namespace detail

/// values and places (outer, inner) of the elements that `better` prefers. length > 0.
template <class T, class Better>
void extremum(int64_t outer, int64_t length, int64_t inner, const T* x, T* values, int64_t* places, Better better) {
  using namespace detail;
  const int64_t strips = inner == 0 ? 0 : (inner + strip - 1) / strip;
  parallel_for(outer * strips, pieces_a_task(length * std::min(inner, strip)), [=](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t o = piece / strips, first = piece % strips * strip, at = o * inner + first;
      const T* from = x + o * length * inner + first;
      if (inner == 1) best_of_neighbours(length, from, values + at, places + at, better);
      else best_of_rows(length, std::min(strip, inner - first), inner, from, values + at, places + at, better);
    }
  });
}

}  // namespace gradus::kernels
