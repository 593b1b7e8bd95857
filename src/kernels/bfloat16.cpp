#include "kernels/bfloat16.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/isa.h"

#if defined(__x86_64__)
#  include <immintrin.h>
#endif

namespace gradus::kernels {

#if defined(__x86_64__)

#  define GRADUS_TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#  define GRADUS_TARGET_AMX __attribute__((target("avx512f,amx-tile,amx-bf16")))

namespace {

// ---- packing

constexpr int64_t lanes = 16;

/// The lanes [0, count).
__mmask16 first_lanes(int64_t count) { return static_cast<__mmask16>((1u << std::clamp<int64_t>(count, 0, lanes)) - 1); }

/// Row i of a tile whose rows have their k beside each other: `count` rows of `k` numbers, `ld` apart, become pairs.
GRADUS_TARGET_BF16 void round_along(const float* from, int64_t ld, int64_t count, int64_t k, __m512i (&pairs)[lanes]) {
  const __mmask16 low = first_lanes(k), high = first_lanes(k - lanes);
  for (int64_t i = 0; i < lanes; ++i) {
    const float* row = from + i * ld;
    pairs[i] = i >= count ? _mm512_setzero_si512()
                          : reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, row + (high ? lanes : 0)),
                                                                          _mm512_maskz_loadu_ps(low, row)));
  }
}

/// Pair i of a tile whose k lie `ld` apart, each with its `count` numbers beside each other.
GRADUS_TARGET_BF16 void round_across(const float* from, int64_t ld, int64_t count, int64_t k, __m512i (&pairs)[lanes]) {
  const __mmask16 here = first_lanes(count);
  const __m512i even_and_odd = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
                                                19, 3, 18, 2, 17, 1, 16, 0);
  for (int64_t i = 0; i < lanes; ++i) {
    const float* row = from + 2 * i * ld;
    const __m512 even = 2 * i < k ? _mm512_maskz_loadu_ps(here, row) : _mm512_setzero_ps();
    const __m512 odd = 2 * i + 1 < k ? _mm512_maskz_loadu_ps(here, row + ld) : _mm512_setzero_ps();
    pairs[i] = _mm512_permutexvar_epi16(even_and_odd, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd, even)));
  }
}

using Pairs = int __attribute__((vector_size(64)));

/// What lies in even, or odd, places of the numbers of two registers, by runs of `run` numbers: of each 2 x 2 runs, the transpose.
template <int run, int odd, std::size_t... lane>
GRADUS_TARGET_BF16 inline Pairs alternate(Pairs a, Pairs b, std::index_sequence<lane...>) {
  return __builtin_shufflevector(
      a, b, (lane / run % 2 == 0 ? static_cast<int>(lane) + odd * run : static_cast<int>(lane) + 16 - run + odd * run)...);
}

/// Changes runs of `run` pairs between the registers that lie `run` apart.
template <int run>
GRADUS_TARGET_BF16 inline void transpose_runs(Pairs (&r)[lanes]) {
  for (int i = 0; i < lanes; ++i) {
    if (i / run % 2 != 0) continue;
    const Pairs a = r[i], b = r[i + run];
    r[i] = alternate<run, 0>(a, b, std::make_index_sequence<lanes>());
    r[i + run] = alternate<run, 1>(a, b, std::make_index_sequence<lanes>());
  }
}

/// The transpose of 16 x 16 pairs, by halves: of 2 x 2 pairs, of 2 x 2 of those, and so on.
GRADUS_TARGET_BF16 void transpose_pairs(__m512i (&pairs)[lanes]) {
  Pairs r[lanes];
  std::memcpy(r, pairs, sizeof r);
  transpose_runs<1>(r);
  transpose_runs<2>(r);
  transpose_runs<4>(r);
  transpose_runs<8>(r);
  std::memcpy(pairs, r, sizeof r);
}

/// Rows or columns whose tiles are packed together where the numbers of one k lie beside each other: of the lines of memory that belong to
/// one k so many are read at a time, 1 KB.
constexpr int64_t beside = 16 * bf16_edge;

