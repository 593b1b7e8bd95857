#pragma once

#include <cstdint>

#include "kernels/blas.h"

namespace gradus::kernels {

/// C = op(A) op(B), or C += it, or C = it + `row` (N) in every row unless that is null, by libxsmm's kernels on packed blocks, on the
/// pool's threads; the same bits for any number of them. False, with nothing done, where OpenBLAS should do it: without libxsmm, or for
/// sizes that blocks do not suit.
bool blocked_gemm(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, const float* a, int64_t lda, const float* b, int64_t ldb,
                  bool add, const float* row, float* c, int64_t ldc);

}  // namespace gradus::kernels
