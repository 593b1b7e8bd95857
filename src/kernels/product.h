#pragma once

#include "core/layout.h"
#include "kernels/matrix_view.h"

/// The product of two matrices by whatever suits their sizes and type.
namespace gradus::kernels {

/// C = A B, with C dense. T: float, double, or int64_t, which wraps around.
template <class T>
void product(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c);

/// A matrix and those of its batch: where they lie is what the layout's dimensions but the last two say.
template <class T>
struct MatrixBatch {
  MatrixView<const T> first;
  const Layout& layout;

  /// The i-th, counted in row-major order.
  MatrixView<const T> operator[](int64_t i) const {
    MatrixView<const T> matrix = first;
    for (int64_t d = layout.rank() - 3; d > 0; i /= layout.shape[d--]) matrix.data += i % layout.shape[d] * layout.strides[d];
    matrix.data += i * layout.strides[0];
    return matrix;
  }
};

/// All `count` of them on the pool's threads, of batches of equal sizes in at least one dimension. C's matrices lie one behind the other.
template <class T>
void batched_product(int64_t count, const MatrixBatch<T>& a, const MatrixBatch<T>& b, const MatrixView<T>& c);

}  // namespace gradus::kernels
