#include "kernels/blocked_gemm.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/allocator.h"
#include "core/thread_pool.h"
#include "kernels/small_kernels.h"

/// A product as three loops around a micro-kernel (Goto and van de Geijn 2008): a panel of B, `depth` of K by `panel_width` columns, is
/// packed into blocks of `kernel_width` columns; each chunk of rows of A then meets each block in one call of the micro-kernel. A chunk of
/// a transposed A may be packed first, by the thread that takes it. The tails (the last rows, columns and k) have micro-kernels of their
/// own sizes. naive_product says what comes out.
namespace gradus::kernels {
namespace {

// Tuning numbers, timed on the machine of docs/performance.md, two cores of a Zen 4 with 1 MB of second-level cache each. On an Intel Xeon
// with AVX-512 a product of 16 x 16 matrices takes 0.47 µs here, and one of 12 x 12 in OpenBLAS 0.57 µs; one of 64 x 64 4.2 µs. The last
// two were timed on an Intel Xeon with 2 MB of it a core.
constexpr int64_t panel_width = 512;             // columns of B that are packed at a time
constexpr int64_t row_chunk = 64;                // rows of A that meet a block
constexpr int64_t most_depth = 768;              // of K in one pass: a block of B and a chunk of A stay in the second-level cache
constexpr int64_t most_depth_transposed = 512;   // a transposed A is read in strips, each in a page of its own, and asks for less
constexpr int64_t depth_step = 16;               // passes are multiples of this, a cache line
constexpr int64_t least_size = 16;               // rows, columns and k below which OpenBLAS is quicker
constexpr int64_t pack_worth_sharing = 1 << 16;  // numbers to pack from which on all threads pack
constexpr int64_t work_worth_sharing = 1 << 19;  // multiplications that are worth a thread
constexpr int64_t many_chunks = 16;              // from which on a thread takes a chunk's whole panel, so that the chunk stays near
constexpr int64_t few_chunks = 8;                // below which packed chunks are shared, and packed by each that takes a part
constexpr int64_t far_apart = 768;               // numbers from strip to strip from which on packing them is worth it
constexpr int64_t most_rows_to_keep = 128;       // of A: with 256, packing B is a twentieth of the time, and not worth its memory

/// Of K in each pass. Every pass but the first reads C again, so they are few, and of about one length.
int64_t depth_of(bool transposed, int64_t K) {
  const int64_t most = transposed ? most_depth_transposed : most_depth, passes = (K + most - 1) / most;
  return ((K + passes - 1) / passes + depth_step - 1) / depth_step * depth_step;
}

/// The lengths of the pieces into which n is cut: `most`, or n where it is less, and what is left at the end, if anything.
std::array<int64_t, 2> whole_and_tail(int64_t n, int64_t most) { return {std::min(n, most), n > most ? n % most : 0}; }

/// What every pass needs to know: C = A B, or C += it, or with a row C = it + the row.
struct BlockedProduct {
  MatrixView<const float> a, b;
  MatrixView<float> c;
  bool accumulates;
  const float* row;

  int64_t rows() const noexcept { return c.rows; }
  int64_t cols() const noexcept { return c.cols; }
  int64_t depth() const noexcept { return a.cols; }
  /// A narrow B, or one for few rows, is read where it lies.
  bool packs() const noexcept { return b.is_transposed() || (b.ld > narrow && rows() > row_chunk); }
  /// A transposed A is read in strips. Where they lie far apart, each is in a page of its own, and those of a chunk compete for few places
  /// in the caches: in a product of 1 024 x 256 x 1 024 kernels that read them so have 0.65 of the speed that they have with packed ones.
  bool packs_rows() const noexcept { return a.is_transposed() && a.ld >= far_apart && cols() >= kernel_width; }

  SmallKernel kernel(int64_t height, int64_t width, int64_t k, bool accumulate) const {
    return small_kernel(width, height, k, packs() ? width : b.ld, packs_rows() ? height : a.ld, accumulate, c.ld, a.is_transposed());
  }

  /// Whether every micro-kernel that the passes will ask for can be made, those of the tails included.
  bool all_kernels_exist(int64_t pass_depth) const {
    const auto exist = [&](int64_t k, bool accumulate) {
      for (int64_t height : whole_and_tail(rows(), row_chunk))
        for (int64_t width : whole_and_tail(cols(), kernel_width))
          if (k > 0 && height > 0 && width > 0 && !kernel(height, width, k, accumulate)) return false;
      return true;
    };
    const auto [whole, tail] = whole_and_tail(depth(), pass_depth);
    const bool adds = accumulates || row;
    return exist(whole, adds) && (adds || depth() <= pass_depth || exist(whole, true)) && exist(tail, true);
  }
};

/// Fetches a part of C beforehand: a micro-kernel asks for each element only when it needs it, and waits.
void prefetch(const MatrixView<float>& c) {
  constexpr int64_t line = 16;
  for (int64_t i = 0; i < c.rows; ++i)
    for (int64_t j = 0; j < c.cols; j += line) __builtin_prefetch(c.at(i, j), 1, 2);
}

/// Every row of a part of C = row.
void fill_rows(const float* row, const MatrixView<float>& c) {
  for (int64_t i = 0; i < c.rows; ++i) std::copy_n(row, c.cols, c.at(i, 0));
}

/// Room where it is needed: to ask for none takes a tenth of a small product's time.
class MaybeScratch {
 public:
  MaybeScratch(bool is_needed, int64_t n) {
    if (is_needed) room_.emplace(n);
  }
  float* data() const noexcept { return room_ ? room_->data() : nullptr; }

