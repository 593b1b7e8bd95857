#include "kernels/small_kernels.h"

#ifdef GRADUS_LIBXSMM
#  include <libxsmm.h>

#  include "core/isa.h"
#endif

namespace gradus::kernels {

#ifdef GRADUS_LIBXSMM

bool has_small_kernels() noexcept {
  static const bool usable = [] {
    if (isa::level() == isa::Level::Baseline) return false;
    libxsmm_init();
    if (isa::level() == isa::Level::Avx2) libxsmm_set_target_archid(LIBXSMM_X86_AVX2);
    return true;
  }();
  return usable;
}

SmallKernel small_kernel(int64_t width, int64_t rows, int64_t K, int64_t ldw, int64_t ldx, bool add, int64_t ldy, bool transposed) {
  if (!has_small_kernels()) return nullptr;
  // libxsmm counts columns first: its C (width, rows) is y, its A (width, K) is w, its B (K, rows) is x.
  const auto lda = static_cast<libxsmm_blasint>(ldw), ldb = static_cast<libxsmm_blasint>(ldx), ldc = static_cast<libxsmm_blasint>(ldy);
  const float alpha = 1, beta = add ? 1 : 0;
  const int flags = transposed ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE, prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
  return libxsmm_smmdispatch(static_cast<libxsmm_blasint>(width), static_cast<libxsmm_blasint>(rows), static_cast<libxsmm_blasint>(K), &lda,
                             &ldb, &ldc, &alpha, &beta, &flags, &prefetch);
}

const char* small_kernel_library() noexcept { return "libxsmm " LIBXSMM_VERSION; }

#else

bool has_small_kernels() noexcept { return false; }
SmallKernel small_kernel(int64_t, int64_t, int64_t, int64_t, int64_t, bool, int64_t, bool) { return nullptr; }
const char* small_kernel_library() noexcept { return "without libxsmm"; }

#endif

}  // namespace gradus::kernels
