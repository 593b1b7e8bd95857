#include "kernels/small_kernels.h"

#include <initializer_list>

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

namespace {

/// What tells kernels apart.
struct Sizes {
  int64_t width, rows, K, ldw, ldx, ldy;
  bool add, transposed;
  bool operator==(const Sizes&) const = default;
};

SmallKernel made(const Sizes& s) {
  // libxsmm counts columns first: its C (width, rows) is y, its A (width, K) is w, its B (K, rows) is x.
  const auto lda = static_cast<libxsmm_blasint>(s.ldw), ldb = static_cast<libxsmm_blasint>(s.ldx),
             ldc = static_cast<libxsmm_blasint>(s.ldy);
  const float alpha = 1, beta = s.add ? 1 : 0;
  const int flags = s.transposed ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE, prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
  return libxsmm_smmdispatch(static_cast<libxsmm_blasint>(s.width), static_cast<libxsmm_blasint>(s.rows), static_cast<libxsmm_blasint>(s.K),
                             &lda, &ldb, &ldc, &alpha, &beta, &flags, &prefetch);
}

}  // namespace

SmallKernel small_kernel(int64_t width, int64_t rows, int64_t K, int64_t ldw, int64_t ldx, bool add, int64_t ldy, bool transposed) {
  if (!has_small_kernels()) return nullptr;
  // Among more than a few, libxsmm takes 50 ns to find a kernel again, a twentieth of a small product; this finds the latest ones in 20.
  struct Entry {
    Sizes sizes;
    SmallKernel kernel;
  };
  constexpr uint64_t entries = 64;
  static thread_local Entry table[entries] = {};
  const Sizes sizes{width, rows, K, ldw, ldx, ldy, add, transposed};
  uint64_t hash = add ? 1 : transposed ? 2 : 0;
  for (const int64_t size : {width, rows, K, ldw, ldx, ldy}) hash = hash * 31 + static_cast<uint64_t>(size);
  Entry& entry = table[(hash ^ hash >> 6 ^ hash >> 12) % entries];
  if (!entry.kernel || entry.sizes != sizes) entry = {sizes, made(sizes)};
  return entry.kernel;
}

const char* small_kernel_library() noexcept { return "libxsmm " LIBXSMM_VERSION; }

#else

bool has_small_kernels() noexcept { return false; }
SmallKernel small_kernel(int64_t, int64_t, int64_t, int64_t, int64_t, bool, int64_t, bool) { return nullptr; }
const char* small_kernel_library() noexcept { return "without libxsmm"; }

#endif

}  // namespace gradus::kernels
