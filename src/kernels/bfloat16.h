#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/matrix_view.h"

/// Products of float32 matrices whose elements are rounded to bfloat16 as they are packed, and whose terms are summed in float32. The
/// processor's instructions take two terms at a time, so what is packed are pairs of k.
namespace gradus::kernels {

/// The upper half of a float32: sign, 8 bits of exponent, 7 of mantissa.
using Bfloat16 = uint16_t;

/// The nearest number of bfloat16, of two the even one; 0 below float32's normal numbers, as the instructions have it. For references.
inline float nearest_bfloat16(float x) noexcept {
  if (std::isnan(x)) return x;
  if (std::fabs(x) < std::numeric_limits<float>::min()) return 0;
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
}

/// An operand is packed in tiles of 16 rows of A, or columns of B, by 32 of k, one KiB each, which lie in the order of k, then of rows;
/// what is beyond the matrix is 0. In a tile of A row i has its pairs beside each other, (16, 16 pairs, 2); in one of B each pair has its
/// columns beside each other, (16 pairs, 16, 2). So the matrix of pairs in the one is the transpose of that in the other.
inline constexpr int64_t bf16_edge = 16, bf16_depth = 32, bf16_tile = bf16_edge * bf16_depth;

/// Tiles that cover n rows or columns, and K.
inline int64_t bf16_edges(int64_t n) noexcept { return (n + bf16_edge - 1) / bf16_edge; }
inline int64_t bf16_steps(int64_t K) noexcept { return (K + bf16_depth - 1) / bf16_depth; }

/// Numbers of a packed operand with n rows (of A) or columns (of B).
inline int64_t bf16_size(int64_t n, int64_t K) noexcept { return bf16_edges(n) * bf16_steps(K) * bf16_tile; }

/// A (rows, K), rounded and packed: bf16_size(rows, K) numbers.
void pack_bf16_left(const MatrixView<const float>& a, Bfloat16* to);
/// B (K, cols), rounded and packed: bf16_size(cols, K) numbers.
void pack_bf16_right(const MatrixView<const float>& b, Bfloat16* to);

/// What becomes of C: it is overwritten by A B, or by A B + a row of N numbers in every row, or A B is added to it.
struct Bf16Output {
  bool adds = false;
  const float* row = nullptr;
};

/// C (M, N) from a packed A (M, K) and a packed B (K, N), on this thread. Each element is summed in the order of k.
void multiply_bf16(const Bfloat16* a, const Bfloat16* b, int64_t K, const MatrixView<float>& c, Bf16Output output);

}  // namespace gradus::kernels
