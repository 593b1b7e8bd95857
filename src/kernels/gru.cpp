#include "kernels/gru.h"

#include <algorithm>

#include "core/isa.h"
#include "core/scratch.h"
#include "core/thread_pool.h"
#include "kernels/blas.h"
#include "kernels/math.h"

namespace gradus::kernels {
namespace {

/// (4H): what is added to r, z, the input's part of n and the state's part of n. Where the two parts are only ever added, as with the
/// reset gate before the product, the third holds both biases.
template <class T>
void joint_bias(const GruSizes& s, const RecurrentWeightsView<T>& w, T* bias) {
  const int64_t H = s.H;
  for (int64_t j = 0; j < 3 * H; ++j) {
    const bool apart = s.reset_after && j >= 2 * H;
    bias[j] = (w.bias_ih ? w.bias_ih[j] : T(0)) + (w.bias_hh && !apart ? w.bias_hh[j] : T(0));
  }
  for (int64_t j = 0; j < H; ++j) bias[3 * H + j] = w.bias_hh ? w.bias_hh[2 * H + j] : T(0);
}

// The loops below work on `rows` rows of a step. gates (rows, 3H) holds the products and becomes r, z, n; before and after (rows, H) are
// the states.

/// The gates and the new state, the reset gate applied after the product, which `inner` holds for n.
template <class T>
void gates_after(int64_t rows, int64_t H, T* gates, const T* bias, T* inner, const T* before, T* after) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      T *g = gates + b * 3 * H, *q = inner + b * H, *next = after + b * H;
      const T* h = before + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T r = gate_sigmoid(g[j] + bias[j]);
        const T z = gate_sigmoid(g[H + j] + bias[H + j]);
        const T hn = q[j] + bias[3 * H + j];
        const T n = vtanh(g[2 * H + j] + bias[2 * H + j] + r * hn);
        g[j] = r;
        g[H + j] = z;
        g[2 * H + j] = n;
        q[j] = hn;
        next[j] = n + z * (h[j] - n);
      }
    }
  });
}

/// The same with the reset gate before the product, in two passes: first r, z and r * h …
template <class T>
void gates_before(int64_t rows, int64_t H, T* gates, const T* bias, T* inner, const T* before) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      T *g = gates + b * 3 * H, *rh = inner + b * H;
      const T* h = before + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T r = gate_sigmoid(g[j] + bias[j]);
        g[j] = r;
        g[H + j] = gate_sigmoid(g[H + j] + bias[H + j]);
        rh[j] = r * h[j];
      }
    }
  });
}

/// … then, with the product of r * h, n and the new state.
template <class T>
void candidate_before(int64_t rows, int64_t H, T* gates, const T* bias, const T* before, T* after) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      T *g = gates + b * 3 * H, *next = after + b * H;
      const T* h = before + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T n = vtanh(g[2 * H + j] + bias[2 * H + j]);
        g[2 * H + j] = n;
        next[j] = n + g[H + j] * (h[j] - n);
      }
    }
  });
}

// Backward: d (rows, 4H) takes the gradients before the nonlinearities in the order n_x, r, z, n_h, and `sums` (4H) adds them up over
// rows. dh (rows, H), the gradient of the new state without dy, becomes the part of the old state's that passes through no product.
// A dy_stride of 0 reads one row of dy for all.

template <class T>
void gradients_after(int64_t rows, int64_t H, const T* gates, const T* inner, const T* before, const T* dy, int64_t dy_stride, T* dh, T* d,
                     T* sums) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      const T *g = gates + b * 3 * H, *q = inner + b * H, *h = before + b * H, *dyb = dy + b * dy_stride;
      T *dhb = dh + b * H, *db = d + b * 4 * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T r = g[j], z = g[H + j], n = g[2 * H + j], dnext = dhb[j] + dyb[j];
        const T dn = dnext * (1 - z) * (1 - n * n);
        const T dr = dn * q[j] * r * (1 - r), dz = dnext * (h[j] - n) * z * (1 - z), dnh = dn * r;
        db[j] = dn;
        db[H + j] = dr;
        db[2 * H + j] = dz;
        db[3 * H + j] = dnh;
        sums[j] += dn;
        sums[H + j] += dr;
        sums[2 * H + j] += dz;
        sums[3 * H + j] += dnh;
        dhb[j] = dnext * z;
      }
    }
  });
}

