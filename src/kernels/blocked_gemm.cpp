#include "kernels/blocked_gemm.h"

#include <algorithm>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "kernels/pack.h"
#include "kernels/small_kernels.h"

namespace gradus::kernels {
namespace {

constexpr int64_t columns = 512;   // of B packed at a time, a panel
constexpr int64_t row_chunk = 64;  // rows of A that meet a block

/// Of K at a time. Every pass but the first reads C again, so they are few, and of about one length; a block of B, and the rows of A that
/// meet it, stay in the second-level cache. A transposed A is read in strips of a row each, a page apart, and asks for less.
int64_t depth_of(bool transposed, int64_t K) {
  constexpr int64_t step = 16;
  const int64_t most = transposed ? 512 : 768, passes = (K + most - 1) / most;
  return ((K + passes - 1) / passes + step - 1) / step * step;
}

/// C (M, N) = op(A) op(B), or with `add` C += it, or with a row C = it + the row.
struct Problem {
  bool transposed_a, transposed_b, add;
  const float* row;
  int64_t M, N, K;
  const float* a;
  int64_t lda;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;

  /// A narrow B, or one for few rows, is read where it lies.
  bool packs() const noexcept { return transposed_b || (ldb > narrow && M > row_chunk); }
};

SmallKernel kernel_for(const Problem& p, int64_t rows, int64_t width, int64_t k, bool add) {
  return small_kernel(width, rows, k, p.packs() ? width : p.ldb, p.lda, add, p.ldc, p.transposed_a);
}

/// Whether every kernel that the product will ask for can be made.
bool all_kernels_exist(const Problem& p, int64_t depth) {
  for (int64_t k : {std::min(depth, p.K), p.K % depth})
    for (int64_t rows : {std::min(row_chunk, p.M), p.M % row_chunk})
      for (int64_t width : {std::min(kernel_width, p.N), p.N % kernel_width})
        for (bool add : {p.add || p.row, p.add || p.row || p.K > depth})
          if (k > 0 && rows > 0 && width > 0 && !kernel_for(p, rows, width, k, add)) return false;
  return true;
}

/// Fetches C (rows, width) beforehand: a kernel asks for each part only when it needs it, and waits.
void fetch(const float* c, int64_t rows, int64_t width, int64_t ldc) {
  constexpr int64_t line = 16;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < width; j += line) __builtin_prefetch(c + i * ldc + j, 1, 2);
}

/// Every row of C (rows, width) = row.
void fill(const float* row, int64_t rows, int64_t width, float* c, int64_t ldc) {
  for (int64_t i = 0; i < rows; ++i) std::copy_n(row, width, c + i * ldc);
}

/// One pass: k of the sum, for the columns [n0, n0 + width) of C.
struct Pass {
  const Problem& p;
  int64_t k0, k, n0, width;
  float* packed;  // blocks of B, (k, kernel_width) each, the last one narrower

  const float* block(int64_t n) const { return p.packs() ? packed + n * k : p.b + k0 * p.ldb + n0 + n; }

  void pack(int64_t begin, int64_t end) const {
    for (int64_t n = begin * kernel_width; n < std::min(end * kernel_width, width); n += kernel_width) {
      const float* from = p.b + (p.transposed_b ? (n0 + n) * p.ldb + k0 : k0 * p.ldb + n0 + n);
      pack_block(k, std::min(kernel_width, width - n), from, p.transposed_b ? p.ldb : 1, p.transposed_b ? 1 : p.ldb, packed + n * k);
    }
  }

  /// The part of C in chunk `chunk` of the rows, from column n on, `count` wide.
  void multiply(int64_t chunk, int64_t n, int64_t count) const {
    const int64_t m = chunk * row_chunk, rows = std::min(row_chunk, p.M - m), end = std::min(n + count, width);
    const bool onto_c = p.add || k0 > 0, onto_row = p.row && k0 == 0;
    const float* x = p.a + (p.transposed_a ? k0 * p.lda + m : m * p.lda + k0);
    for (; n < end; n += kernel_width) {
      const int64_t wide = std::min(kernel_width, width - n);
      float* y = p.c + m * p.ldc + n0 + n;
      if (onto_c) fetch(y, rows, wide, p.ldc);
      if (onto_row) fill(p.row + n0 + n, rows, wide, y, p.ldc);
      kernel_for(p, rows, wide, k, onto_c || onto_row)(block(n), x, y);
    }
  }

  /// The threads pack the panel together, then share it. Every element of C is one kernel's, whoever runs it.
  void run() const {
    constexpr int64_t work = 1 << 19, worth_sharing = 1 << 16, many = 16;  // multiplications; numbers to pack; chunks
    const int64_t blocks = (width + kernel_width - 1) / kernel_width, chunks = (p.M + row_chunk - 1) / row_chunk;
    if (p.packs()) parallel_for(blocks, k * width < worth_sharing ? blocks : 1, [&](int64_t begin, int64_t end) { pack(begin, end); });
    const int64_t group = chunks < many ? 1 : blocks, groups = (blocks + group - 1) / group;
    const int64_t grain = std::max<int64_t>(work / (row_chunk * group * kernel_width * k), 1);
    parallel_for(chunks * groups, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) multiply(i / groups, i % groups * group * kernel_width, group * kernel_width);
    });
  }
};

}  // namespace

bool blocked_gemm(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb,
                  bool add, const float* row, float* c, int64_t ldc) {
  constexpr int64_t fewest = 16;
  if (!has_small_kernels() || M < fewest || N < fewest || K < fewest) return false;
  const KernelUse use;
  if (!use) return false;
  const Problem p{trans_a == Trans::Yes, trans_b == Trans::Yes, add, row, M, N, K, a, lda, b, ldb, c, ldc};
  const int64_t depth = depth_of(p.transposed_a, K);
  if (!all_kernels_exist(p, depth)) return false;
  const Scratch<float> packed(p.packs() ? std::min(K, depth) * std::min(N, columns) : 0);
  for (int64_t k0 = 0; k0 < K; k0 += depth)
    for (int64_t n0 = 0; n0 < N; n0 += columns) Pass{p, k0, std::min(depth, K - k0), n0, std::min(columns, N - n0), packed.data()}.run();
  return true;
}

}  // namespace gradus::kernels
