#include "kernels/product.h"

#include <type_traits>

#include "core/thread_pool.h"
#include "kernels/blas.h"
#include "kernels/matrix_vector.h"
#include "kernels/naive_product.h"

namespace gradus::kernels {
namespace {

/// Of a batch, products with fewer multiplications than this cost less without the call of BLAS. PyTorch draws the line here too and adds
/// up in the same order, so that such products have the same bits.
constexpr int64_t small_product = 400;

}  // namespace

template <class T>
void product(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c) {
  if constexpr (std::is_integral_v<T>) return naive_product<uint64_t>(a, b, c);
  else {
    // Bound by memory, so it can afford to add up in double.
    if constexpr (std::is_same_v<T, float>) {
      if (c.cols == 1) return matrix_vector(a, widened(b), c.data);
      if (c.rows == 1) return matrix_vector(b.transposed(), widened(a.transposed()), c.data);
    }
    gemm(a, b, c);
  }
}

template <class T>
void batched_product(int64_t count, const MatrixBatch<T>& a, const MatrixBatch<T>& b, const MatrixView<T>& c) {
  const int64_t elements = c.rows * c.cols;
  const bool small = std::is_floating_point_v<T> && elements < small_product && elements * a.first.cols < small_product;
  const auto one = [&](int64_t i) {
    MatrixView<T> z = c;
    z.data += i * elements;
    if (small) naive_product<T>(a[i], b[i], z);
    else product(a[i], b[i], z);
  };
  if (count > 0) parallel_pieces(count, one);
}

template void product(const MatrixView<const float>&, const MatrixView<const float>&, const MatrixView<float>&);
template void product(const MatrixView<const double>&, const MatrixView<const double>&, const MatrixView<double>&);
template void product(const MatrixView<const int64_t>&, const MatrixView<const int64_t>&, const MatrixView<int64_t>&);
template void batched_product(int64_t, const MatrixBatch<float>&, const MatrixBatch<float>&, const MatrixView<float>&);
template void batched_product(int64_t, const MatrixBatch<double>&, const MatrixBatch<double>&, const MatrixView<double>&);
template void batched_product(int64_t, const MatrixBatch<int64_t>&, const MatrixBatch<int64_t>&, const MatrixView<int64_t>&);

}  // namespace gradus::kernels
