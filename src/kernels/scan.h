#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <numeric>
#include <type_traits>

#include "core/array.h"
#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/reduce.h"
#include "kernels/rows.h"

/// Walks along the middle of a dense array (outer, length, inner): running totals, products, searches and sorting.
namespace gradus::kernels {

/// Calls f(offset) for the first element of every run along the middle; its next ones lie `inner` apart.
template <class F>
void for_each_run(int64_t outer, int64_t length, int64_t inner, F f) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) f(o * length * inner + i);
}

/// Which end of a run is the first.
enum class Order { Forward, Backward };

/// The f of running sums.
struct Sum {
  template <class A>
  A operator()(A a, A b) const {
    return a + b;
  }
};

namespace detail {

/// Running sums of a dense run, eight at a time: each adds what stands one place before it, then two, then four, and what came before the
/// eight. An addition need not wait for each one before.
template <Order order>
void running_sums(int64_t n, const float* x, float* y) {
  isa::run([=] {
    using Eight = double __attribute__((vector_size(64)));
    using EightFloats = float __attribute__((vector_size(32)));
    constexpr bool forward = order == Order::Forward;
    constexpr int64_t width = 8;
    const Eight zeros = {};
    double before = 0;  // the sum so far
    int64_t done = 0;
    for (; done + width <= n; done += width) {
      const int64_t at = forward ? done : n - done - width;
      EightFloats floats;
      std::memcpy(&floats, x + at, sizeof(floats));
      Eight sums = __builtin_convertvector(floats, Eight);
      if constexpr (forward) {
        sums += __builtin_shufflevector(sums, zeros, 8, 0, 1, 2, 3, 4, 5, 6);
        sums += __builtin_shufflevector(sums, zeros, 8, 8, 0, 1, 2, 3, 4, 5);
        sums += __builtin_shufflevector(sums, zeros, 8, 8, 8, 8, 0, 1, 2, 3);
      } else {
        sums += __builtin_shufflevector(sums, zeros, 1, 2, 3, 4, 5, 6, 7, 8);
        sums += __builtin_shufflevector(sums, zeros, 2, 3, 4, 5, 6, 7, 8, 8);
        sums += __builtin_shufflevector(sums, zeros, 4, 5, 6, 7, 8, 8, 8, 8);
      }
      sums += before;
      floats = __builtin_convertvector(sums, EightFloats);
      std::memcpy(y + at, &floats, sizeof(floats));
      before = sums[forward ? width - 1 : 0];
    }
    for (; done < n; ++done) {
      const int64_t at = forward ? done : n - done - 1;
      before += static_cast<double>(x[at]);
      y[at] = static_cast<float>(before);
    }
  });
}

/// Runs beside each other that are walked together, so that memory is read in its order: their totals stay in the nearest cache.
inline constexpr int64_t runs_together = 256;

/// `count` runs, at most `runs_together`, whose k-th elements lie beside each other at k * step.
template <class T, class F>
void scan_together(int64_t count, int64_t length, int64_t step, const T* x, T* y, double start, F f) {
  isa::run<T>([=] {
    Accumulator<T> total[runs_together];
    for (int64_t i = 0; i < count; ++i) total[i] = static_cast<Accumulator<T>>(start);
    for (int64_t k = 0; k < length; ++k)
      for (int64_t i = 0; i < count; ++i) {
        total[i] = f(total[i], static_cast<Accumulator<T>>(x[k * step + i]));
        y[k * step + i] = static_cast<T>(total[i]);
      }
  });
}

/// R dense runs, `apart` from one to the next: each addition waits for the one before it, but not for those of other runs.
template <int64_t R, class T, class F>
void scan_side_by_side(int64_t apart, int64_t length, int64_t step, const T* x, T* y, double start, F f) {
  Accumulator<T> total[R];
  for (int64_t r = 0; r < R; ++r) total[r] = static_cast<Accumulator<T>>(start);
  for (int64_t k = 0; k < length; ++k)
    for (int64_t r = 0; r < R; ++r) {
      const int64_t at = r * apart + k * step;
      total[r] = f(total[r], static_cast<Accumulator<T>>(x[at]));
      y[at] = static_cast<T>(total[r]);
    }
}

}  // namespace detail

/// y_k = f(y_(k-1), x_k) from y_(-1) = start, kept in an accumulator; or from the last element to the first.
template <class T, class F>
void scan(int64_t outer, int64_t length, int64_t inner, const T* x, T* y, double start, F f, Order order = Order::Forward) {
  const int64_t step = order == Order::Forward ? inner : -inner, from = order == Order::Forward ? 0 : (length - 1) * inner;
  if constexpr (std::is_same_v<T, float> && std::is_same_v<F, Sum>)
    if (inner == 1) {
      const auto sums = order == Order::Forward ? detail::running_sums<Order::Forward> : detail::running_sums<Order::Backward>;
      return parallel_for(outer, row_grain(length), [=](int64_t begin, int64_t end) {
        for (int64_t run = begin; run < end; ++run) sums(length, x + run * length, y + run * length);
      });
    }
  if (inner == 1) {
    return parallel_for(outer, row_grain(length), [=](int64_t begin, int64_t end) {
      constexpr int64_t together = 4;
      int64_t run = begin;
      for (; run + together <= end; run += together)
        detail::scan_side_by_side<together>(length, length, step, x + run * length + from, y + run * length + from, start, f);
      for (; run < end; ++run)
        detail::scan_side_by_side<1>(length, length, step, x + run * length + from, y + run * length + from, start, f);
    });
  }
  const int64_t width = std::min(inner, detail::runs_together), strips = inner == 0 ? 0 : (inner + width - 1) / width;
  parallel_for(outer * strips, row_grain(length * width), [=](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t column = piece % strips * width, at = piece / strips * length * inner + column + from;
      detail::scan_together(std::min(width, inner - column), length, step, x + at, y + at, start, f);
    }
  });
}

