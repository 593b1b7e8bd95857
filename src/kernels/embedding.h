#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/isa.h"
#include "core/thread_pool.h"

/// Rows of a table looked up by index, and the adjoint. Arrays are dense; indices have been checked.
namespace gradus::kernels {

/// y (n, width): y[i] = table[index[i]]
template <class T>
void take_rows(int64_t n, int64_t width, const int64_t* index, const T* table, T* y) {
  parallel_for(n, std::max<int64_t>((1 << 15) / std::max<int64_t>(width, 1), 1), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::copy_n(table + index[i] * width, width, y + i * width);
  });
}

/// table[index[i]] = x[i], x (n, width)
template <class T>
void put_rows(int64_t n, int64_t width, const int64_t* index, const T* x, T* table) {
  for (int64_t i = 0; i < n; ++i) std::copy_n(x + i * width, width, table + index[i] * width);
}

/// table[index[i]] += alpha * x[i], x (n, width). Threads share the columns, so that every element is added up in the order of i whatever
/// their number.
template <class T>
void add_rows(int64_t n, int64_t width, const int64_t* index, const T* x, T alpha, T* table) {
  constexpr int64_t strip = 64;
  const int64_t strips = (width + strip - 1) / strip;
  parallel_for(strips, std::max<int64_t>((1 << 15) / std::max<int64_t>(n * strip, 1), 1), [=](int64_t begin, int64_t end) {
    const int64_t first = begin * strip, count = std::min(end * strip, width) - first;
    isa::run<T>([=] {
      for (int64_t i = 0; i < n; ++i) {
        const T* from = x + i * width + first;
        T* to = table + index[i] * width + first;
        for (int64_t j = 0; j < count; ++j) to[j] += alpha * from[j];
      }
    });
  });
}

/// Terms of sums of rows: term i adds scale[i] times row from[i] to row to[i]. Null `from` or `to`: i; null `scale`: 1.
template <class T>
struct RowTerms {
  int64_t n;
  const int64_t* to;
  const int64_t* from;
  const T* scale;
};

/// The numbers of the terms, those of one tile (tile_rows rows of the result) side by side, otherwise in their order; tile t has
/// order[starts[t]] to order[starts[t + 1] - 1].
struct TermOrder {
  std::vector<int64_t> order, starts;
};
inline TermOrder order_by_tile(int64_t n, const int64_t* to, int64_t tiles, int64_t tile_rows) {
  TermOrder sorted{std::vector<int64_t>(static_cast<size_t>(n)), std::vector<int64_t>(static_cast<size_t>(tiles) + 1)};
  const auto tile_of = [=](int64_t i) { return static_cast<size_t>((to ? to[i] : i) / tile_rows); };
  for (int64_t i = 0; i < n; ++i) ++sorted.starts[tile_of(i) + 1];
  for (size_t t = 1; t < sorted.starts.size(); ++t) sorted.starts[t] += sorted.starts[t - 1];
  std::vector<int64_t> next = sorted.starts;
  for (int64_t i = 0; i < n; ++i) sorted.order[static_cast<size_t>(next[tile_of(i)]++)] = i;
  return sorted;
}

/// y (rows, width) = the sums of rows of x that the terms name, 0 where there are none. The rows are cut into tiles by their sizes alone;
/// one thread sets a tile to 0 and adds to it in the order of the terms while it is in the cache, so that the bits are the same for any
/// number of threads.
template <class T>
void sum_rows(const RowTerms<T>& terms, const T* x, int64_t rows, int64_t width, T* y) {
  if (rows == 0 || width == 0) return;
  constexpr int64_t tile_bytes = 1 << 18;
  const int64_t tile_rows = std::max<int64_t>(tile_bytes / (width * static_cast<int64_t>(sizeof(T))), 1);
  const int64_t tiles = (rows + tile_rows - 1) / tile_rows;
  const TermOrder sorted = order_by_tile(terms.n, terms.to, tiles, tile_rows);
  parallel_pieces(tiles, [&](int64_t t) {
    const int64_t first = t * tile_rows, last = std::min(first + tile_rows, rows);
    isa::run<T>(
        [=, order = sorted.order.data(), begin = sorted.starts[static_cast<size_t>(t)], end = sorted.starts[static_cast<size_t>(t) + 1]] {
          std::fill(y + first * width, y + last * width, T(0));
          for (int64_t k = begin; k < end; ++k) {
            const int64_t i = order[k];
            const T* from = x + (terms.from ? terms.from[i] : i) * width;
            T* to = y + (terms.to ? terms.to[i] : i) * width;
            if (terms.scale) {
              const T s = terms.scale[i];
              GRADUS_INDEPENDENT
              for (int64_t j = 0; j < width; ++j) to[j] += s * from[j];
            } else {
              GRADUS_INDEPENDENT
              for (int64_t j = 0; j < width; ++j) to[j] += from[j];
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
