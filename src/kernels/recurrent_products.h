#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>

#include "core/allocator.h"
#include "core/function_ref.h"
#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/bfloat16.h"
#include "kernels/blas.h"
#include "kernels/few_rows.h"
#include "kernels/kept_weights.h"
#include "kernels/recurrent.h"
#include "kernels/small_kernels.h"

/// The parts of a recurrent layer's kernels that all kinds share: how the batch is cut, and the products.
///
/// W_hh, and W_ih where its products are made step by step, are packed once for the products of the steps; for very few rows in all they
/// are read as they lie. Each thread then carries its
/// rows of the batch through the whole sequence. Backward does the same from the last step to the first, and leaves `d` (T, B, width), the
/// gradients of all gates before their nonlinearities; the weights' gradients are products over all steps.
namespace gradus::kernels {
namespace tuning {

// How work is cut, chosen by time, at first on two cores of a Zen 4 (docs/performance.md). The figures are processor time of a GRU of
// float32 on an Intel Xeon with AVX-512 and 2 MB of second-level cache a core, one thread. Results have other bits where another choice
// cuts a product's terms otherwise.

/// Fewer rows of the batch stay one tile: two tiles would leave a kernel too few rows.
inline constexpr int64_t fewest_rows_to_cut = 48;
/// A tile's gates and states stay in the nearest caches, and libxsmm's kernels take that many rows at a time. Tiles of 32, 64 and 128 rows
/// are within 3 % (T = 10, B = 256, I = H = 64: 1.25 ms forward).
inline constexpr int64_t most_tile_rows = 64;
/// Tiles are multiples of it: the rows of a kernel's block of registers.
inline constexpr int64_t tile_step = 8;
/// Multiplications with W_hh in the whole sequence below which a second thread costs more than it saves.
inline constexpr int64_t worth_cutting = 1 << 20;

/// Rows of a tile, and inputs, below which a product at each step leaves the kernel idle. With 8 rows there is no difference (41 µs).
inline constexpr int64_t fewest_by_step = 16;
/// Numbers in W_ih beyond which it is no longer near when the next step comes: it takes 1 MB of the second-level cache. Forward, T = 20 and
/// B = 64, by step and for all steps at once: I = 128, H = 256 6.3 and 6.3 ms; 256, 256 8.6 and 8.2; 256, 512 31 and 27; 512, 512 42
/// and 35.
inline constexpr int64_t most_by_step = 1 << 18;

/// Rows of all steps together up to which weights are read as they lie. A GRU of 2 layers, one step: 128 to 256, 4 rows so 172 µs, 5 rows
/// with packed weights 370; 32 to 32, 12 and 9.
inline constexpr int64_t most_unpacked = 4;

/// Multiplications of a product from which on it is worth waking a thread, and from which on it is worth all threads.
inline constexpr int64_t worth_a_thread = multiplications_a_piece, worth_all_threads = 1 << 22;

}  // namespace tuning

// ---- how the batch is cut

/// The rows [begin, end) of the batch at step t.
struct Rows {
  int64_t t, begin, end;

  int64_t count() const noexcept { return end - begin; }
  /// Of the first row, in an array (T, B, …).
  int64_t first(const RecurrentSizes& s) const noexcept { return t * s.B + begin; }
};

/// The rows that one thread carries through the whole sequence: all where there are few or the work is small, else tiles of at most
/// most_tile_rows, two at least.
inline int64_t tile_rows(const RecurrentSizes& s, int64_t gates) {
  using namespace tuning;
  if (s.B < fewest_rows_to_cut || s.T * s.B * s.H * gates * s.H < worth_cutting) return std::max<int64_t>(s.B, 1);
  const int64_t tiles = std::max<int64_t>((s.B + most_tile_rows - 1) / most_tile_rows, 2);
  return ((s.B + tiles - 1) / tiles + tile_step - 1) / tile_step * tile_step;
}

/// Cuts rows into runs that are all active or all past their length: body(run, active).
template <class Body>
void for_runs(const RecurrentSizes& s, const Rows& rows, const Body& body) {
  if (!s.lengths) return body(rows, true);
  for (int64_t from = rows.begin, to = from; from < rows.end; from = to) {
    const bool active = s.active(rows.t, from);
    while (to < rows.end && s.active(rows.t, to) == active) ++to;
    body(Rows{rows.t, from, to}, active);
  }
}

/// to (end - begin, H) = the rows [begin, end) of `from` (B, H), or zeros where there is none.
template <class T>
void copy_rows_or_zeros(const RecurrentSizes& s, const T* from, int64_t begin, int64_t end, T* to) {
  const int64_t count = (end - begin) * s.H;
  if (from) std::copy_n(from + begin * s.H, count, to);
  else std::fill_n(to, count, T(0));
}

// ---- products of the steps

/// Whether weights are met by so few rows that packing them does not pay.
inline bool meets_few_rows(const RecurrentSizes& s) noexcept { return s.T * s.B <= tuning::most_unpacked; }

/// y (rows, N) = x (rows, K) W^T, or y += it, for a W (N, K) that all steps share. Float weights are packed once, in blocks for libxsmm's
/// kernels, unless they lie right already, or rounded to bfloat16 where that was asked for, and may be kept so for the next call; without
/// either, OpenBLAS makes the products, packing anew each time.
template <class T>
class PackedProduct {
 public:
  /// W[n, k] lies at w[n * n_stride + k * k_stride]; one of the strides is 1. With `few_rows` it is not packed where k_stride is, unless it
  /// is rounded.
  PackedProduct(int64_t N, int64_t K, const T* w, int64_t n_stride, int64_t k_stride, Keeper keeper, bool few_rows = false)
      : N_(N),
        K_(K),
        n_stride_(n_stride),
        k_stride_(k_stride),
        w_(w),
        rounds_((!few_rows || k_stride != 1 || keeper.is_inference) && can_round(N, K)),
        stays_(few_rows && k_stride == 1 && !rounds_),
        lies_right_(stays_ || (n_stride == 1 && k_stride >= N && k_stride <= narrow)),
        kept_(kept_by(keeper)),
        own_(kept_ ? 0 : packed_bytes()) {
    if (!kept_ && packed_bytes() > 0) pack(own_.data());
  }

