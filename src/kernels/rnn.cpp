#include "kernels/rnn.h"

#include <algorithm>

#include "core/isa.h"
#include "core/scratch.h"
#include "core/thread_pool.h"
#include "kernels/math.h"

namespace gradus::kernels {
namespace {

/// `rows` rows of a step: h (rows, H) holds the products and becomes the state.
template <Nonlinearity F, class T>
void activate(int64_t rows, int64_t H, const T* bias, T* h) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      T* hb = h + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T sum = hb[j] + bias[j];
        if constexpr (F == Nonlinearity::Tanh) hb[j] = vtanh(sum);
        else hb[j] = sum < 0 ? T(0) : sum;
      }
    }
  });
}

/// The gradients before the nonlinearity, d (rows, H), and their sums over rows. dh (rows, H), the gradient of the state without dy,
/// becomes 0: all that the state before gets comes through the product.
template <Nonlinearity F, class T>
void activate_backward(int64_t rows, int64_t H, const T* h, const T* dy, int64_t dy_stride, T* dh, T* d, T* sums) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      const T *hb = h + b * H, *dyb = dy + b * dy_stride;
      T *dhb = dh + b * H, *db = d + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T whole = dhb[j] + dyb[j];
        T dj;
        if constexpr (F == Nonlinearity::Tanh) dj = whole * (1 - hb[j] * hb[j]);
        else dj = hb[j] <= 0 ? T(0) : whole;
        db[j] = dj;
        sums[j] += dj;
        dhb[j] = 0;
      }
    }
  });
}

template <class T>
struct Forward {
  const RecurrenceSizes& s;
  Nonlinearity f;
  const T* bias;  // (H)
  T *states, *h_n;
  const InputProducts<T>& input;
  const PackedProduct<T>& recurrent;

  /// The rows [begin, end) through all steps.
  void run(int64_t begin, int64_t end) const {
    const int64_t H = s.H, rows = end - begin;
    for (int64_t i = 0; i < s.T; ++i) {
      const int64_t t = s.step(i), first = (t * s.B + begin) * H;
      const T* h = s.before(states) + first;
      T* next = states + first;
      input.step(t, begin, end);
      recurrent.run(rows, h, H, true, next, H);
      for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
        const int64_t n = to - from, at = (from - begin) * H;
        if (!active) std::copy_n(h + at, n * H, next + at);
        else if (f == Nonlinearity::Tanh) activate<Nonlinearity::Tanh>(n, H, bias, next + at);
        else activate<Nonlinearity::Relu>(n, H, bias, next + at);
      });
    }
    std::copy_n(states + (s.step(s.T - 1) * s.B + begin) * H, rows * H, h_n + begin * H);
  }
};

template <class T>
struct Backward {
  const RecurrenceSizes& s;
  Nonlinearity f;
  const T* states;
  const OutputGradient<T>& dy;
  const T* dh_n;
  T *d, *dh0;  // d (T, B, H)
  const InputGradient<T>& input;
  const PackedProduct<T>& recurrent;  // with the transpose of W_hh

  /// The rows [begin, end) through all steps, last to first; `sums` (H) adds up d over them.
  void run(int64_t begin, int64_t end, T* sums) const {
    const int64_t H = s.H, rows = end - begin;
    const Scratch<T> dh(rows * H);
    copy_rows_or_zeros(s, dh_n, begin, end, dh.data());
    for (int64_t i = s.T - 1; i >= 0; --i) {
      const int64_t t = s.step(i), first = (t * s.B + begin) * H;
      for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
        const int64_t n = to - from, at = (from - begin) * H;
        const T *h = states + first + at, *dyt = dy.row(t, from);
        T *dht = dh.data() + at, *dt = d + first + at;
        if (!active) std::fill_n(dt, n * H, T(0));
        else if (f == Nonlinearity::Tanh) activate_backward<Nonlinearity::Tanh>(n, H, h, dyt, dy.stride, dht, dt, sums);
        else activate_backward<Nonlinearity::Relu>(n, H, h, dyt, dy.stride, dht, dt, sums);
      });
      input.step(t, begin, end);
      if (i > 0 || dh0) recurrent.run(rows, d + first, H, true, dh.data(), H);
    }
    if (dh0) std::copy_n(dh.data(), rows * H, dh0 + begin * H);
  }
};

}  // namespace

template <class T>
void rnn_forward(const RecurrenceSizes& s, Nonlinearity f, const T* x, const RecurrentWeightsView<T>& w, T* states, T* h_n) {
  const InputProducts<T> input(s, 1, x, w.weight_ih, states);
  const JointBias<T> bias(w, s.H);
  const PackedProduct<T> recurrent(s.H, s.H, w.weight_hh, s.H, 1);
  const Forward<T> forward{s, f, bias.data(), states, h_n, input, recurrent};
  parallel_for(s.B, tile_rows(s, 1), [&](int64_t begin, int64_t end) { forward.run(begin, end); });
}

template <class T>
void rnn_backward(const RecurrenceSizes& s, Nonlinearity f, const T* x, const RecurrentWeightsView<T>& w, const T* states, const T* dy,
                  const T* dh_n, const RecurrentGradients<T>& out) {
  const int64_t tile = tile_rows(s, 1);
  const Scratch<T> d(s.T * s.B * s.H);
  TileSums<T> sums(s, tile, s.H);
  const OutputGradient<T> output_gradient(s, dy);
  const PackedProduct<T> recurrent(s.H, s.H, w.weight_hh, 1, s.H);
  const InputGradient<T> input(s, 1, d.data(), s.H, w.weight_ih, out.x);
  const Backward<T> backward{s, f, states, output_gradient, dh_n, d.data(), out.h0, input, recurrent};
  parallel_for(s.B, tile, [&](int64_t begin, int64_t end) { backward.run(begin, end, sums.of(begin)); });
  gate_gradients(s, 1, d.data(), x, states, input, sums.total(), out);
}

template void rnn_forward(const RecurrenceSizes&, Nonlinearity, const float*, const RecurrentWeightsView<float>&, float*, float*);
template void rnn_forward(const RecurrenceSizes&, Nonlinearity, const double*, const RecurrentWeightsView<double>&, double*, double*);
template void rnn_backward(const RecurrenceSizes&, Nonlinearity, const float*, const RecurrentWeightsView<float>&, const float*,
                           const float*, const float*, const RecurrentGradients<float>&);
template void rnn_backward(const RecurrenceSizes&, Nonlinearity, const double*, const RecurrentWeightsView<double>&, const double*,
                           const double*, const double*, const RecurrentGradients<double>&);

}  // namespace gradus::kernels