/// n rows (of A) or columns (of B), whose k lie beside each other or whose numbers of one k do, `ld` apart.
GRADUS_TARGET_BF16 void pack(const float* from, int64_t ld, bool k_is_dense, bool is_left, int64_t n, int64_t K, Bfloat16* to) {
  __m512i pairs[lanes];
  const int64_t group = k_is_dense ? bf16_edge : beside, line = bf16_steps(K) * bf16_tile;
  for (int64_t first = 0; first < n; first += group)
    for (int64_t k = 0; k < K; k += bf16_depth)
      for (int64_t i = first; i < std::min(first + group, n); i += bf16_edge) {
        if (k_is_dense) round_along(from + i * ld + k, ld, n - i, K - k, pairs);
        else round_across(from + k * ld + i, ld, n - i, K - k, pairs);
        if (k_is_dense != is_left) transpose_pairs(pairs);
        Bfloat16* tile = to + i / bf16_edge * line + k / bf16_depth * bf16_tile;
        for (int64_t j = 0; j < lanes; ++j) _mm512_storeu_si512(tile + j * bf16_depth, pairs[j]);
      }
}

// ---- blocks of C

// A block is 2 x 2 tiles of C, 32 x 32 numbers, all of whose sums stay in registers.
constexpr int64_t block_edge = 2 * bf16_edge;

/// The block's part of C from the sums, (32, 32).
GRADUS_TARGET_BF16 void store_block(const float* sums, const MatrixView<float>& c, Bf16Output output) {
  const __mmask16 low = first_lanes(c.cols), high = first_lanes(c.cols - lanes);
  const __m512 zero = _mm512_setzero_ps();
  const __m512 row_low = output.row ? _mm512_maskz_loadu_ps(low, output.row) : zero;
  const __m512 row_high = output.row && high ? _mm512_maskz_loadu_ps(high, output.row + lanes) : zero;
  for (int64_t i = 0; i < c.rows; ++i, sums += block_edge) {
    float* to = c.at(i, 0);
    _mm512_mask_storeu_ps(to, low, _mm512_add_ps(_mm512_loadu_ps(sums), output.adds ? _mm512_maskz_loadu_ps(low, to) : row_low));
    if (!high) continue;
    to += lanes;
    _mm512_mask_storeu_ps(to, high, _mm512_add_ps(_mm512_loadu_ps(sums + lanes), output.adds ? _mm512_maskz_loadu_ps(high, to) : row_high));
  }
}

/// Two operands' tiles of a block, `steps` of each: the second ones are null where the block has only the first.
struct BlockTiles {
  const Bfloat16 *a0, *a1, *b0, *b1;
  int64_t steps;
};

/// x's pair in every lane.
GRADUS_TARGET_BF16 inline __m512bh everywhere(const Bfloat16* x) {
  int pair;
  std::memcpy(&pair, x, sizeof pair);
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
}

/// Sums of eight rows from `a` in a tile of A, by vdpbf16ps.
GRADUS_TARGET_BF16 void sum_eight_rows(const Bfloat16* a, const BlockTiles& tiles, float* sums) {
  constexpr int rows = 8;
  __m512 low[rows], high[rows];
#  pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) low[i] = high[i] = _mm512_setzero_ps();
  const Bfloat16 *b0 = tiles.b0, *b1 = tiles.b1 ? tiles.b1 : tiles.b0;
  for (int64_t step = 0; step < tiles.steps; ++step, a += bf16_tile)
    for (int64_t pair = 0; pair < lanes; ++pair, b0 += bf16_depth, b1 += bf16_depth) {
      const __m512bh left = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b0)), right = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b1));
#  pragma GCC unroll 8
      for (int i = 0; i < rows; ++i) {
        const __m512bh x = everywhere(a + i * bf16_depth + 2 * pair);
        low[i] = _mm512_dpbf16_ps(low[i], x, left);
        high[i] = _mm512_dpbf16_ps(high[i], x, right);
      }
    }
