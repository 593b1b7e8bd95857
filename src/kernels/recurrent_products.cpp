#include "kernels/recurrent_products.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "kernels/blas.h"

namespace gradus::kernels {

namespace {

// How work is cut. The numbers were chosen by time; results have other bits where another choice cuts a product's terms otherwise.

/// Fewer rows of the batch stay one tile: two tiles would leave a kernel too few rows.
constexpr int64_t kFewestRowsToCut = 48;
/// A tile's gates and states stay in the nearest caches, and libxsmm's kernels take that many rows at a time.
constexpr int64_t kMostTileRows = 64;
/// Tiles are multiples of it: the rows of a kernel's block of registers.
constexpr int64_t kTileStep = 8;
/// Multiplications with W_hh in the whole sequence below which a second thread costs more than it saves.
constexpr int64_t kWorthCutting = 1 << 20;

/// Rows of a tile, and inputs, below which a product at each step leaves the kernel idle.
constexpr int64_t kFewestByStep = 16;
/// Numbers in W_ih beyond which it is no longer near when the next step comes.
constexpr int64_t kMostByStep = 1 << 20;

/// Multiplications of a product from which on it is worth waking a thread, and from which on it is worth all threads.
constexpr int64_t kWorthAThread = 1 << 18, kWorthAllThreads = 1 << 22;

}  // namespace

int64_t tile_rows(const RecurrentSizes& s, int64_t gates) {
  if (s.B < kFewestRowsToCut || s.T * s.B * s.H * gates * s.H < kWorthCutting) return std::max<int64_t>(s.B, 1);
  const int64_t tiles = std::max<int64_t>((s.B + kMostTileRows - 1) / kMostTileRows, 2);
  return ((s.B + tiles - 1) / tiles + kTileStep - 1) / kTileStep * kTileStep;
}

template <class T>
bool is_made_by_step(const RecurrentSizes& s, int64_t gates) {
  return PackedProduct<T>::packs() && std::min(tile_rows(s, gates), s.I) >= kFewestByStep && gates * s.H * s.I <= kMostByStep;
}

template <class T>
InputProducts<T>::InputProducts(const RecurrentSizes& s, int64_t gates, const T* x, const T* weight_ih, T* result)
    : s_(s),
      width_(gates * s.H),
      by_step_(is_made_by_step<T>(s, gates)),
      x_(x),
      result_(result),
      product_(by_step_ ? width_ : 0, s.I, weight_ih, s.I, 1) {
  if (!by_step_) gemm({x, s.T * s.B, s.I}, {weight_ih, s.I, width_, s.I, Trans::Yes}, MatrixView(result, s.T * s.B, width_));
}

template <class T>
void InputProducts<T>::step(const Rows& rows) const {
  const int64_t first = rows.first(s_);
  if (by_step_) product_.run(rows.count(), x_ + first * s_.I, s_.I, false, result_ + first * width_, width_);
}

template <class T>
InputGradient<T>::InputGradient(const RecurrentSizes& s, int64_t gates, const T* d, int64_t width, const T* weight_ih, T* result)
    : s_(s),
      gates_(gates),
      width_(width),
      by_step_(result && is_made_by_step<T>(s, gates)),
      d_(d),
      weight_ih_(weight_ih),
      result_(result),
      product_(by_step_ ? s.I : 0, gates * s.H, weight_ih, 1, s.I) {}

template <class T>
void InputGradient<T>::step(const Rows& rows) const {
  const int64_t first = rows.first(s_);
  if (by_step_) product_.run(rows.count(), d_ + first * width_, width_, false, result_ + first * s_.I, s_.I);
}

template <class T>
void InputGradient<T>::finish() const {
  if (!result_ || by_step_) return;
  gemm({d_, s_.T * s_.B, gates_ * s_.H, width_}, {weight_ih_, gates_ * s_.H, s_.I}, MatrixView(result_, s_.T * s_.B, s_.I));
}

template <class T>
JointBias<T>::JointBias(const RecurrentArrays<const T>& in, int64_t width) : sums_(width) {
  for (int64_t j = 0; j < width; ++j) sums_.data()[j] = (in.bias_ih ? in.bias_ih[j] : T(0)) + (in.bias_hh ? in.bias_hh[j] : T(0));
}

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

template <class T>
void weight_hh_gradient(const RecurrentSizes& s, const T* d, int64_t width, Columns columns, const T* met, T* result) {
  const int64_t H = s.H;
  gemm({d + columns.from * H, columns.count * H, s.T * s.B, width, Trans::Yes}, {met, s.T * s.B, H},
       MatrixView(result, columns.count * H, H));
}

void run_products(int64_t count, int64_t work, FunctionRef<void(int64_t which)> product) {
  if (work >= kWorthAThread && work < kWorthAllThreads) return run_pieces(count, product);
  for (int64_t which = 0; which < count; ++which) product(which);
}

template <class T>
OutputGradient<T>::OutputGradient(const RecurrentSizes& s, const T* dy) : stride(dy ? s.H : 0), B_(s.B), dy_(dy), zeros_(dy ? 0 : s.H) {
  if (!dy) std::fill_n(zeros_.data(), s.H, T(0));
}

template <class T>
TileSums<T>::TileSums(const RecurrentSizes& s, int64_t tile, int64_t width)
    : tile_(tile), tiles_(std::max<int64_t>((s.B + tile - 1) / tile, 1)), width_(width), sums_(tiles_ * width) {
  std::fill_n(sums_.data(), tiles_ * width, T(0));
}

template <class T>
const T* TileSums<T>::total() {
  T* sums = sums_.data();
  for (int64_t i = 1; i < tiles_; ++i)
    for (int64_t j = 0; j < width_; ++j) sums[j] += sums[i * width_ + j];
  tiles_ = 1;
  return sums;
}

template class InputProducts<float>;
template class InputProducts<double>;
template class InputGradient<float>;
template class InputGradient<double>;
template void weight_ih_gradient(const RecurrentSizes&, const float*, int64_t, std::span<const Columns>, const float*, float*);
template void weight_ih_gradient(const RecurrentSizes&, const double*, int64_t, std::span<const Columns>, const double*, double*);
template void weight_hh_gradient(const RecurrentSizes&, const float*, int64_t, Columns, const float*, float*);
template void weight_hh_gradient(const RecurrentSizes&, const double*, int64_t, Columns, const double*, double*);
template class JointBias<float>;
template class JointBias<double>;
template class OutputGradient<float>;
template class OutputGradient<double>;
template class TileSums<float>;
template class TileSums<double>;

}  // namespace gradus::kernels
