#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <type_traits>

#include "core/array.h"
#include "core/isa.h"
#include "core/thread_pool.h"

/// Rows of a table looked up by index, and the adjoint. Arrays are dense; indices have been checked.
namespace gradus::kernels {

/// y (n, width): y[i] = table[index[i]]
template <class T>
void take_rows(int64_t n, int64_t width, const int64_t* index, const T* table, T* y) {
  parallel_for(n, std::max<int64_t>(elements_a_piece / std::max<int64_t>(width, 1), 1), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::copy_n(table + index[i] * width, width, y + i * width);
  });
}

/// table[index[i]] = x[i], x (n, width)
template <class T>
void put_rows(int64_t n, int64_t width, const int64_t* index, const T* x, T* table) {
  for (int64_t i = 0; i < n; ++i) std::copy_n(x + i * width, width, table + index[i] * width);
}

/// Terms of sums of rows: term i adds scale[i] * factor times row from[i] to row to[i]. Null `from` or `to`: i; null `scale`: 1.
template <class T>
struct RowTerms {
  int64_t n;
  const int64_t* to;
  const int64_t* from;
  const T* scale;
  T factor = 1;
};

/// The row that term i goes to.
template <class T>
int64_t row_of(const RowTerms<T>& terms, int64_t i) {
  return terms.to ? terms.to[i] : i;
}

/// What a sum begins with: nothing, or what is there.
enum class Onto { Zero, Old };

/// So many terms for one place are added in the tensor's own type; more in double, since a float stops growing by 1 at 2^24.
constexpr int64_t most_terms_in_own_type = 8;

namespace detail {

/// Where the items of each of `groups` groups end if those of a group stand side by side, and last how many there are.
template <class Group>
Array<int64_t> group_ends(int64_t n, int64_t groups, Group group_of) {
  Array<int64_t> ends(static_cast<size_t>(groups) + 1);
  for (int64_t k = 0; k < n; ++k) ++ends[static_cast<size_t>(group_of(k))];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  return ends;
}
/// The numbers of the items so that those of a group stand side by side, in their order; `ends` becomes where each group's begin.
template <class Group>
Array<int64_t> in_groups(Array<int64_t>& ends, Group group_of) {
  Array<int64_t> order(static_cast<size_t>(ends.back()));
  for (int64_t k = ends.back(); k-- > 0;) order[static_cast<size_t>(--ends[static_cast<size_t>(group_of(k))])] = k;
  return order;
}

/// to (width) += term i
template <class T, class Sum>
void add_term(const RowTerms<T>& terms, int64_t i, const T* x, int64_t width, Sum* to) {
  const T* from = x + (terms.from ? terms.from[i] : i) * width;
  if (terms.scale || terms.factor != T(1)) {
    const T s = terms.scale ? static_cast<T>(terms.scale[i] * terms.factor) : terms.factor;
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < width; ++j) to[j] += static_cast<Sum>(s) * static_cast<Sum>(from[j]);
  } else {
    GRADUS_INDEPENDENT
    for (int64_t j = 0; j < width; ++j) to[j] += static_cast<Sum>(from[j]);
  }
}

