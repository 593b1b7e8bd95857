#pragma once

#include <algorithm>
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

/// The numbers of the terms, by the rows that they go to, those of one row in their order. Few terms are sorted, many are counted.
template <class T>
Array<int64_t> order_by_row(const RowTerms<T>& terms, int64_t rows) {
  Array<int64_t> order(static_cast<size_t>(terms.n));
  if (terms.n < rows / 16) {
    std::iota(order.begin(), order.end(), int64_t{0});
    std::sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
      const int64_t a = row_of(terms, i), b = row_of(terms, j);
      return a != b ? a < b : i < j;
    });
    return order;
  }
  Array<int64_t> end(static_cast<size_t>(rows));  // of each row's terms in `order`
  for (int64_t i = 0; i < terms.n; ++i) ++end[static_cast<size_t>(row_of(terms, i))];
  std::partial_sum(end.begin(), end.end(), end.begin());
  for (int64_t i = terms.n; i-- > 0;) order[static_cast<size_t>(--end[static_cast<size_t>(row_of(terms, i))])] = i;
  return order;
}

/// So many terms for one place are added in the tensor's own type; more in double, since a float stops growing by 1 at 2^24.
constexpr int64_t most_terms_in_own_type = 8;

namespace detail {

template <class T, class Sum>
void add_terms(const RowTerms<T>& terms, const int64_t* order, int64_t count, const T* x, int64_t width, Sum* to) {
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = order[k];
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
}

}  // namespace detail

/// What a sum begins with: nothing, or what is there.
enum class Onto { Zero, Old };

/// y (rows, width) = the sums of rows of x that the terms name, or += them. The rows are cut into tiles by their sizes alone; one thread
/// takes a tile, while it is in the cache: row by row, and each in the order of its terms, so that the bits are the same for any number of
/// threads.
template <class T>
void sum_rows(const RowTerms<T>& terms, const T* x, int64_t rows, int64_t width, T* y, Onto onto = Onto::Zero) {
  if (rows == 0 || width == 0) return;
  constexpr int64_t tile_bytes = 1 << 18;
  const int64_t tile_rows = std::max<int64_t>(tile_bytes / (width * static_cast<int64_t>(sizeof(T))), 1);
  const Array<int64_t> order = order_by_row(terms, rows);
  const auto first_of = [&](int64_t row) {
    return std::partition_point(order.data(), order.data() + terms.n, [&](int64_t i) { return row_of(terms, i) < row; });
  };
  parallel_pieces((rows + tile_rows - 1) / tile_rows, [&](int64_t t) {
    const int64_t first = t * tile_rows, last = std::min(first + tile_rows, rows);
    if (onto == Onto::Zero) std::fill(y + first * width, y + last * width, T(0));
    const int64_t *begin = first_of(first), *end = first_of(last);
    if (begin == end) return;
    Array<double> total(std::is_same_v<T, float> ? static_cast<size_t>(width) : 0);
    isa::run<T>([=, wide = total.data()] {
      for (const int64_t *mine = begin, *next = begin; mine < end; mine = next) {
        const int64_t row = row_of(terms, *mine);
        while (next < end && row_of(terms, *next) == row) ++next;
        const int64_t count = next - mine;
        T* to = y + row * width;
        if (std::is_same_v<T, float> && count > most_terms_in_own_type) {
          std::copy_n(to, width, wide);
          detail::add_terms(terms, mine, count, x, width, wide);
          for (int64_t j = 0; j < width; ++j) to[j] = static_cast<T>(wide[j]);
        } else {
          detail::add_terms(terms, mine, count, x, width, to);
        }
      }
    });
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
