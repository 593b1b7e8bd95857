#pragma once

#include <cstdint>
#include <string>

namespace gradus::kernels {

/// How a matrix is read: as it is stored, or transposed.
enum class Trans { No, Yes };

/// C = alpha op(A) op(B) + beta C, row-major: op(A) is (M, K), op(B) (K, N), C (M, N); lda, ldb, ldc are the distances between stored rows.
/// With beta = 0, C is not read. Throws ShapeError beyond BLAS's integers. Large products are split over threads by tiles that depend on
/// the sizes alone.
template <class T>
void gemm(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, T alpha, const T* a, int64_t lda, const T* b, int64_t ldb, T beta,
          T* c, int64_t ldc);

/// C = op(A) op(B) with `row` (N) added to every row: a linear layer with its bias.
template <class T>
void gemm_and_row(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, const T* a, int64_t lda, const T* b, int64_t ldb,
                  const T* row, T* c, int64_t ldc);

/// Which kernels OpenBLAS uses, and whether gradus chose them: "OpenBLAS 0.3.21, SkylakeX kernels (chosen over Haswell)". A user's own
/// choice, the environment variable OPENBLAS_CORETYPE, stands.
std::string blas_description();

}  // namespace gradus::kernels
