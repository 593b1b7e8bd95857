#pragma once

#include <cstdint>

#include "core/scratch.h"

namespace gradus::kernels {

/// y (rows, N) = x (rows, K) W^T, or y += it, for a W (N, K) that many calls share: a recurrent layer's, at every step. Float weights are
/// packed once, in blocks for libxsmm's kernels, unless they lie right already; without them OpenBLAS makes the products, packing anew each
/// time.
template <class T>
class PackedProduct {
 public:
  /// W[n, k] lies at w[n * n_stride + k * k_stride]; one of the strides is 1.
  PackedProduct(int64_t N, int64_t K, const T* w, int64_t n_stride, int64_t k_stride);

  /// Whether libxsmm makes the products.
  static bool packs() noexcept;

  /// The rows of x lie ldx apart, those of y ldy.
  void run(int64_t rows, const T* x, int64_t ldx, bool add, T* y, int64_t ldy) const;

 private:
  bool run_packed(int64_t rows, const T* x, int64_t ldx, bool add, T* y, int64_t ldy) const;

  int64_t N_, K_, n_stride_, k_stride_;
  const T* w_;
  bool lies_right_;    // W^T (K, N) is stored, in short rows
  Scratch<T> packed_;  // else blocks of W, (K, kernel_width) each, the last one narrower
};

}  // namespace gradus::kernels
