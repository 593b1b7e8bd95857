#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/math.h"
#include "kernels/rows.h"

/// Rows of logits: their softmax, its logarithm, and the gradients. Arrays are dense, (rows, n).
namespace gradus::kernels {

/// b = softmax(a) for one row whose largest element is `top`; b may be a.
template <class T>
void softmax_row(int64_t n, const T* a, T top, T* b) {
  for (int64_t i = 0; i < n; ++i) b[i] = vexp(a[i] - top);
  const T scale = 1 / row_sum<T>(n, [b](int64_t i) { return b[i]; });
  for (int64_t i = 0; i < n; ++i) b[i] *= scale;
}

/// y = softmax(x)
template <class T>
void softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for_each_row<T>(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    softmax_row(n, a, row_max(n, a), y + r * n);
  });
}

/// x where a bool mask is true, x + mask for a mask of numbers; -infinity where the mask keeps out, be x what it may.
template <class T>
T let_through(T x, bool mask) {
  return mask ? x : -std::numeric_limits<T>::infinity();
}
template <class T>
T let_through(T x, T mask) {
  constexpr T never = -std::numeric_limits<T>::infinity();
  return mask == never ? never : x + mask;
}

/// y = softmax of what the mask lets through, 0 where that is nothing; row r of the mask starts at mask[places[r]].
template <class T, class M>
void masked_softmax(int64_t rows, int64_t n, const T* x, const M* mask, const int64_t* places, T* y) {
  constexpr T never = -std::numeric_limits<T>::infinity();
  for_each_row<T>(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    const M* m = mask + places[r];
    T* b = y + r * n;
    for (int64_t i = 0; i < n; ++i) b[i] = let_through(a[i], m[i]);
    const T top = row_max(n, b);
    if (top != never) {
      softmax_row(n, b, top, b);
      if (!std::isnan(b[0])) return;
    }
    // Nothing but -infinity, or a NaN among what the mask lets through, which all of that gets.
    const T total = row_sum<T>(n, [b](int64_t i) { return b[i]; });
    for (int64_t i = 0; i < n; ++i) b[i] = std::isnan(total) && let_through(T(0), m[i]) != never ? total : T(0);
  });
}

/// y = log(softmax(x))
template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for_each_row<T>(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    T* b = y + r * n;
    // The maximum goes first: it would swallow small differences if the two were one number.
    const T top = row_max(n, a);
    const T rest = std::log(row_sum<T>(n, [a, top](int64_t i) { return vexp(a[i] - top); }));
    for (int64_t i = 0; i < n; ++i) b[i] = a[i] - top - rest;
  });
}

/// Whether a row of gradients asks for nothing: then its pullback is 0, even where the function is NaN.
template <class T>
bool is_all_zero(int64_t n, const T* d) {
  return std::all_of(d, d + n, [](T v) { return v == 0; });
}

/// The gradient of one row where something is not finite: weights of 0 and gradients of 0 ask for nothing, whatever they meet.
template <class T>
void softmax_row_backward_gated(int64_t n, const T* y, const T* dy, T* dx) {
  bool asked = false;
  for (int64_t i = 0; i < n; ++i) asked |= y[i] != 0 && dy[i] != 0;
  const T total = row_sum<T>(n, [y, dy](int64_t i) { return y[i] == 0 || dy[i] == 0 ? T(0) : y[i] * dy[i]; });
  for (int64_t i = 0; i < n; ++i) dx[i] = asked && y[i] != 0 ? y[i] * (dy[i] - total) : T(0);
}

/// dx = y * (dy - sum(dy * y))
template <class T>
void softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for_each_row<T>(rows, n, [=](int64_t r) {
    const T *a = y + r * n, *d = dy + r * n;
    T* b = dx + r * n;
    const T total = row_sum<T>(n, [a, d](int64_t i) { return a[i] * d[i]; });
    if (!std::isfinite(total)) return softmax_row_backward_gated(n, a, d, b);
    for (int64_t i = 0; i < n; ++i) b[i] = a[i] * (d[i] - total);
  });
}

/// dx = dy - e^y * sum(dy)
template <class T>
void log_softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for_each_row<T>(rows, n, [=](int64_t r) {
    const T *a = y + r * n, *d = dy + r * n;
    T* b = dx + r * n;
    const T total = row_sum<T>(n, [d](int64_t i) { return d[i]; });
    if (total == 0 && is_all_zero(n, d)) {
      std::fill_n(b, n, T(0));
      return;
    }
    for (int64_t i = 0; i < n; ++i) b[i] = d[i] - vexp(a[i]) * total;
  });
}

}  // namespace gradus::kernels