template <class T>
void gradients_before(int64_t rows, int64_t H, const T* gates, const T* before, const T* dy, int64_t dy_stride, T* dh, T* d, T* sums) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      const T *g = gates + b * 3 * H, *h = before + b * H, *dyb = dy + b * dy_stride;
      T *dhb = dh + b * H, *db = d + b * 4 * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T z = g[H + j], n = g[2 * H + j], dnext = dhb[j] + dyb[j];
        const T dn = dnext * (1 - z) * (1 - n * n), dz = dnext * (h[j] - n) * z * (1 - z);
        db[j] = dn;
        db[2 * H + j] = dz;
        db[3 * H + j] = dn;
        sums[j] += dn;
        sums[2 * H + j] += dz;
        sums[3 * H + j] += dn;
        dhb[j] = dnext * z;
      }
    }
  });
}

/// After d(r * h) is known: its share of r and of the old state.
template <class T>
void reset_before(int64_t rows, int64_t H, const T* gates, const T* drh, const T* before, T* dh, T* d, T* sums) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      const T *g = gates + b * 3 * H, *h = before + b * H, *x = drh + b * H;
      T *dhb = dh + b * H, *db = d + b * 4 * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T dr = x[j] * h[j] * g[j] * (1 - g[j]);
        db[H + j] = dr;
        sums[H + j] += dr;
        dhb[j] += x[j] * g[j];
      }
    }
  });
}

template <class T>
struct Forward {
  const GruSizes& s;
  const GruSaved<T>& saved;
  const T* bias;  // (4H)
  T* h_n;
  const InputProducts<T>& input;
  const PackedProduct<T>&rz, &n;  // with the rows of W_hh for r and z, and for n

  /// The rows [begin, end) through all steps.
  void run(int64_t begin, int64_t end) const {
    const int64_t H = s.H, rows = end - begin;
    for (int64_t i = 0; i < s.T; ++i) {
      const int64_t t = s.step(i), first = t * s.B + begin;
      const T* h = s.before(saved.states) + first * H;
      T *gates = saved.gates + first * 3 * H, *inner = saved.inner + first * H, *next = saved.states + first * H;
      input.step(t, begin, end);
      rz.run(rows, h, H, true, gates, 3 * H);
      if (s.reset_after) n.run(rows, h, H, false, inner, H);
      for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
        const int64_t count = to - from, at = (from - begin) * H;
        if (!active) {
          std::fill_n(inner + at, count * H, T(0));
          std::copy_n(h + at, count * H, next + at);
        } else if (s.reset_after) {
          gates_after(count, H, gates + 3 * at, bias, inner + at, h + at, next + at);
        } else {
          gates_before(count, H, gates + 3 * at, bias, inner + at, h + at);
        }
      });
      if (!s.reset_after) {
        n.run(rows, inner, H, true, gates + 2 * H, 3 * H);
        for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
          const int64_t at = (from - begin) * H;
          if (active) candidate_before(to - from, H, gates + 3 * at, bias, h + at, next + at);
        });
      }
    }
    std::copy_n(saved.states + (s.step(s.T - 1) * s.B + begin) * H, rows * H, h_n + begin * H);
  }
};

template <class T>
struct Backward {
  const GruSizes& s;
  const GruSaved<T>& saved;
  const OutputGradient<T>& dy;
  const T* dh_n;
  T *d, *dh0;  // d (T, B, 4H)
  const InputGradient<T>& input;
  const PackedProduct<T>& recurrent;  // with the transpose of the rows of W_hh that met the state directly
  const PackedProduct<T>& reset;      // with that of the rows that met r * h

  /// The rows [begin, end) through all steps, last to first; `sums` (4H) adds up d over them.
  void run(int64_t begin, int64_t end, T* sums) const {
    const int64_t H = s.H, rows = end - begin, width = 4 * H;
    Scratch<T> dh(rows * H), drh(s.reset_after ? 0 : rows * H);
    copy_rows_or_zeros(s, dh_n, begin, end, dh.data());
    for (int64_t i = s.T - 1; i >= 0; --i) {
      const int64_t t = s.step(i), first = t * s.B + begin;
      const T *gates = saved.gates + first * 3 * H, *inner = saved.inner + first * H, *h = s.before(saved.states) + first * H;
      T* dt = d + first * width;
      for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
        const int64_t n = to - from, b = from - begin;
        const T *g = gates + b * 3 * H, *dyt = dy.row(t, from);
        if (!active) std::fill_n(dt + b * width, n * width, T(0));
        else if (s.reset_after) gradients_after(n, H, g, inner + b * H, h + b * H, dyt, dy.stride, dh.data() + b * H, dt + b * width, sums);
        else gradients_before(n, H, g, h + b * H, dyt, dy.stride, dh.data() + b * H, dt + b * width, sums);
      });
      if (!s.reset_after) {
        reset.run(rows, dt + 3 * H, width, false, drh.data(), H);
        for_runs(s, t, begin, end, [&](int64_t from, int64_t to, bool active) {
          const int64_t b = from - begin;
          if (active) reset_before(to - from, H, gates + b * 3 * H, drh.data() + b * H, h + b * H, dh.data() + b * H, dt + b * width, sums);
        });
      }
      input.step(t, begin, end);
      if (i > 0 || dh0) recurrent.run(rows, dt + H, width, true, dh.data(), H);
    }
    if (dh0) std::copy_n(dh.data(), rows * H, dh0 + begin * H);
  }
};

