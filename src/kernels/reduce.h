#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/array.h"
#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/lanes.h"

/// Reductions of a dense array seen as (outer, length, inner), over the middle.
namespace gradus::kernels {

/// What sums are kept in: double for real numbers, so that their error hardly grows with length; integers wrap around.
template <class T>
using Accumulator = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

namespace detail {

// Tuning numbers. Sums have other bits where another choice adds their terms in another order.
inline constexpr int64_t reduce_grain = elements_a_piece;
inline constexpr int64_t strip = 256;  // columns that are reduced side by side: their sums in double, 2 KB, stay in the nearest cache
inline constexpr int64_t depth = 8;    // terms that meet in one partial sum
inline constexpr int64_t few = 8;      // neighbours that are added to side by side, so that memory is read from front to back

inline int64_t pieces_a_task(int64_t elements) noexcept { return std::max<int64_t>(reduce_grain / std::max<int64_t>(elements, 1), 1); }

/// What a few terms f(x) are added up in before their sum goes to the accumulator A: real numbers in their own type, of which a register
/// holds more, and a short sum loses little.
template <class A, class Term>
using Partial = std::conditional_t<std::is_floating_point_v<Term>, Term, A>;

/// The sum of the N terms term(first), term(first + 1) …, a power of two, in pairs: it is rounded log2(N) times rather than N - 1 times.
template <int64_t N, class Term>
inline auto in_pairs(int64_t first, Term term) {
  if constexpr (N == 1) return term(first);
  else return in_pairs<N / 2>(first, term) + in_pairs<N / 2>(first + N / 2, term);
}

/// to (rows) = the sums of f(x) over n neighbours each.
template <class A, class X, class Out, class F>
void sum_neighbours(int64_t rows, int64_t n, const X* from, Out* to, F f) {
  using P = Partial<A, decltype(f(*from))>;
  isa::run<X>([=] {
    for (int64_t r = 0; r < rows; ++r) {
      const X* row = from + r * n;
      const auto add = [](auto a, auto b) { return a + b; };
      A sum = 0;
      int64_t i = 0;
      if (n >= depth * few) {
        A total[few] = {};
        for (; i + depth * few <= n; i += depth * few) {
          GRADUS_SIDE_BY_SIDE
          for (int64_t k = 0; k < few; ++k)
            total[k] += static_cast<A>(in_pairs<depth>(0, [&](int64_t j) { return static_cast<P>(f(row[i + j * few + k])); }));
        }
        sum = fold<few>(total, add);
      }
      for (; i + lanes <= n; i += lanes) {
        P part[few];
        GRADUS_SIDE_BY_SIDE
        for (int64_t k = 0; k < few; ++k)
          part[k] = in_pairs<lanes / few>(0, [&](int64_t j) { return static_cast<P>(f(row[i + j * few + k])); });
        sum += static_cast<A>(fold<few>(part, add));
      }
      for (; i < n; ++i) sum += static_cast<A>(f(row[i]));
      to[r] = static_cast<Out>(sum);
    }
  });
}

/// total (width) += the sums of f(x) over n rows of `width` numbers, `stride` apart.
template <class A, class X, class F>
void add_rows(int64_t n, int64_t width, int64_t stride, const X* from, A* total, F f) {
  using P = Partial<A, decltype(f(*from))>;
  int64_t i = 0;
  for (; i + depth <= n; i += depth)
    for (int64_t j = 0; j < width; ++j)
      total[j] += static_cast<A>(in_pairs<depth>(i, [&](int64_t r) { return static_cast<P>(f(from[r * stride + j])); }));
  for (; i < n; ++i)
    for (int64_t j = 0; j < width; ++j) total[j] += static_cast<A>(f(from[i * stride + j]));
}

/// to (width) = the sum of f(x) over n rows of `width` numbers, `stride` apart.
template <class A, class X, class Out, class F>
void sum_rows(int64_t n, int64_t width, int64_t stride, const X* from, Out* to, F f) {
  isa::run<X>([=] {
    A total[strip] = {};
    // Short rows without gaps are taken several at a time, which makes one long row of them.
    const int64_t together = stride == width ? std::clamp<int64_t>(strip / 2 / width, 1, std::max<int64_t>(n / 4, 1)) : 1;
    const int64_t whole = n / together * together;
    add_rows<A>(n / together, together * width, together * stride, from, total, f);
    add_rows<A>(n - whole, width, stride, from + whole * stride, total, f);
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
  Array<A> partial(chunks > 1 ? static_cast<size_t>(outer * chunks * inner) : 0);
  const int64_t task = pieces_a_task(std::min(length, rows) * width);
  if (inner == 1 && chunks == 1) {
    parallel_for(outer, task,
                 [=](int64_t begin, int64_t end) { sum_neighbours<A>(end - begin, length, x + begin * length, y + begin, f); });
    return;
  }
  parallel_for(outer * strips * chunks, task, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t chunk = piece % chunks, first = piece / chunks % strips * strip, o = piece / chunks / strips;
      const int64_t n = std::min(rows, length - chunk * rows), w = std::min(strip, inner - first);
      const X* from = x + (o * length + chunk * rows) * inner + first;
      A* part = chunks == 1 ? nullptr : partial.data() + (o * chunks + chunk) * inner + first;
      if (chunks == 1) sum_rows<A>(n, w, inner, from, y + o * inner + first, f);
      else if (inner == 1) sum_neighbours<A>(1, n, from, part, f);
      else sum_rows<A>(n, w, inner, from, part, f);
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

/// totals (width) += the sums of the columns of x (rows, width).
template <class T>
void add_columns(int64_t rows, int64_t width, const T* x, Accumulator<T>* totals) {
  parallel_for(width, detail::strip, [=](int64_t begin, int64_t end) {
    isa::run<T>([=] { detail::add_rows<Accumulator<T>>(rows, end - begin, width, x + begin, totals + begin, [](T v) { return v; }); });
  });
}

/// The order in which `max` (`min`) prefers elements: a NaN to any number, the first of equals. Without branches, so that loops vectorise.
struct Larger {
  template <class T>
  bool operator()(T v, T best) const {
    return (v > best) | ((v != v) & (best == best));
  }
};
struct Smaller {
  template <class T>
  bool operator()(T v, T best) const {
    return (v < best) | ((v != v) & (best == best));
  }
};

namespace detail {

/// The best of n > 0 neighbours.
template <class T, class Better>
T best_of(int64_t n, const T* x, Better better) {
  const auto best = [better](T a, T b) { return better(b, a) ? b : a; };
  T top = x[0];
  if (n < lanes) {
    for (int64_t i = 1; i < n; ++i) top = best(top, x[i]);
    return top;
  }
  T lane[lanes];
  for (int64_t k = 0; k < lanes; ++k) lane[k] = x[k];
  for (int64_t i = lanes; i < n; i += lanes) {
    const T* from = x + std::min(i, n - lanes);  // the last step overlaps the one before it
    for (int64_t k = 0; k < lanes; ++k) lane[k] = best(lane[k], from[k]);
  }
  return fold(lane, best);
}

/// The first place from `start` on where x holds `value`, which it does.
template <class T>
int64_t find(const T* x, int64_t start, int64_t n, T value) {
  const auto same = [value](T v) { return (v == value) | ((v != v) & (value != value)); };
  for (; start + lanes <= n; start += lanes) {
    int32_t found = 0;
    for (int64_t k = 0; k < lanes; ++k) found |= same(x[start + k]);
    if (found) break;
  }
  while (!same(x[start])) ++start;
  return start;
}

/// The best of each of `rows` runs of n > 0 neighbours, and its place: blocks are compared first, then the best one is searched.
template <class T, class Better>
void best_of_neighbours(int64_t rows, int64_t n, const T* from, T* values, int64_t* places, Better better) {
  isa::run<T>([=] {
    constexpr int64_t block = 32 * lanes;
    for (int64_t r = 0; r < rows; ++r) {
      const T* x = from + r * n;
      T best = best_of(std::min(block, n), x, better);
      int64_t winner = 0;
      for (int64_t begin = block; begin < n; begin += block)
        if (const T top = best_of(std::min(block, n - begin), x + begin, better); better(top, best)) {
          best = top;
          winner = begin;
        }
      places[r] = find(x, winner, n, best);
      values[r] = x[places[r]];
    }
  });
}

/// The same for each of `width` columns.
template <class T, class Better>
void best_of_rows(int64_t n, int64_t width, int64_t stride, const T* from, T* values, int64_t* places, Better better) {
  isa::run<T>([=] {
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
  if (inner == 1) {
    parallel_for(outer, pieces_a_task(length), [=](int64_t begin, int64_t end) {
      best_of_neighbours(end - begin, length, x + begin * length, values + begin, places + begin, better);
    });
    return;
  }
  const int64_t strips = (inner + strip - 1) / strip;
  parallel_for(outer * strips, pieces_a_task(length * std::min(inner, strip)), [=](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t o = piece / strips, first = piece % strips * strip, at = o * inner + first;
      best_of_rows(length, std::min(strip, inner - first), inner, x + o * length * inner + first, values + at, places + at, better);
    }
  });
}

}  // namespace gradus::kernels