/// The `count` terms of one tile, rows first to last - 1: term_of(0), term_of(1) and so on.
template <class T, class Term>
void sum_tile(const RowTerms<T>& terms, int64_t count, Term term_of, int64_t first, int64_t last, const T* x, int64_t width, T* y) {
  const auto place = [&](int64_t k) { return row_of(terms, term_of(k)) - first; };
  Array<int64_t> counts(static_cast<size_t>(last - first));
  int64_t most = 0;  // terms of one row
  for (int64_t k = 0; k < count; ++k) most = std::max(most, ++counts[static_cast<size_t>(place(k))]);
  if (!std::is_same_v<T, float> || most <= most_terms_in_own_type) {
    isa::run<T>([=, &terms] {
      for (int64_t k = 0; k < count; ++k) add_term(terms, term_of(k), x, width, y + row_of(terms, term_of(k)) * width);
    });
    return;
  }
  counts.push_back(0);
  std::partial_sum(counts.begin(), counts.end(), counts.begin());
  const Array<int64_t> order = in_groups(counts, place);
  Array<double> total(static_cast<size_t>(width));
  isa::run<T>([=, &terms, order = order.data(), starts = counts.data(), wide = total.data()] {
    for (int64_t row = 0; row < last - first; ++row) {
      const int64_t begin = starts[row], end = starts[row + 1];
      T* to = y + (first + row) * width;
      if (end - begin <= most_terms_in_own_type) {
        for (int64_t k = begin; k < end; ++k) add_term(terms, term_of(order[k]), x, width, to);
      } else {
        std::copy_n(to, width, wide);
        for (int64_t k = begin; k < end; ++k) add_term(terms, term_of(order[k]), x, width, wide);
        for (int64_t j = 0; j < width; ++j) to[j] = static_cast<T>(wide[j]);
      }
    }
  });
}

}  // namespace detail

/// y (rows, width) = the sums of rows of x that the terms name, or += them. The rows are cut into tiles by their sizes alone; one thread
/// takes a tile, while it is in the cache, and each row's terms in their order, so that the bits are the same for any number of threads.
template <class T>
void sum_rows(const RowTerms<T>& terms, const T* x, int64_t rows, int64_t width, T* y, Onto onto = Onto::Zero) {
  if (rows == 0 || width == 0) return;
  constexpr int64_t tile_bytes = 1 << 18;
  const int64_t fit = std::max<int64_t>(tile_bytes / (width * static_cast<int64_t>(sizeof(T))), 1);
  const int shift = std::bit_width(static_cast<uint64_t>(fit)) - 1;  // a tile has 2^shift rows, which are quicker to divide by than any
  const int64_t tile_rows = int64_t{1} << shift, tiles = (rows + tile_rows - 1) >> shift;
  if (tiles == 1) {
    if (onto == Onto::Zero) std::fill(y, y + rows * width, T(0));
    detail::sum_tile(
        terms, terms.n, [](int64_t i) { return i; }, 0, rows, x, width, y);
    return;
  }
  const auto tile_of = [&](int64_t i) { return row_of(terms, i) >> shift; };
  Array<int64_t> starts = detail::group_ends(terms.n, tiles, tile_of);
  const Array<int64_t> order = detail::in_groups(starts, tile_of);
  parallel_pieces(tiles, [&](int64_t t) {
    const int64_t first = t * tile_rows, last = std::min(first + tile_rows, rows);
    if (onto == Onto::Zero) std::fill(y + first * width, y + last * width, T(0));
    const int64_t begin = starts[static_cast<size_t>(t)], count = starts[static_cast<size_t>(t) + 1] - begin;
    if (count == 0) return;
    detail::sum_tile(
        terms, count, [mine = order.data() + begin](int64_t k) { return mine[k]; }, first, last, x, width, y);
  });
}

/// y (bags, width) = the largest of each bag's rows of the table, element by element, and which row it is from: `winner`, or -1 and 0 for
/// an empty bag. Of equal ones the first counts; NaN counts where it stands first, as in PyTorch. Bag b has index[starts[b]] to
/// index[starts[b + 1] - 1].
template <class T>
void max_rows(int64_t bags, int64_t width, const int64_t* starts, const int64_t* index, const T* table, T* y, int64_t* winner) {
  parallel_for(bags, std::max<int64_t>((1 << 12) / std::max<int64_t>(width, 1), 1), [=](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      T* best = y + b * width;
      int64_t* from = winner + b * width;
      std::fill_n(best, width, T(0));
      std::fill_n(from, width, int64_t{-1});
      for (int64_t i = starts[b]; i < starts[b + 1]; ++i) {
        const T* row = table + index[i] * width;
        for (int64_t j = 0; j < width; ++j)
          if (from[j] < 0 || row[j] > best[j]) {
            best[j] = row[j];
            from[j] = index[i];
          }
      }
    }
  });
}

}  // namespace gradus::kernels
