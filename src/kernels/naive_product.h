#pragma once

#include "kernels/matrix_view.h"

namespace gradus::kernels {

/// C = A B by its definition, or with `accumulate` C += A B, each element summed as a Sum, in the order of k. The reference that gemm's
/// tests compare with, and the product itself for integers and where matrices are too small for anything else to pay.
template <class Sum, class T>
void naive_product(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c, bool accumulate = false) {
  for (int64_t i = 0; i < c.rows; ++i)
    for (int64_t j = 0; j < c.cols; ++j) {
      Sum sum = accumulate ? static_cast<Sum>(c(i, j)) : Sum(0);
      for (int64_t k = 0; k < a.cols; ++k) sum += static_cast<Sum>(a(i, k)) * static_cast<Sum>(b(k, j));
      c(i, j) = static_cast<T>(sum);
    }
}

}  // namespace gradus::kernels
