#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/math.h"
#include "kernels/rows.h"

/// One row of C logits x with target t: its loss (1 - e) w_t (lse - x_t) + e / C sum_c w_c (lse - x_c), and the gradient.
namespace gradus::kernels {

/// What all rows have in common.
template <class T>
struct ClassLoss {
  int64_t C;
  const T* weight;  // (C) w, or null: 1
  T weight_sum;     // of all classes
  T smoothing;      // e

  T weight_at(int64_t c) const { return weight ? weight[c] : T(1); }
  T own(int64_t t) const { return (1 - smoothing) * weight_at(t); }
  T spread() const { return smoothing / static_cast<T>(C); }
  /// Whether a row of class t counts at all. One that doesn't asks nothing of its logits, which may be anything.
  bool counts(int64_t t) const { return smoothing != 0 || weight_at(t) != 0; }
};

/// lse = top + log(total), in the parts that keep small differences.
template <class T>
struct LogSumExp {
  T top, total;
};

template <class T>
LogSumExp<T> log_sum_exp(int64_t C, const T* x) {
  const T top = row_max(C, x);
  return {top, row_sum<T>(C, [x, top](int64_t c) { return vexp(x[c] - top); })};
}

template <class T>
T row_loss(const ClassLoss<T>& all, const T* x, int64_t t, LogSumExp<T> lse) {
  if (!all.counts(t)) return 0;
  const T rest = std::log(lse.total);
  T loss = all.own(t) * (rest - (x[t] - lse.top));
  if (all.smoothing > 0) {
    const T sum = row_sum<T>(all.C, [&](int64_t c) { return all.weight_at(c) * (x[c] - lse.top); });
    loss += all.spread() * (all.weight_sum * rest - sum);
  }
  return loss;
}

/// d[c] = scale * (softmax[c] * mass - (1 - e) w_t [c = t] - e / C w_c), mass = (1 - e) w_t + e / C sum w, for the n classes from `first`
/// on, whose logits are x. d may be x. A row that does not count, or whose scale is 0, has a gradient of 0 whatever x is.
template <class T>
void row_gradient(const ClassLoss<T>& all, int64_t first, int64_t n, const T* x, int64_t t, LogSumExp<T> lse, T scale, T* d) {
  if (scale == 0 || !all.counts(t)) return static_cast<void>(std::fill_n(d, n, T(0)));
  const T own = all.own(t), factor = scale * (own + all.spread() * all.weight_sum) / lse.total, shift = scale * all.spread();
  GRADUS_INDEPENDENT
  for (int64_t c = 0; c < n; ++c) d[c] = vexp(x[c] - lse.top) * factor;
  if (all.smoothing > 0)
    for (int64_t c = 0; c < n; ++c) d[c] -= shift * all.weight_at(first + c);
  if (t >= first && t < first + n) d[t - first] -= scale * own;
}

/// What is known of a row's loss when the classes before `seen` have been looked at.
template <class T>
struct PartialLoss {
  T top = -std::numeric_limits<T>::infinity();
  double total = 0;   // sum e^(x - top)
  T picked = 0;       // x_t
  double spread = 0;  // sum w_c (x_c - top)

  /// Goes on to the n classes from `first` on; the weights of those before add up to `weight_before`.
  void see(const ClassLoss<T>& all, int64_t first, int64_t n, const T* x, int64_t t, double weight_before) {
    const T before = top, next = row_max(n, x);
    top = next > top ? next : top;
    if (first > 0) total *= std::exp(static_cast<double>(before - top));
    total += static_cast<double>(row_sum<T>(n, [x, m = top](int64_t c) { return vexp(x[c] - m); }));
    if (t >= first && t < first + n) picked = x[t - first];
    if (all.smoothing == 0) return;
    if (first > 0) spread -= weight_before * static_cast<double>(top - before);
    spread += static_cast<double>(row_sum<T>(n, [&all, first, x, m = top](int64_t c) { return all.weight_at(first + c) * (x[c] - m); }));
  }

  T loss(const ClassLoss<T>& all, int64_t t) const {
    if (!all.counts(t)) return 0;
    const double rest = std::log(total);
    const double smoothed = static_cast<double>(all.spread()) * (static_cast<double>(all.weight_sum) * rest - spread);
    return static_cast<T>(static_cast<double>(all.own(t)) * (rest - static_cast<double>(picked - top)) +
                          (all.smoothing > 0 ? smoothed : 0));
  }
};

}  // namespace gradus::kernels
