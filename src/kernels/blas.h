#pragma once

#include <string>
#include <type_traits>

#include "kernels/kept_weights.h"
#include "kernels/matrix_view.h"

namespace gradus::kernels {

/// What becomes of the matrix that a product is written to.
enum class Output { Overwrite, Accumulate };

inline Output accumulate_if(bool condition) noexcept { return condition ? Output::Accumulate : Output::Overwrite; }

/// C = A B, or C += A B: A (M, K), B (K, N), C (M, N), which is stored row by row and not read when it is overwritten. Throws ShapeError
/// beyond BLAS's integers. Large products are split over threads by tiles that depend on the sizes alone. A keeper keeps B as it was
/// packed.
template <class T>
void gemm(const std::type_identity_t<MatrixView<const T>>& a, const std::type_identity_t<MatrixView<const T>>& b, const MatrixView<T>& c,
          Output output = Output::Overwrite, Keeper keep_b = {});

/// C = A B with `row` (N) added to every row: a linear layer with its bias.
template <class T>
void gemm_and_row(const std::type_identity_t<MatrixView<const T>>& a, const std::type_identity_t<MatrixView<const T>>& b, const T* row,
                  const MatrixView<T>& c, Keeper keep_b = {});

/// Which kernels OpenBLAS uses, and whether gradus chose them: "OpenBLAS 0.3.21, SkylakeX kernels (chosen over Haswell)". A user's own
/// choice, the environment variable OPENBLAS_CORETYPE, stands.
std::string blas_description();

}  // namespace gradus::kernels
