#pragma once

#include "kernels/matrix_view.h"

/// The product of two matrices by whatever suits their sizes and type.
namespace gradus::kernels {

/// C = A B, with C dense. T: float, double, or int64_t, which wraps around.
template <class T>
void product(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c);

/// `count` of them on the pool's threads: the matrices that follow A, B and C lie step_a, step_b and M N elements behind them.
template <class T>
void batched_product(int64_t count, const MatrixView<const T>& a, int64_t step_a, const MatrixView<const T>& b, int64_t step_b,
                     const MatrixView<T>& c);

}  // namespace gradus::kernels
