#include "kernels/lstm.h"

#include <algorithm>

#include "core/isa.h"
#include "core/scratch.h"
#include "core/thread_pool.h"
#include "kernels/math.h"

namespace gradus::kernels {
namespace {

/// `rows` rows of a step: gates (rows, 4H) holds the products and becomes i, f, g, o; c and h (rows, H) are the states.
template <class T>
void gates_forward(int64_t rows, int64_t H, T* gates, const T* bias, const T* c_before, T* c_after, T* h_after) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      T *gate = gates + b * 4 * H, *c = c_after + b * H, *h = h_after + b * H;
      const T* before = c_before + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T i = gate_sigmoid(gate[j] + bias[j]), f = gate_sigmoid(gate[H + j] + bias[H + j]);
        const T g = vtanh(gate[2 * H + j] + bias[2 * H + j]), o = gate_sigmoid(gate[3 * H + j] + bias[3 * H + j]);
        const T cell = f * before[j] + i * g;
        gate[j] = i;
        gate[H + j] = f;
        gate[2 * H + j] = g;
        gate[3 * H + j] = o;
        c[j] = cell;
        h[j] = o * vtanh(cell);
      }
    }
  });
}

/// The gradients of the gates before their nonlinearities, d (rows, 4H), and their sums over rows. dh and dc (rows, H), the gradients of
/// the states after the step (dh without dy), become those of the states before it, but for what reaches h through the product.
template <class T>
void gates_backward(int64_t rows, int64_t H, const T* gates, const T* c_before, const T* c_after, const T* dy, int64_t dy_stride, T* dh,
                    T* dc, T* d, T* sums) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      const T *gate = gates + b * 4 * H, *before = c_before + b * H, *after = c_after + b * H, *dyb = dy + b * dy_stride;
      T *dhb = dh + b * H, *dcb = dc + b * H, *db = d + b * 4 * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T i = gate[j], f = gate[H + j], g = gate[2 * H + j], o = gate[3 * H + j];
        const T squashed = vtanh(after[j]), dhj = dhb[j] + dyb[j];
        const T dcj = dcb[j] + dhj * o * (1 - squashed * squashed);
        const T di = dcj * g * i * (1 - i), df = dcj * before[j] * f * (1 - f);
        const T dg = dcj * i * (1 - g * g), d_o = dhj * squashed * o * (1 - o);
        db[j] = di;
        db[H + j] = df;
        db[2 * H + j] = dg;
        db[3 * H + j] = d_o;
        sums[j] += di;
        sums[H + j] += df;
        sums[2 * H + j] += dg;
        sums[3 * H + j] += d_o;
        dhb[j] = 0;
        dcb[j] = dcj * f;
      }
    }
  });
}

template <class T>
struct Forward {
  const RecurrenceSizes& s;
  const T* c0;
  const LstmSaved<T>& saved;
  const LstmState<T>& last;
  const T* bias;  // (4H)
  const InputProducts<T>& input;
  const PackedProduct<T>& recurrent;

  /// The rows [begin, end) through all steps.
  void run(int64_t begin, int64_t end) const {
    const int64_t H = s.H, rows = end - begin;
    const T* c = c0 + begin * H;
    for (int64_t i = 0; i < s.T; ++i) {
      const int64_t t = s.step(i), first = t * s.B + begin;
      const T* h = s.before(saved.states) + first * H;
      T *gates = saved.gates + first * 4 * H, *next_c = saved.cells + first * H, *next_h = saved.states + first * H;
      input.step(t, begin, end);
      recurrent.run(rows, h, H, true, gates, 4 * H);
      for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
        const int64_t n = to - from, at = (from - begin) * H;
        if (active) return gates_forward(n, H, gates + 4 * at, bias, c + at, next_c + at, next_h + at);
        std::copy_n(h + at, n * H, next_h + at);
        std::copy_n(c + at, n * H, next_c + at);
      });
      c = next_c;
    }
    std::copy_n(saved.states + (s.step(s.T - 1) * s.B + begin) * H, rows * H, last.h + begin * H);
    std::copy_n(c, rows * H, last.c + begin * H);
  }
};

template <class T>
struct Backward {
  const RecurrenceSizes& s;
  const T* c0;
  const LstmSaved<T>& saved;
  const OutputGradient<T>& dy;
  const LstmState<const T>& d_last;
  T* d;  // (T, B, 4H)
  const LstmState<T>& d_start;
  const InputGradient<T>& input;
  const PackedProduct<T>& recurrent;  // with the transpose of W_hh