/// e^x summed over the numbers so far, by the largest of them, so that nothing overflows: ln of the sum is top + ln(sum).
struct ExponentialSum {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;

  void add(double x) {
    if (x > top) {
      sum = sum * std::exp(top - x) + 1;
      top = x;
    } else {
      sum += x == top ? 1 : std::exp(x - top);  // equal infinities too
    }
  }
  double log() const { return top + std::log(sum); }
  /// The share of one of the numbers; none for -infinity, also where there is nothing else.
  double share_of(double x) const { return x == -std::numeric_limits<double>::infinity() ? 0 : std::exp(x - top) / sum; }
  /// This sum over a later one, at most 1.
  double over(const ExponentialSum& later) const { return (top == later.top ? 1 : std::exp(top - later.top)) * (sum / later.sum); }
};

/// y_k = ln(e^(x_0) + … + e^(x_k))
template <class T>
void log_sums(int64_t outer, int64_t length, int64_t inner, const T* x, T* y) {
  for_each_run(outer, length, inner, [=](int64_t first) {
    ExponentialSum total;
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = first + k * inner;
      total.add(static_cast<double>(x[at]));
      y[at] = static_cast<T>(total.log());
    }
  });
}

namespace detail {

/// a * b, where nothing of NaN and infinity is nothing.
inline double times(double a, double b) { return a == 0 ? 0 : a * b; }

}  // namespace detail

/// y_k = the sum over j <= k of v_j e^(x_j) / t_k, where t_k = e^(x_0) + … + e^(x_k): the mean of v so far, weighted by e^x. By
/// y_k = t_(k-1) / t_k y_(k-1) + e^(x_k) / t_k v_k, in which no factor is larger than 1.
template <class T>
void exponential_means(int64_t outer, int64_t length, int64_t inner, const T* x, const T* v, T* y) {
  for_each_run(outer, length, inner, [=](int64_t first) {
    ExponentialSum total;
    double mean = 0;
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = first + k * inner;
      const ExponentialSum before = total;
      total.add(static_cast<double>(x[at]));
      mean =
          detail::times(mean, before.over(total)) + detail::times(static_cast<double>(v[at]), total.share_of(static_cast<double>(x[at])));
      y[at] = static_cast<T>(mean);
    }
  });
}

/// y_j = the sum over k >= j of v_k e^(x_j) / t_k, the adjoint of exponential_means: e^(x_j) / t_j s_j with s_j = v_j + t_j / t_(j+1)
/// s_(j+1).
template <class T>
void exponential_shares(int64_t outer, int64_t length, int64_t inner, const T* x, const T* v, T* y) {
  Array<ExponentialSum> totals(static_cast<size_t>(length));
  for_each_run(outer, length, inner, [&](int64_t first) {
    ExponentialSum total;
    for (int64_t k = 0; k < length; ++k) {
      total.add(static_cast<double>(x[first + k * inner]));
      totals[static_cast<size_t>(k)] = total;
    }
    double sum = 0;
    for (int64_t j = length; j-- > 0;) {
      const int64_t at = first + j * inner;
      const ExponentialSum here = totals[static_cast<size_t>(j)];
      sum = static_cast<double>(v[at]) + detail::times(sum, here.over(total));
      y[at] = static_cast<T>(detail::times(sum, here.share_of(static_cast<double>(x[at]))));
      total = here;
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

namespace detail {

/// Shares of a run below which its first elements are found by a heap of them and one look at every other element.
inline constexpr int64_t worth_a_heap = 8;

/// The first k of run = 0, 1, 2, … in the order of `before`; equal ones keep theirs.
template <class Before>
void put_in_order(Array<int64_t>& run, int64_t k, Before before) {
  if (k == 0) return;
  const auto length = std::ssize(run);
  if (k >= length / worth_a_heap) {
    std::iota(run.begin(), run.end(), 0);
    return std::stable_sort(run.begin(), run.end(), before);
  }
  const auto last = run.begin() + k;
  const auto in_order = [=](int64_t p, int64_t q) { return before(p, q) || (p < q && !before(q, p)); };
  std::iota(run.begin(), last, 0);
  std::make_heap(run.begin(), last, in_order);
  for (int64_t i = k; i < length; ++i)
    if (before(i, run[0])) {
      std::pop_heap(run.begin(), last, in_order);
      last[-1] = i;
      std::push_heap(run.begin(), last, in_order);
    }
  std::sort_heap(run.begin(), last, in_order);
}

}  // namespace detail

/// places (outer, k, inner) = where the first k elements of each run in order stand. Equal ones keep their order; NaN counts as the
/// largest.
template <class T>
void order(int64_t outer, int64_t length, int64_t inner, const T* x, int64_t k, bool descending, int64_t* places) {
  parallel_for(outer * inner, row_grain(length), [=](int64_t begin, int64_t end) {
    Array<int64_t> run(static_cast<size_t>(length));
    for (int64_t at = begin; at < end; ++at) {
      const int64_t o = at / inner, i = at % inner, first = o * length * inner + i;
      const auto less = [=](int64_t p, int64_t q) {
        const T u = x[first + p * inner], v = x[first + q * inner];
        return (u < v) | ((v != v) & (u == u));
      };
      if (descending) detail::put_in_order(run, k, [=](int64_t p, int64_t q) { return less(q, p); });
      else detail::put_in_order(run, k, less);
      for (int64_t j = 0; j < k; ++j) places[(o * k + j) * inner + i] = run[static_cast<size_t>(j)];
    }
  });
}

}  // namespace gradus::kernels
