#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/array.h"
#include "kernels/reduce.h"

/// Walks along the middle of a dense array (outer, length, inner): running totals, products, searches and sorting.
namespace gradus::kernels {

/// Calls f(offset) for the first element of every run along the middle; its next ones lie `inner` apart.
template <class F>
void for_each_run(int64_t outer, int64_t length, int64_t inner, F f) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) f(o * length * inner + i);
}

/// y_k = f(y_(k-1), x_k) from y_(-1) = start, kept in an accumulator.
template <class T, class F>
void scan(int64_t outer, int64_t length, int64_t inner, const T* x, T* y, double start, F f) {
  for_each_run(outer, length, inner, [=](int64_t first) {
    auto total = static_cast<Accumulator<T>>(start);
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = first + k * inner;
      total = f(total, static_cast<Accumulator<T>>(x[at]));
      y[at] = static_cast<T>(total);
    }
  });
}

/// y_k = x_k + f_k y_(k-1), kept in an accumulator: a running total that the factor f_k lets fade before x_k is added. f_0 is not read.
template <class T>
void fading_scan(int64_t outer, int64_t length, int64_t inner, const T* x, const T* f, T* y) {
  for_each_run(outer, length, inner, [=](int64_t first) {
    Accumulator<T> total = 0;
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = first + k * inner;
      total = k == 0 ? static_cast<Accumulator<T>>(x[at]) : static_cast<Accumulator<T>>(f[at]) * total + static_cast<Accumulator<T>>(x[at]);
      y[at] = static_cast<T>(total);
    }
  });
}

/// y (outer, inner) = the product of each run.
template <class T>
void product(int64_t outer, int64_t length, int64_t inner, const T* x, T* y) {
  for_each_run(outer, length, inner, [=](int64_t first) mutable {
    Accumulator<T> total = 1;
    for (int64_t k = 0; k < length; ++k) total *= static_cast<Accumulator<T>>(x[first + k * inner]);
    *y++ = static_cast<T>(total);
  });
}

/// y (outer, inner) = whether a run holds true.
inline void holds_true(int64_t outer, int64_t length, int64_t inner, const bool* x, bool* y) {
  for_each_run(outer, length, inner, [=](int64_t first) mutable {
    bool found = false;
    for (int64_t k = 0; k < length && !found; ++k) found = x[first + k * inner];
    *y++ = found;
  });
}

/// places (outer, k, inner) = where the first k elements of each run in order stand. Equal ones keep their order; NaN counts as the
/// largest.
template <class T>
void order(int64_t outer, int64_t length, int64_t inner, const T* x, int64_t k, bool descending, int64_t* places) {
  Array<int64_t> run(static_cast<size_t>(length));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const T* from = x + o * length * inner + i;
      const auto less = [from, inner](int64_t p, int64_t q) {
        const T u = from[p * inner], v = from[q * inner];
        return (u < v) | ((v != v) & (u == u));
      };
      std::iota(run.begin(), run.end(), 0);
      if (descending) std::stable_sort(run.begin(), run.end(), [&](int64_t p, int64_t q) { return less(q, p); });
      else std::stable_sort(run.begin(), run.end(), less);
      for (int64_t j = 0; j < k; ++j) places[(o * k + j) * inner + i] = run[static_cast<size_t>(j)];
    }
}

}  // namespace gradus::kernels