  /// Whether libxsmm makes the products.
  static bool packs() noexcept { return std::is_same_v<T, float> && has_small_kernels(); }
  /// Whether W (N, K) may be rounded to bfloat16: smaller ones would leave tiles mostly empty.
  static bool can_round(int64_t N, int64_t K) noexcept {
    return std::is_same_v<T, float> && std::min(N, K) >= fewest_rounded && isa::rounds_to_bfloat16();
  }

  /// The rows of x lie ldx apart, those of y ldy.
  void run(int64_t rows, const T* x, int64_t ldx, bool add, T* y, int64_t ldy) const {
    if (rows == 0) return;
    if (stays_) return few_rows_product(rows, N_, K_, x, ldx, w_, n_stride_, add, y, ldy);
    if constexpr (std::is_same_v<T, float>)
      if (rounds_) return run_rounded({x, rows, K_, ldx}, add, MatrixView(y, rows, N_, ldy));
    if (packs() && run_packed(rows, x, ldx, add, y, ldy)) return;
    gemm({x, rows, K_, ldx}, weights(), MatrixView(y, rows, N_, ldy), accumulate_if(add));
  }

 private:
  static constexpr int64_t fewest_rounded = 16;

  /// W^T (K, N).
  MatrixView<const T> weights() const {
    const bool stored = k_stride_ == 1;
    return {w_, K_, N_, stored ? std::max(n_stride_, K_) : std::max(k_stride_, N_), stored ? Trans::Yes : Trans::No};
  }

  /// Of what is packed: W rounded, as pack_bf16_right packs it, or blocks of W, (K, kernel_width) each, the last one narrower.
  int64_t packed_bytes() const {
    if (rounds_) return bf16_size(N_, K_) * static_cast<int64_t>(sizeof(Bfloat16));
    return packs() && !lies_right_ ? N_ * K_ * static_cast<int64_t>(sizeof(float)) : 0;
  }

  SharedBytes kept_by(const Keeper& keeper) const {
    if constexpr (std::is_same_v<T, float>)
      if (const int64_t bytes = packed_bytes(); bytes > 0) {
        const auto reader = rounds_ ? KeptWeights::Reader::RoundedSteps : KeptWeights::Reader::Steps;
        return keeper.find<std::byte>({reader, w_, N_, K_, n_stride_, k_stride_, K_}, bytes, [&](std::byte* to) { pack(to); });
      }
    return nullptr;
  }

  const std::byte* packed() const { return kept_ ? kept_->data() : own_.data(); }

  void pack(std::byte* to) const {
    if constexpr (std::is_same_v<T, float>) {
      if (rounds_) return pack_bf16_right(weights(), reinterpret_cast<Bfloat16*>(to));
      float* const packed = reinterpret_cast<float*>(to);
      const int64_t blocks = (N_ + kernel_width - 1) / kernel_width;
      parallel_for(
          blocks, std::max<int64_t>(elements_a_piece / std::max<int64_t>(kernel_width * K_, 1), 1), [&](int64_t begin, int64_t end) {
            for (int64_t first = begin * kernel_width; first < std::min(end * kernel_width, N_); first += kernel_width)
              pack_block(K_, std::min(kernel_width, N_ - first), w_ + first * n_stride_, n_stride_, k_stride_, packed + first * K_);
          });
    }
  }

