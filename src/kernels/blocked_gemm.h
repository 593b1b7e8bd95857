#pragma once

#include <cstdint>

#include "kernels/blas.h"

namespace gradus::kernels {

/// C = A B, or C += A B, or C = A B + `row` (N) in every row unless that is null, by libxsmm's micro-kernels on packed blocks, on the
/// pool's threads; the same bits for any number of them. False, with nothing done, where OpenBLAS should do it: without libxsmm, or for
/// sizes that blocks do not suit. With a row, the output is overwritten. A keeper keeps what was packed of B.
bool blocked_gemm(const MatrixView<const float>& a, const MatrixView<const float>& b, const MatrixView<float>& c, Output output,
                  const float* row, Keeper keep_b = {});

}  // namespace gradus::kernels
