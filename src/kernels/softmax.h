#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math.h"
#include "kernels/rows.h"

/// Rows of logits: their softmax, its logarithm, and the gradients. Arrays are dense, (rows, n).
namespace gradus::kernels {

/// y = softmax(x)
template <class T>
void softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for_each_row(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    T* b = y + r * n;
    const T top = row_max(n, a);
    for (int64_t i = 0; i < n; ++i) b[i] = vexp(a[i] - top);
    const T scale = 1 / row_sum<T>(n, [b](int64_t i) { return b[i]; });
    for (int64_t i = 0; i < n; ++i) b[i] *= scale;
  });
}

/// y = log(softmax(x))
template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for_each_row(rows, n, [=](int64_t r) {
    const T* a = x + r * n;
    T* b = y + r * n;
    // The maximum goes first: it would swallow small differences if the two were one number.
    const T top = row_max(n, a);
    const T rest = std::log(row_sum<T>(n, [a, top](int64_t i) { return vexp(a[i] - top); }));
    for (int64_t i = 0; i < n; ++i) b[i] = a[i] - top - rest;
  });
}

/// dx = y * (dy - sum(dy * y))
template <class T>
void softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for_each_row(rows, n, [=](int64_t r) {
    const T *a = y + r * n, *d = dy + r * n;
    T* b = dx + r * n;
    const T total = row_sum<T>(n, [a, d](int64_t i) { return a[i] * d[i]; });
    for (int64_t i = 0; i < n; ++i) b[i] = a[i] * (d[i] - total);
  });
}

/// dx = dy - e^y * sum(dy)
template <class T>
void log_softmax_backward(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for_each_row(rows, n, [=](int64_t r) {
    const T *a = y + r * n, *d = dy + r * n;
    T* b = dx + r * n;
    const T total = row_sum<T>(n, [d](int64_t i) { return d[i]; });
    for (int64_t i = 0; i < n; ++i) b[i] = d[i] - vexp(a[i]) * total;
  });
}

}  // namespace gradus::kernels
