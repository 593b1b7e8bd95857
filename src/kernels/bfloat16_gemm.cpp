#include "kernels/bfloat16_gemm.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/bfloat16.h"

/// The same loops as in blocked_gemm: a panel of B is packed by all threads, and meets A by chunks of rows while both are in the
/// second-level cache. Where there is one panel, each chunk is packed by the thread that takes it; where there are several, A is packed
/// before the first: packing takes as long as multiplying. naive_product of the rounded operands says what comes out.
namespace gradus::kernels {
namespace {

// Tuning numbers, timed on an Intel Xeon with AMX and 2 MB of second-level cache a core.
constexpr int64_t panel_width = 512;                          // columns of B that are packed at a time
constexpr int64_t row_chunk = 64;                             // rows of A that are packed at a time
constexpr int64_t most_depth = 1024;                          // of K in one pass: a panel takes 1 MiB, a chunk 128 KiB
constexpr int64_t least_size = 16;                            // rows, columns and k below which tiles would be mostly empty
constexpr int64_t pack_worth_sharing = 1 << 16;               // numbers to pack from which on all threads pack
constexpr int64_t most_kept = int64_t{8} << 20;               // numbers of A that are packed for several panels
constexpr int64_t most_rows_to_keep = 256;                    // of A: with 1024, packing B is a twentieth of the time
constexpr int64_t work_worth_sharing = int64_t{1} << 21;      // multiplications that are worth a thread
constexpr int64_t few_chunks = 8, group = 4 * 2 * bf16_edge;  // with fewer chunks, a panel's columns are shared out in groups

/// Of K in each pass. Every pass but the first reads C again, so they are few, and of about one length.
int64_t depth_of(int64_t K) {
  const int64_t passes = (K + most_depth - 1) / most_depth;
  return bf16_steps((K + passes - 1) / passes) * bf16_depth;
}

/// Calls pack(begin, end) for the n rows or columns of an operand, on all threads where it is worth it.
template <class F>
void pack_shared(int64_t n, int64_t k, F pack) {
  parallel_for(n, n * k < pack_worth_sharing ? n : n < 4 * group ? group / 2 : 2 * group, pack);
}

void pack_all_left(const MatrixView<const float>& a, Bfloat16* to) {
  pack_shared(a.rows, a.cols,
              [&](int64_t begin, int64_t end) { pack_bf16_left(a.some_rows(begin, end - begin), to + bf16_size(begin, a.cols)); });
}

void pack_all_right(const MatrixView<const float>& b, Bfloat16* to) {
  pack_shared(b.cols, b.rows,
              [&](int64_t begin, int64_t end) { pack_bf16_right(b.some_cols(begin, end - begin), to + bf16_size(begin, b.rows)); });
}

/// C = A, packed at `left` unless that is null, times a packed panel of B: pieces are chunks of rows, and groups of columns where there are
/// few of those.
void multiply_panel(const MatrixView<const float>& a, const Bfloat16* left, const Bfloat16* panel, const MatrixView<float>& c,
                    Bf16Output output) {
  const int64_t k = a.cols, chunks = (c.rows + row_chunk - 1) / row_chunk;
  const int64_t width = chunks < few_chunks ? std::min(group, c.cols) : c.cols, groups = (c.cols + width - 1) / width;
  const int64_t grain = std::max<int64_t>(work_worth_sharing / (row_chunk * width * k), 1);
  parallel_for(chunks * groups, grain, [&](int64_t begin, int64_t end) {
    const Scratch<Bfloat16> own(left ? 0 : bf16_size(std::min(row_chunk, c.rows), k));
    for (int64_t i = begin, there = -1; i < end; ++i) {
      const int64_t m = i / groups * row_chunk, n = i % groups * width, height = std::min(row_chunk, c.rows - m);
      if (!left && m != there) pack_bf16_left(a.some_rows(m, height), own.data());
      there = m;
      multiply_bf16(left ? left + bf16_size(m, k) : own.data(), panel + bf16_size(n, k), k,
                    c.some_rows(m, height).some_cols(n, std::min(width, c.cols - n)), {output.adds, output.row ? output.row + n : nullptr});
    }
  });
}

}  // namespace

bool bfloat16_gemm(const MatrixView<const float>& a, const MatrixView<const float>& b, const MatrixView<float>& c, Output output,
                   const float* row, Keeper keep_b) {
  if (std::min(c.cols, a.cols) < least_size || (c.rows < least_size && !keep_b.is_inference) || !isa::rounds_to_bfloat16()) return false;
  const int64_t K = a.cols, N = c.cols, depth = depth_of(K), deepest = std::min(K, depth);
  const bool keeps = (N > panel_width || a.is_transposed()) && bf16_size(c.rows, deepest) <= most_kept;
  const int64_t passes = (K + depth - 1) / depth, pass_size = bf16_size(N, deepest);
  if (c.rows > most_rows_to_keep) keep_b = {};
  const SharedBytes kept = keep_b.find<Bfloat16>(form_of(KeptWeights::Reader::Rounded, b, depth), passes * pass_size, [&](Bfloat16* to) {
    for (int64_t k0 = 0; k0 < K; k0 += depth, to += pass_size) pack_all_right(b.some_rows(k0, std::min(depth, K - k0)), to);
  });
  const Scratch<Bfloat16> panel(kept ? 0 : bf16_size(std::min(N, panel_width), deepest)), left(keeps ? bf16_size(c.rows, deepest) : 0);
  for (int64_t k0 = 0; k0 < K; k0 += depth) {
    const bool first = k0 == 0;
    const MatrixView<const float> some_of_a = a.some_cols(k0, std::min(depth, K - k0));
    if (keeps) pack_all_left(some_of_a, left.data());
    for (int64_t n0 = 0; n0 < N; n0 += panel_width) {
      const int64_t width = std::min(panel_width, N - n0);
      if (!kept) pack_all_right(b.some_rows(k0, some_of_a.cols).some_cols(n0, width), panel.data());
      const Bfloat16* right = kept ? numbers_in<Bfloat16>(kept) + k0 / depth * pass_size + bf16_size(n0, some_of_a.cols) : panel.data();
      multiply_panel(some_of_a, keeps ? left.data() : nullptr, right, c.some_cols(n0, width),
                     {.adds = output == Output::Accumulate || !first, .row = first && row ? row + n0 : nullptr});
    }
  }
  return true;
}

}  // namespace gradus::kernels