 private:
  std::optional<Scratch<float>> room_;
};

/// One panel: k of the sum from k0 on, for the columns [n0, n0 + width) of C. Packed it is blocks of B, (k, kernel_width) each, the last
/// one narrower.
struct Panel {
  const BlockedProduct& p;
  int64_t k0, k, n0, width;

  /// Where it lies in an array for all panels, (K, N).
  template <class T>
  T* place_in(T* all) const noexcept {
    return all + k0 * p.cols() + n0 * k;
  }

  /// On all threads where it is worth it.
  void pack_all(float* packed) const {
    const int64_t blocks = (width + kernel_width - 1) / kernel_width;
    parallel_for(blocks, k * width < pack_worth_sharing ? blocks : 1, [&](int64_t begin, int64_t end) { pack(begin, end, packed); });
  }

  /// Shared by the threads. Every element of C is one micro-kernel's, whoever runs it. `packed` is null where B is read as it lies.
  void multiply(const float* packed) const {
    const int64_t blocks = (width + kernel_width - 1) / kernel_width, chunks = (p.rows() + row_chunk - 1) / row_chunk;
    const int64_t group = group_of(chunks, blocks), groups = (blocks + group - 1) / group;
    const int64_t grain = std::max<int64_t>(work_worth_sharing / (row_chunk * group * kernel_width * k), 1);
    parallel_for(chunks * groups, grain, [&](int64_t begin, int64_t end) {
      const MaybeScratch strips(p.packs_rows(), std::min(row_chunk, p.rows()) * k);
      for (int64_t i = begin, there = -1; i < end; ++i) {
        const int64_t chunk = i / groups;
        if (strips.data() && chunk != there) pack_block(k, height_of(chunk), p.a.at(chunk * row_chunk, k0), 1, p.a.ld, strips.data());
        there = chunk;
        multiply(packed, chunk, i % groups * group * kernel_width, group * kernel_width, strips.data());
      }
    });
  }

 private:
  /// The blocks [begin, end).
  void pack(int64_t begin, int64_t end, float* packed) const {
    const int64_t n_stride = p.b.is_transposed() ? p.b.ld : 1, k_stride = p.b.is_transposed() ? 1 : p.b.ld;
    for (int64_t n = begin * kernel_width; n < std::min(end * kernel_width, width); n += kernel_width)
      pack_block(k, std::min(kernel_width, width - n), p.b.at(k0, n0 + n), n_stride, k_stride, packed + n * k);
  }

  /// The part of C in chunk `chunk` of the rows, from column n of the panel on, `count` wide. `strips` is the chunk of A, where it is
  /// packed.
  void multiply(const float* packed, int64_t chunk, int64_t n, int64_t count, const float* strips) const {
    const int64_t m = chunk * row_chunk, height = height_of(chunk), end = std::min(n + count, width);
    const bool onto_c = p.accumulates || k0 > 0, onto_row = p.row && k0 == 0;
    for (; n < end; n += kernel_width) {
      const int64_t wide = std::min(kernel_width, width - n);
      const MatrixView<float> part(p.c.at(m, n0 + n), height, wide, p.c.ld);
      if (onto_c) prefetch(part);
      if (onto_row) fill_rows(p.row + n0 + n, part);
      p.kernel(height, wide, k, onto_c || onto_row)(packed ? packed + n * k : p.b.at(k0, n0 + n), strips ? strips : p.a.at(m, k0),
                                                    part.data);
    }
  }

  int64_t height_of(int64_t chunk) const { return std::min(row_chunk, p.rows() - chunk * row_chunk); }

  /// How many of the blocks go together with a chunk.
  int64_t group_of(int64_t chunks, int64_t blocks) const {
    if (chunks >= many_chunks) return blocks;
    return p.packs_rows() ? std::min<int64_t>(blocks, chunks < few_chunks ? 2 : 4) : 1;
  }
};

}  // namespace

bool blocked_gemm(const MatrixView<const float>& a, const MatrixView<const float>& b, const MatrixView<float>& c, Output output,
                  const float* row, Keeper keep_b) {
  if (!has_small_kernels() || std::min({c.rows, c.cols, a.cols}) < least_size) return false;
  const Passage use = use_small_kernels();
  if (!use) return false;
  const BlockedProduct p{a, b, c, output == Output::Accumulate, row};
  const int64_t K = p.depth(), N = p.cols(), depth = depth_of(a.is_transposed(), K);
  if (!p.all_kernels_exist(depth)) return false;
  const auto for_panels = [&](auto f) {
    for (int64_t k0 = 0; k0 < K; k0 += depth)
      for (int64_t n0 = 0; n0 < N; n0 += panel_width) f(Panel{p, k0, std::min(depth, K - k0), n0, std::min(panel_width, N - n0)});
  };
  SharedBytes kept;
  if (p.packs() && c.rows <= most_rows_to_keep)
    kept = keep_b.find<float>(form_of(KeptWeights::Reader::Blocked, b, depth), N * K,
                              [&](float* to) { for_panels([&](const Panel& panel) { panel.pack_all(panel.place_in(to)); }); });
  const MaybeScratch own(p.packs() && !kept, std::min(K, depth) * std::min(N, panel_width));
  for_panels([&](const Panel& panel) {
    if (own.data()) panel.pack_all(own.data());
    panel.multiply(kept ? panel.place_in(numbers_in<float>(kept)) : own.data());
  });
  return true;
}

}  // namespace gradus::kernels