#  pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    _mm512_storeu_ps(sums + i * block_edge, low[i]);
    _mm512_storeu_ps(sums + i * block_edge + lanes, high[i]);
  }
}

void sum_block_avx512(const BlockTiles& tiles, int64_t rows, float* sums) {
  for (int64_t i = 0; i < rows; i += 8)
    sum_eight_rows((i < bf16_edge ? tiles.a0 + i * bf16_depth : tiles.a1 + (i - bf16_edge) * bf16_depth), tiles, sums + i * block_edge);
}

/// How the eight tile registers are divided: 16 rows of 64 bytes each.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig tile_config;

/// Gives this thread its tile registers, and takes them back, so that the system need not keep them when it changes threads.
GRADUS_TARGET_AMX void begin_amx() { _tile_loadconfig(&tile_config); }
GRADUS_TARGET_AMX void end_amx() { _tile_release(); }

GRADUS_TARGET_AMX void sum_block_amx(const BlockTiles& tiles, int64_t, float* sums) {
  constexpr int64_t stride = 64, sums_stride = block_edge * sizeof(float);  // bytes
  const Bfloat16 *a0 = tiles.a0, *a1 = tiles.a1, *b0 = tiles.b0, *b1 = tiles.b1;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t at = 0; at < tiles.steps * bf16_tile; at += bf16_tile) {
    _tile_loadd(4, a0 + at, stride);
    _tile_loadd(6, b0 + at, stride);
    _tile_dpbf16ps(0, 4, 6);
    if (b1) {
      _tile_loadd(7, b1 + at, stride);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (!a1) continue;
    _tile_loadd(5, a1 + at, stride);
    _tile_dpbf16ps(2, 5, 6);
    if (b1) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, sums_stride);
  _tile_stored(1, sums + bf16_edge, sums_stride);
  _tile_stored(2, sums + bf16_edge * block_edge, sums_stride);
  _tile_stored(3, sums + bf16_edge * block_edge + bf16_edge, sums_stride);
}

}  // namespace

void pack_bf16_left(const MatrixView<const float>& a, Bfloat16* to) { pack(a.data, a.ld, !a.is_transposed(), true, a.rows, a.cols, to); }
void pack_bf16_right(const MatrixView<const float>& b, Bfloat16* to) { pack(b.data, b.ld, b.is_transposed(), false, b.cols, b.rows, to); }

void multiply_bf16(const Bfloat16* a, const Bfloat16* b, int64_t K, const MatrixView<float>& c, Bf16Output output) {
  const bool amx = isa::bfloat16() == isa::Bfloat16::Amx;
  const int64_t steps = bf16_steps(K), line = steps * bf16_tile;
  alignas(64) float sums[block_edge * block_edge];
  if (amx) begin_amx();
  for (int64_t j = 0; j < c.cols; j += block_edge)
    for (int64_t i = 0; i < c.rows; i += block_edge) {
      const int64_t height = std::min(block_edge, c.rows - i), width = std::min(block_edge, c.cols - j);
      const Bfloat16 *a0 = a + i / bf16_edge * line, *b0 = b + j / bf16_edge * line;
      const BlockTiles tiles{a0, height > bf16_edge ? a0 + line : nullptr, b0, width > bf16_edge ? b0 + line : nullptr, steps};
      (amx ? sum_block_amx : sum_block_avx512)(tiles, height, sums);
      store_block(sums, c.some_rows(i, height).some_cols(j, width), {output.adds, output.row ? output.row + j : nullptr});
    }
  if (amx) end_amx();
}

#else

void pack_bf16_left(const MatrixView<const float>&, Bfloat16*) {}
void pack_bf16_right(const MatrixView<const float>&, Bfloat16*) {}
void multiply_bf16(const Bfloat16*, const Bfloat16*, int64_t, const MatrixView<float>&, Bf16Output) {}

#endif

}  // namespace gradus::kernels
