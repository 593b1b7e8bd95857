#include "kernels/blocked_gemm.h"

#include <algorithm>

#include "core/scratch.h"
#include "kernels/pack.h"
#include "kernels/small_kernels.h"

namespace gradus::kernels {
namespace {

constexpr int64_t depth = 256;     // of K at a time: a packed block of B, 64 KiB, stays in the second-level cache
constexpr int64_t columns = 512;   // of B packed at a time
constexpr int64_t row_chunk = 64;  // rows of A that meet a block

/// The kernels for one chunk of rows and one depth.
struct Kernels {
  SmallKernel full, last;
};

Kernels kernels_for(int64_t width, int64_t rows, int64_t k, int64_t lda, bool add, int64_t ldy, bool transposed) {
  const int64_t rest = width % kernel_width;
  return {width >= kernel_width ? small_kernel(kernel_width, rows, k, lda, add, ldy, transposed) : nullptr,
          rest > 0 ? small_kernel(rest, rows, k, lda, add, ldy, transposed) : nullptr};
}

/// Whether every kernel that the loops below will ask for can be made.
bool all_kernels_exist(bool transposed, int64_t M, int64_t N, int64_t K, int64_t lda, bool add, int64_t ldc) {
  for (int64_t k : {std::min(depth, K), K % depth})
    for (int64_t rows : {std::min(row_chunk, M), M % row_chunk})
      for (int64_t width : {std::min(columns, N), N % columns})
        for (bool onto : {add, add || K > depth}) {
          if (k == 0 || rows == 0 || width == 0) continue;
          const Kernels made = kernels_for(width, rows, k, lda, onto, ldc, transposed);
          if ((width >= kernel_width && !made.full) || (width % kernel_width > 0 && !made.last)) return false;
        }
  return true;
}

/// C's columns [n0, n0 + width) += rows of A (rows, k) times the packed blocks.
void multiply_row_chunk(const Kernels& kernels, int64_t width, int64_t k, const float* packed, const float* a, float* c) {
  int64_t n = 0;
  for (; n + kernel_width <= width; n += kernel_width) kernels.full(packed + n * k, a, c + n);
  if (n < width) kernels.last(packed + n * k, a, c + n);
}

}  // namespace

bool blocked_gemm(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb,
                  bool add, float* c, int64_t ldc) {
  constexpr int64_t fewest = 16;
  if (!has_small_kernels() || M < fewest || N < fewest || K < fewest) return false;
  const bool transposed = trans_a == Trans::Yes;
  if (!all_kernels_exist(transposed, M, N, K, lda, add, ldc)) return false;
  Scratch<float> blocks(std::min(K, depth) * std::min(N, columns));
  for (int64_t k0 = 0; k0 < K; k0 += depth) {
    const int64_t k = std::min(depth, K - k0);
    const bool onto = add || k0 > 0;
    for (int64_t n0 = 0; n0 < N; n0 += columns) {
      const int64_t width = std::min(columns, N - n0);
      for (int64_t n = 0; n < width; n += kernel_width) {
        const float* from = trans_b == Trans::Yes ? b + (n0 + n) * ldb + k0 : b + k0 * ldb + n0 + n;
        pack_block(k, std::min(kernel_width, width - n), from, trans_b == Trans::Yes ? ldb : 1, trans_b == Trans::Yes ? 1 : ldb,
                   blocks.data() + n * k);
      }
      for (int64_t m = 0; m < M; m += row_chunk) {
        const int64_t count = std::min(row_chunk, M - m);
        const Kernels kernels = kernels_for(width, count, k, lda, onto, ldc, transposed);
        const float* x = transposed ? a + k0 * lda + m : a + m * lda + k0;
        multiply_row_chunk(kernels, width, k, blocks.data(), x, c + m * ldc + n0);
      }
    }
  }
  return true;
}

}  // namespace gradus::kernels