template <class T>
void gru_weight_hh_gradient(const GruSizes& s, const T* d, const GruSaved<T>& saved, T* result) {
  const int64_t H = s.H;
  weight_hh_gradient(s, d, 4 * H, {H, s.reset_after ? 3 * H : 2 * H}, saved.states, result);
  if (!s.reset_after)  // n met r * h
    gemm<T>(Trans::Yes, Trans::No, H, H, s.T * s.B, 1, d + 3 * H, 4 * H, saved.inner, H, 0, result + 2 * H * H, H);
}

/// W_ih with its rows in the order of d's first three parts: n, r, z.
template <class T>
void reorder(int64_t H, int64_t I, const T* weight_ih, T* result) {
  std::copy_n(weight_ih + 2 * H * I, H * I, result);
  std::copy_n(weight_ih, 2 * H * I, result + H * I);
}

template <class T>
void bias_gradients(int64_t H, const T* sums, const RecurrentGradients<T>& out) {
  if (out.bias_ih) {
    std::copy_n(sums + H, 2 * H, out.bias_ih);
    std::copy_n(sums, H, out.bias_ih + 2 * H);
  }
  if (out.bias_hh) std::copy_n(sums + H, 3 * H, out.bias_hh);
}

}  // namespace

template <class T>
void gru_forward(const GruSizes& s, const T* x, const RecurrentWeightsView<T>& w, const GruSaved<T>& saved, T* h_n) {
  const int64_t H = s.H;
  Scratch<T> bias(4 * H);
  joint_bias(s, w, bias.data());
  const InputProducts<T> input(s, 3, x, w.weight_ih, saved.gates);
  const PackedProduct<T> rz(2 * H, H, w.weight_hh, H, 1), n(H, H, w.weight_hh + 2 * H * H, H, 1);
  const Forward<T> forward{s, saved, bias.data(), h_n, input, rz, n};
  parallel_for(s.B, tile_rows(s, 3), [&](int64_t begin, int64_t end) { forward.run(begin, end); });
}

template <class T>
void gru_backward(const GruSizes& s, const T* x, const RecurrentWeightsView<T>& w, const GruSaved<T>& saved, const T* dy, const T* dh_n,
                  const RecurrentGradients<T>& out) {
  const int64_t tile = tile_rows(s, 3), H = s.H, width = 4 * H;
  Scratch<T> d(s.T * s.B * width), weight_ih(out.x ? 3 * H * s.I : 0);
  if (out.x) reorder(H, s.I, w.weight_ih, weight_ih.data());
  TileSums<T> sums(s, tile, width);
  const InputGradient<T> input(s, 3, d.data(), width, weight_ih.data(), out.x);
  const PackedProduct<T> recurrent(H, s.reset_after ? 3 * H : 2 * H, w.weight_hh, 1, H);
  const PackedProduct<T> reset(s.reset_after ? 0 : H, H, w.weight_hh + 2 * H * H, 1, H);
  const OutputGradient<T> output_gradient(s, dy);
  const Backward<T> backward{s, saved, output_gradient, dh_n, d.data(), out.h0, input, recurrent, reset};
  parallel_for(s.B, tile, [&](int64_t begin, int64_t end) { backward.run(begin, end, sums.of(begin)); });

  run_products(3, s.T * s.B * 3 * H * std::max(s.I, H), [&](int64_t which) {
    if (which == 0) input.finish();
    if (which == 1 && out.weight_ih) weight_ih_gradient<T>(s, d.data(), width, {{H, 2 * H}, {0, H}}, x, out.weight_ih);
    if (which == 2 && out.weight_hh) gru_weight_hh_gradient(s, d.data(), saved, out.weight_hh);
  });
  bias_gradients(H, sums.total(), out);
}

template void gru_forward(const GruSizes&, const float*, const RecurrentWeightsView<float>&, const GruSaved<float>&, float*);
template void gru_forward(const GruSizes&, const double*, const RecurrentWeightsView<double>&, const GruSaved<double>&, double*);
template void gru_backward(const GruSizes&, const float*, const RecurrentWeightsView<float>&, const GruSaved<float>&, const float*,
                           const float*, const RecurrentGradients<float>&);
template void gru_backward(const GruSizes&, const double*, const RecurrentWeightsView<double>&, const GruSaved<double>&, const double*,
                           const double*, const RecurrentGradients<double>&);

}  // namespace gradus::kernels
