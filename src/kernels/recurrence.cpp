#include "kernels/recurrence.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "kernels/blas.h"

namespace gradus::kernels {

int64_t tile_rows(const RecurrenceSizes& s, int64_t gates) {
  constexpr int64_t worth_splitting = 1 << 20, fewest = 48, most = 64, step = 8;  // the first in multiplications
  if (s.B < fewest || s.T * s.B * s.H * gates * s.H < worth_splitting) return std::max<int64_t>(s.B, 1);
  const int64_t tiles = std::max<int64_t>((s.B + most - 1) / most, 2);
  return ((s.B + tiles - 1) / tiles + step - 1) / step * step;
}

template <class T>
bool is_made_by_step(const RecurrenceSizes& s, int64_t gates) {
  constexpr int64_t fewest = 16, most = 1 << 20;  // rows, inputs; numbers in W_ih
  return PackedProduct<T>::packs() && std::min(tile_rows(s, gates), s.I) >= fewest && gates * s.H * s.I <= most;
}

template <class T>
InputProducts<T>::InputProducts(const RecurrenceSizes& s, int64_t gates, const T* x, const T* weight_ih, T* result)
    : s_(s),
      width_(gates * s.H),
      by_step_(is_made_by_step<T>(s, gates)),
      x_(x),
      result_(result),
      product_(by_step_ ? width_ : 0, s.I, weight_ih, s.I, 1) {
  if (!by_step_) gemm<T>(Trans::No, Trans::Yes, s.T * s.B, width_, s.I, 1, x, s.I, weight_ih, s.I, 0, result, width_);
}

template <class T>
void InputProducts<T>::step(int64_t t, int64_t begin, int64_t end) const {
  const int64_t first = t * s_.B + begin;
  if (by_step_) product_.run(end - begin, x_ + first * s_.I, s_.I, false, result_ + first * width_, width_);
}

template <class T>
InputGradient<T>::InputGradient(const RecurrenceSizes& s, int64_t gates, const T* d, int64_t width, const T* weight_ih, T* result)
    : s_(s),
      gates_(gates),
      width_(width),
      by_step_(result && is_made_by_step<T>(s, gates)),
      d_(d),
      weight_ih_(weight_ih),
      result_(result),
      product_(by_step_ ? s.I : 0, gates * s.H, weight_ih, 1, s.I) {}

template <class T>
void InputGradient<T>::step(int64_t t, int64_t begin, int64_t end) const {
  const int64_t first = t * s_.B + begin;
  if (by_step_) product_.run(end - begin, d_ + first * width_, width_, false, result_ + first * s_.I, s_.I);
}

template <class T>
void InputGradient<T>::finish() const {
  if (!result_ || by_step_) return;
  gemm<T>(Trans::No, Trans::No, s_.T * s_.B, s_.I, gates_ * s_.H, 1, d_, width_, weight_ih_, s_.I, 0, result_, s_.I);
}

template <class T>
JointBias<T>::JointBias(const RecurrentWeightsView<T>& w, int64_t width) : sums_(width) {
  for (int64_t j = 0; j < width; ++j) sums_.data()[j] = (w.bias_ih ? w.bias_ih[j] : T(0)) + (w.bias_hh ? w.bias_hh[j] : T(0));
}

template <class T>
void weight_ih_gradient(const RecurrenceSizes& s, const T* d, int64_t width, std::initializer_list<Columns> parts, const T* x, T* result) {
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
    gemm<T>(Trans::Yes, Trans::No, part.count, I, rows, 1, d + part.from, width, x, I, 0, result, I);
    result += part.count * I;
  }
}

template <class T>
void weight_hh_gradient(const RecurrenceSizes& s, const T* d, int64_t width, Columns columns, const T* states, T* result) {
  gemm<T>(Trans::Yes, Trans::No, columns.count, s.H, s.T * s.B, 1, d + columns.from, width, s.before(states), s.H, 0, result, s.H);
}

void run_products(int64_t count, int64_t work, FunctionRef<void(int64_t which)> product) {
  constexpr int64_t small = 1 << 22, worth_splitting = 1 << 18;
  if (work >= worth_splitting && work < small) return run_pieces(count, product);
  for (int64_t which = 0; which < count; ++which) product(which);
}

template <class T>
OutputGradient<T>::OutputGradient(const RecurrenceSizes& s, const T* dy) : stride(dy ? s.H : 0), B_(s.B), dy_(dy), zeros_(dy ? 0 : s.H) {
  if (!dy) std::fill_n(zeros_.data(), s.H, T(0));
}

template <class T>
TileSums<T>::TileSums(const RecurrenceSizes& s, int64_t tile, int64_t width)
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

template <class T>
void gate_gradients(const RecurrenceSizes& s, int64_t gates, const T* d, const T* x, const T* states,
                    const InputGradient<T>& input_gradient, const T* sums, const RecurrentGradients<T>& out) {
  const int64_t width = gates * s.H;
  run_products(3, s.T * s.B * width * std::max(s.I, s.H), [&](int64_t which) {
    if (which == 0) input_gradient.finish();
    if (which == 1 && out.weight_ih) weight_ih_gradient<T>(s, d, width, {{0, width}}, x, out.weight_ih);
    if (which == 2 && out.weight_hh) weight_hh_gradient<T>(s, d, width, {0, width}, states, out.weight_hh);
  });
  for (T* bias : {out.bias_ih, out.bias_hh})
    if (bias) std::copy_n(sums, width, bias);
}

template class InputProducts<float>;
template class InputProducts<double>;
template class InputGradient<float>;
template class InputGradient<double>;
template void weight_ih_gradient(const RecurrenceSizes&, const float*, int64_t, std::initializer_list<Columns>, const float*, float*);
template void weight_ih_gradient(const RecurrenceSizes&, const double*, int64_t, std::initializer_list<Columns>, const double*, double*);
template void weight_hh_gradient(const RecurrenceSizes&, const float*, int64_t, Columns, const float*, float*);
template void weight_hh_gradient(const RecurrenceSizes&, const double*, int64_t, Columns, const double*, double*);
template void gate_gradients(const RecurrenceSizes&, int64_t, const float*, const float*, const float*, const InputGradient<float>&,
                             const float*, const RecurrentGradients<float>&);
template void gate_gradients(const RecurrenceSizes&, int64_t, const double*, const double*, const double*, const InputGradient<double>&,
                             const double*, const RecurrentGradients<double>&);
template class JointBias<float>;
template class JointBias<double>;
template class OutputGradient<float>;
template class OutputGradient<double>;
template class TileSums<float>;
template class TileSums<double>;

}  // namespace gradus::kernels
