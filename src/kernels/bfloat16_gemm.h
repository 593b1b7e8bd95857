#pragma once

#include "kernels/blas.h"

namespace gradus::kernels {

/// C = A B, or C += A B, or C = A B + `row` (N) in every row unless that is null, with the operands rounded to bfloat16, on the pool's
/// threads; the same bits for any number of them. False, with nothing done, where that was not asked for or cannot be
/// (`isa::rounds_to_bfloat16`), or for sizes that tiles do not suit. With a row, the output is overwritten. A keeper keeps what was packed
/// of B.
bool bfloat16_gemm(const MatrixView<const float>& a, const MatrixView<const float>& b, const MatrixView<float>& c, Output output,
                   const float* row, Keeper keep_b = {});

}  // namespace gradus::kernels
