#pragma once

#include <cstdint>

#include "core/isa.h"
#include "kernels/fetch.h"
#include "kernels/lanes.h"

/// Products of few rows with a weight that is read once, as it lies: what a step of decoding is made of. Its time is that of the memory.
/// Packing the weight for other kernels reads it, writes it and reads it again.
namespace gradus::kernels {

/// The sum of w[k] x[k].
template <class T>
inline T dot(int64_t K, const T* w, const T* x) {
  T lane[lanes] = {}, rest = 0;
  int64_t k = 0;
  for (; k + lanes <= K; k += lanes) {
    fetch_ahead(w + k, lanes);
    for (int64_t l = 0; l < lanes; ++l) lane[l] += w[k + l] * x[k + l];
  }
  for (; k < K; ++k) rest += w[k] * x[k];
  return rest + fold(lane, [](T p, T q) { return p + q; });
}

/// y (rows, N) = x (rows, K) W^T, or y += it, with W (N, K). The rows of w, x and y lie ldw, ldx and ldy apart.
template <class T>
void few_rows_product(int64_t rows, int64_t N, int64_t K, const T* x, int64_t ldx, const T* w, int64_t ldw, bool add, T* y, int64_t ldy) {
  isa::run<T>([=] {
    for (int64_t n = 0; n < N; ++n)
      for (int64_t row = 0; row < rows; ++row) {
        T& to = y[row * ldy + n];
        const T sum = dot(K, w + n * ldw, x + row * ldx);
        to = add ? to + sum : sum;
      }
  });
}

}  // namespace gradus::kernels
