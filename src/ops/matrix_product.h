#pragma once

#include "autograd/op.h"
#include "gradus/tensor.h"
#include "kernels/matrix_view.h"
#include "kernels/product.h"

/// What the operations that are products share.
namespace gradus {

/// Which operands of a product decide what is asked for: where such a one is 0 the term is 0, be the other factor NaN or infinite. A
/// gradient always is: nobody asked for what it meets with a 0. Attention's weights are, so that what they mask out stays out.
struct Gates {
  bool left = false, right = false;
};

/// The matrix product of any ranks, as `matmul` makes it, recorded.
Tensor gated_matmul(const Tensor& a, const Tensor& b, Gates gates);

/// (M, K) x (K, N), which fit, recorded.
Tensor matrix_product(const Tensor& a, const Tensor& b, Gates gates);

/// Whether no element of the matrix c, or of a batch of them, dense, is NaN or infinite because of the operand that a gate meets. An
/// element of B that is not finite spoils its whole column of C = A B and one of A its whole row, so that a row and a column of C show it.
bool gated_is_finite(const Tensor& c, Gates gates);

/// A matrix, or a batch of them, on memory as products take it. Copies only where neither rows nor columns are dense.
struct DenseMatrix {
  Tensor tensor;
  int64_t rows, cols, ld = 1;
  kernels::Trans trans = kernels::Trans::No;

  explicit DenseMatrix(const Tensor& x);

  /// The matrix, or the first of the batch.
  template <class T>
  kernels::MatrixView<const T> view() const {
    return {tensor.impl()->data<T>(), rows, cols, ld, trans};
  }
  template <class T>
  kernels::MatrixBatch<T> batch() const {
    return {view<T>(), tensor.impl()->layout};
  }

 private:
  /// Whether the rows, or those of the transpose, are dense; sets ld.
  bool fits(kernels::Trans how);
};

}  // namespace gradus