  void run_rounded(const MatrixView<const float>& x, bool add, const MatrixView<float>& y) const {
    const Scratch<Bfloat16> rounded_x(bf16_size(x.rows, K_));
    pack_bf16_left(x, rounded_x.data());
    multiply_bf16(rounded_x.data(), reinterpret_cast<const Bfloat16*>(packed()), K_, y, {.adds = add});
  }

  bool run_packed(int64_t rows, const T* x, int64_t ldx, bool add, T* y, int64_t ldy) const {
    if constexpr (std::is_same_v<T, float>) {
      const Passage use = use_small_kernels();
      if (!use) return false;
      const auto kernel = [&](int64_t width) { return small_kernel(width, rows, K_, lies_right_ ? k_stride_ : width, ldx, add, ldy); };
      const auto block = [&](int64_t n) { return lies_right_ ? w_ + n : reinterpret_cast<const float*>(packed()) + n * K_; };
      const int64_t rest = N_ % kernel_width, whole = N_ - rest;
      const SmallKernel full = whole > 0 ? kernel(kernel_width) : nullptr, last = rest > 0 ? kernel(rest) : nullptr;
      if ((whole > 0 && !full) || (rest > 0 && !last)) return false;
      for (int64_t n = 0; n < whole; n += kernel_width) full(block(n), x, y + n);
      if (last) last(block(whole), x, y + whole);
      return true;
    }
    return false;
  }

  int64_t N_, K_, n_stride_, k_stride_;
  const T* w_;
  bool rounds_;      // to bfloat16
  bool stays_;       // as it lies, for few rows
  bool lies_right_;  // W^T (K, N) is stored, in short rows, or not packed at all
  SharedBytes kept_;
  Scratch<std::byte> own_;  // where nothing is kept
};

/// Whether a product with W_ih is made for a tile's rows at each step, while they are in the nearest caches, and not for all steps at once.
/// It is where weights are packed, if the rows keep a kernel busy and the weights stay in reach.
template <class T>
bool is_made_by_step(const RecurrentSizes& s, int64_t gates) {
  return PackedProduct<T>::packs() && std::min(tile_rows(s, gates), s.I) >= tuning::fewest_by_step &&
         gates * s.H * s.I <= tuning::most_by_step;
}

/// result (T, B, G H) = x W_ih^T: the input's part of every gate of every step.
template <class T>
class InputProducts {
 public:
  InputProducts(const RecurrentSizes& s, int64_t gates, const RecurrentArrays<const T>& in, T* result)
      : s_(s),
        width_(gates * s.H),
        by_step_(is_made_by_step<T>(s, gates) || rounds_few(s, in.keep_ih)),
        x_(in.x),
        result_(result),
        product_(by_step_ ? width_ : 0, s.I, in.weight_ih, s.I, 1, in.keep_ih) {
    if (by_step_) return;
    const int64_t rows = s.T * s.B;
    if (meets_few_rows(s)) few_rows_product(rows, width_, s.I, in.x, s.I, in.weight_ih, s.I, false, result, width_);
    else gemm({in.x, rows, s.I}, {in.weight_ih, s.I, width_, s.I, Trans::Yes}, MatrixView(result, rows, width_));
  }

  /// To be called before the rows are read.
  void step(const Rows& rows) const {
    const int64_t first = rows.first(s_);
    if (by_step_) product_.run(rows.count(), x_ + first * s_.I, s_.I, false, result_ + first * width_, width_);
  }

 private:
  /// For so few rows in all that gemm rounds nothing.
  bool rounds_few(const RecurrentSizes& s, const Keeper& keeper) const noexcept {
    return keeper.is_inference && s.T * s.B < tuning::fewest_by_step && PackedProduct<T>::can_round(width_, s.I);
  }

  const RecurrentSizes& s_;
  int64_t width_;
  bool by_step_;
  const T* x_;
  T* result_;
  PackedProduct<T> product_;
};

/// The gradient of x, (T, B, I) = the first G H columns of d (T, B, width) times a W_ih with its rows in their order.
template <class T>
class InputGradient {
 public:
  /// result is null where it is not wanted.
  InputGradient(const RecurrentSizes& s, int64_t gates, const T* d, int64_t width, const T* weight_ih, T* result)
      : s_(s),
        gates_(gates),
        width_(width),
        by_step_(result && is_made_by_step<T>(s, gates)),
        d_(d),
        weight_ih_(weight_ih),
        result_(result),
        product_(by_step_ ? s.I : 0, gates * s.H, weight_ih, 1, s.I, {}) {}