  /// The rows [begin, end) through all steps, last to first; `sums` (4H) adds up d over them.
  void run(int64_t begin, int64_t end, T* sums) const {
    const int64_t H = s.H, rows = end - begin;
    const Scratch<T> dh(rows * H), dc(rows * H);
    copy_rows_or_zeros(s, d_last.h, begin, end, dh.data());
    copy_rows_or_zeros(s, d_last.c, begin, end, dc.data());
    for (int64_t i = s.T - 1; i >= 0; --i) {
      const int64_t t = s.step(i), first = t * s.B + begin;
      const T* before = i > 0 ? saved.cells + (s.step(i - 1) * s.B + begin) * H : c0 + begin * H;
      T* dt = d + first * 4 * H;
      for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
        const int64_t n = to - from, at = (from - begin) * H;
        if (!active) std::fill_n(dt + 4 * at, n * 4 * H, T(0));
        else
          gates_backward(n, H, saved.gates + first * 4 * H + 4 * at, before + at, saved.cells + first * H + at, dy.row(t, from), dy.stride,
                         dh.data() + at, dc.data() + at, dt + 4 * at, sums);
      });
      input.step(t, begin, end);
      if (i > 0 || d_start.h) recurrent.run(rows, dt, 4 * H, true, dh.data(), H);
    }
    if (d_start.h) std::copy_n(dh.data(), rows * H, d_start.h + begin * H);
    if (d_start.c) std::copy_n(dc.data(), rows * H, d_start.c + begin * H);
  }
};

}  // namespace

template <class T>
void lstm_forward(const RecurrenceSizes& s, const T* x, const T* c0, const RecurrentWeightsView<T>& w, const LstmSaved<T>& saved,
                  const LstmState<T>& last) {
  const InputProducts<T> input(s, 4, x, w.weight_ih, saved.gates);
  const JointBias<T> bias(w, 4 * s.H);
  const PackedProduct<T> recurrent(4 * s.H, s.H, w.weight_hh, s.H, 1);
  const Forward<T> forward{s, c0, saved, last, bias.data(), input, recurrent};
  parallel_for(s.B, tile_rows(s, 4), [&](int64_t begin, int64_t end) { forward.run(begin, end); });
}

template <class T>
void lstm_backward(const RecurrenceSizes& s, const T* x, const T* c0, const RecurrentWeightsView<T>& w, const LstmSaved<T>& saved,
                   const T* dy, const LstmState<const T>& d_last, const RecurrentGradients<T>& out, T* dc0) {
  const int64_t tile = tile_rows(s, 4), width = 4 * s.H;
  const Scratch<T> d(s.T * s.B * width);
  TileSums<T> sums(s, tile, width);
  const OutputGradient<T> output_gradient(s, dy);
  const LstmState<T> d_start{out.h0, dc0};
  const PackedProduct<T> recurrent(s.H, width, w.weight_hh, 1, s.H);
  const InputGradient<T> input(s, 4, d.data(), width, w.weight_ih, out.x);
  const Backward<T> backward{s, c0, saved, output_gradient, d_last, d.data(), d_start, input, recurrent};
  parallel_for(s.B, tile, [&](int64_t begin, int64_t end) { backward.run(begin, end, sums.of(begin)); });
  gate_gradients(s, 4, d.data(), x, saved.states, input, sums.total(), out);
}

template void lstm_forward(const RecurrenceSizes&, const float*, const float*, const RecurrentWeightsView<float>&, const LstmSaved<float>&,
                           const LstmState<float>&);
template void lstm_forward(const RecurrenceSizes&, const double*, const double*, const RecurrentWeightsView<double>&,
                           const LstmSaved<double>&, const LstmState<double>&);
template void lstm_backward(const RecurrenceSizes&, const float*, const float*, const RecurrentWeightsView<float>&, const LstmSaved<float>&,
                            const float*, const LstmState<const float>&, const RecurrentGradients<float>&, float*);
template void lstm_backward(const RecurrenceSizes&, const double*, const double*, const RecurrentWeightsView<double>&,
                            const LstmSaved<double>&, const double*, const LstmState<const double>&, const RecurrentGradients<double>&,
                            double*);

}  // namespace gradus::kernels
