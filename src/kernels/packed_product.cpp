#include "kernels/packed_product.h"

#include <algorithm>
#include <type_traits>

#include "kernels/blas.h"
#include "kernels/pack.h"
#include "kernels/small_kernels.h"

namespace gradus::kernels {
template <class T>
bool PackedProduct<T>::packs() noexcept {
  return std::is_same_v<T, float> && has_small_kernels();
}

template <class T>
PackedProduct<T>::PackedProduct(int64_t N, int64_t K, const T* w, int64_t n_stride, int64_t k_stride)
    : N_(N),
      K_(K),
      n_stride_(n_stride),
      k_stride_(k_stride),
      w_(w),
      lies_right_(n_stride == 1 && k_stride >= N && k_stride <= narrow),
      packed_(packs() && !lies_right_ ? N * K : 0) {
  if constexpr (std::is_same_v<T, float>) {
    if (!packs() || lies_right_) return;
    for (int64_t first = 0; first < N; first += kernel_width)
      pack_block(K, std::min(kernel_width, N - first), w + first * n_stride, n_stride, k_stride, packed_.data() + first * K);
  }
}

template <class T>
bool PackedProduct<T>::run_packed(int64_t rows, const T* x, int64_t ldx, bool add, T* y, int64_t ldy) const {
  if constexpr (std::is_same_v<T, float>) {
    const KernelUse use;
    if (!use) return false;
    const auto kernel = [&](int64_t width) { return small_kernel(width, rows, K_, lies_right_ ? k_stride_ : width, ldx, add, ldy); };
    const auto block = [&](int64_t n) { return lies_right_ ? w_ + n : packed_.data() + n * K_; };
    const int64_t rest = N_ % kernel_width, whole = N_ - rest;
    const SmallKernel full = whole > 0 ? kernel(kernel_width) : nullptr, last = rest > 0 ? kernel(rest) : nullptr;
    if ((whole > 0 && !full) || (rest > 0 && !last)) return false;
    for (int64_t n = 0; n < whole; n += kernel_width) full(block(n), x, y + n);
    if (last) last(block(whole), x, y + whole);
    return true;
  }
  return false;
}

template <class T>
void PackedProduct<T>::run(int64_t rows, const T* x, int64_t ldx, bool add, T* y, int64_t ldy) const {
  if (rows == 0 || (packs() && run_packed(rows, x, ldx, add, y, ldy))) return;
  const bool stored = k_stride_ == 1;
  const MatrixView<const T> w(w_, K_, N_, stored ? std::max(n_stride_, K_) : std::max(k_stride_, N_), stored ? Trans::Yes : Trans::No);
  gemm({x, rows, K_, ldx}, w, MatrixView(y, rows, N_, ldy), accumulate_if(add));
}

template class PackedProduct<float>;
template class PackedProduct<double>;

}  // namespace gradus::kernels