  /// To be called when d is known for the rows …
  void step(const Rows& rows) const {
    const int64_t first = rows.first(s_);
    if (by_step_) product_.run(rows.count(), d_ + first * width_, width_, false, result_ + first * s_.I, s_.I);
  }
  /// … and when all of it is.
  void finish() const {
    if (!result_ || by_step_) return;
    gemm({d_, s_.T * s_.B, gates_ * s_.H, width_}, {weight_ih_, gates_ * s_.H, s_.I}, MatrixView(result_, s_.T * s_.B, s_.I));
  }

 private:
  const RecurrentSizes& s_;
  int64_t gates_, width_;
  bool by_step_;
  const T *d_, *weight_ih_;
  T* result_;
  PackedProduct<T> product_;
};

/// (G H): what is added to every gate, b_ih + b_hh.
template <class T>
class JointBias {
 public:
  JointBias(const RecurrentArrays<const T>& in, int64_t width) : sums_(width) {
    for (int64_t j = 0; j < width; ++j) sums_.data()[j] = (in.bias_ih ? in.bias_ih[j] : T(0)) + (in.bias_hh ? in.bias_hh[j] : T(0));
  }
  const T* data() const noexcept { return sums_.data(); }

 private:
  Scratch<T> sums_;
};

// ---- products over all steps

/// Columns of d that belong to consecutive rows of a weight, in units of H.
struct Columns {
  int64_t from, count;
};

/// The gradient of W_ih, (G H, I): the sum over all steps of d's columns, transposed, times x; one part below the other. Past its length a
/// row's x is not read: it may be NaN.
template <class T>
void weight_ih_gradient(const RecurrentSizes& s, const T* d, int64_t width, std::span<const Columns> parts, const T* x, T* result) {
  const int64_t I = s.I, rows = s.T * s.B;
  // d is 0 there, but 0 times NaN would spoil the sums.
  Scratch<T> active_x(s.lengths ? rows * I : 0);
  if (s.lengths) {
    for (int64_t row = 0; row < rows; ++row) {
      T* to = active_x.data() + row * I;
      if (s.active(row / s.B, row % s.B)) std::copy_n(x + row * I, I, to);
      else std::fill_n(to, I, T(0));
    }
    x = active_x.data();
  }
  for (const Columns& part : parts) {
    const int64_t count = part.count * s.H;
    gemm({d + part.from * s.H, count, rows, width, Trans::Yes}, {x, rows, I}, MatrixView(result, count, I));
    result += count * I;
  }
}

/// The gradient of rows of W_hh, (columns, H): the same with what met them, (T, B, H).
template <class T>
void weight_hh_gradient(const RecurrentSizes& s, const T* d, int64_t width, Columns columns, const T* met, T* result) {
  const int64_t H = s.H;
  gemm({d + columns.from * H, columns.count * H, s.T * s.B, width, Trans::Yes}, {met, s.T * s.B, H},
       MatrixView(result, columns.count * H, H));
}

/// Calls product(0) to product(count - 1), each of `work` multiplications: small ones beside each other, large ones one after the other,
/// each on all threads.
inline void run_products(int64_t count, int64_t work, FunctionRef<void(int64_t which)> product) {
  if (work >= tuning::worth_a_thread && work < tuning::worth_all_threads) return run_pieces(count, product);
  for (int64_t which = 0; which < count; ++which) product(which);
}

/// Rows of dy (T, B, H), `stride` apart; or, where there is none, zeros with a stride of 0.
template <class T>
class OutputGradient {
 public:
  OutputGradient(const RecurrentSizes& s, const T* dy) : stride(dy ? s.H : 0), B_(s.B), dy_(dy), zeros_(dy ? 0 : s.H) {
    if (!dy) std::fill_n(zeros_.data(), s.H, T(0));
  }
  const T* of(const Rows& rows) const noexcept { return dy_ ? dy_ + (rows.t * B_ + rows.begin) * stride : zeros_.data(); }
  const int64_t stride;

 private:
  int64_t B_;
  const T* dy_;
  Scratch<T> zeros_;
};

/// The sums of d over a tile's rows, (tiles, width), which become one sum in the first row.
template <class T>
class TileSums {
 public:
  TileSums(const RecurrentSizes& s, int64_t tile, int64_t width)
      : tile_(tile), tiles_(std::max<int64_t>((s.B + tile - 1) / tile, 1)), width_(width), sums_(tiles_ * width) {
    std::fill_n(sums_.data(), tiles_ * width, T(0));
  }

  /// For the tile that begins at this row of the batch.
  T* of(int64_t begin) const noexcept { return sums_.data() + begin / tile_ * width_; }

  const T* total() {
    T* sums = sums_.data();
    for (int64_t i = 1; i < tiles_; ++i)
      for (int64_t j = 0; j < width_; ++j) sums[j] += sums[i * width_ + j];
    tiles_ = 1;
    return sums;
  }

 private:
  int64_t tile_, tiles_, width_;
  Scratch<T> sums_;
};

}  // namespace gradus::kernels
