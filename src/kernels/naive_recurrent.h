#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/isa.h"
#include "kernels/bfloat16.h"
#include "kernels/recurrent.h"

/// What kernels/recurrent.cpp computes, row by row and number by number as the equations have it: the reference for its test. Of what
/// forward leaves for backward only the states are filled, and used.
namespace gradus::kernels {
namespace naive {

template <class T>
using Vector = std::vector<T>;

/// A term of a product, of operands rounded as those of the kernels are.
inline double term(double a, double b) { return a * b; }
inline float term(float a, float b) { return isa::rounds_to_bfloat16() ? nearest_bfloat16(a) * nearest_bfloat16(b) : a * b; }

/// w v + bias: w (rows, v's size).
template <class T>
Vector<T> affine(int64_t rows, const T* w, const Vector<T>& v, const T* bias) {
  Vector<T> y(static_cast<size_t>(rows));
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = bias ? bias[i] : T(0);
    for (size_t k = 0; k < v.size(); ++k) y[i] += term(w[i * v.size() + k], v[k]);
  }
  return y;
}

/// The gradients of affine from that of its result; null where one is not wanted. dv (v's size) is added to.
template <class T>
void affine_backward(const Vector<T>& dy, const T* w, const Vector<T>& v, T* dw, T* dbias, T* dv) {
  for (size_t i = 0; i < dy.size(); ++i) {
    if (dbias) dbias[i] += dy[i];
    for (size_t k = 0; k < v.size(); ++k) {
      if (dw) dw[i * v.size() + k] += term(dy[i], v[k]);
      if (dv) dv[k] += term(dy[i], w[i * v.size() + k]);
    }
  }
}

template <class T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}

/// A row of the batch, and what one step makes of it. p and q (G H) are the input's and the state's part of the gates.
template <class T>
struct Step {
  RecurrentKind kind;
  size_t H;
  const RecurrentArrays<const T>& in;
  Vector<T> x, h, c;                                 // before
  Vector<T> p, q, gates, reset_h, h_after, c_after;  // reset_h is r * h, where the reset gate comes before the product

  void forward() {
    const auto G = static_cast<size_t>(gates_of(kind));
    p = affine(static_cast<int64_t>(G * H), in.weight_ih, x, in.bias_ih);
    q = affine(static_cast<int64_t>(G * H), in.weight_hh, h, in.bias_hh);
    gates.resize(G * H), reset_h.resize(H), h_after.resize(H), c_after.resize(H);
    for (size_t j = 0; j < H; ++j) {
      T *g = gates.data() + j, sum = p[j] + q[j];
      switch (kind) {
        case RecurrentKind::RnnTanh: h_after[j] = std::tanh(sum); break;
        case RecurrentKind::RnnRelu: h_after[j] = sum < 0 ? T(0) : sum; break;
        case RecurrentKind::Lstm:
          for (size_t gate = 0; gate < 4; ++gate) {
            const T s = p[gate * H + j] + q[gate * H + j];
            g[gate * H] = gate == 2 ? std::tanh(s) : sigmoid(s);
          }
          c_after[j] = g[H] * c[j] + g[0] * g[2 * H];
          h_after[j] = g[3 * H] * std::tanh(c_after[j]);
          break;
        case RecurrentKind::Gru:
        case RecurrentKind::GruResetBefore:
          g[0] = sigmoid(sum);
          g[H] = sigmoid(p[H + j] + q[H + j]);
          reset_h[j] = g[0] * h[j];
      }
    }
    if (kind != RecurrentKind::Gru && kind != RecurrentKind::GruResetBefore) return;
    if (kind == RecurrentKind::GruResetBefore) {
      const Vector<T> n = affine(static_cast<int64_t>(H), in.weight_hh + 2 * H * H, reset_h, in.bias_hh ? in.bias_hh + 2 * H : nullptr);
      std::copy(n.begin(), n.end(), q.begin() + static_cast<std::ptrdiff_t>(2 * H));
    }
    for (size_t j = 0; j < H; ++j) {
      const T r = kind == RecurrentKind::Gru ? gates[j] : T(1), z = gates[H + j];
      const T n = gates[2 * H + j] = std::tanh(p[2 * H + j] + r * q[2 * H + j]);
      h_after[j] = (1 - z) * n + z * h[j];
    }
  }

  /// From the gradients of the states after the step to those before it; adds to what the step's rows of dx point to.
  void backward(Vector<T>& dh, Vector<T>& dc, const RecurrentArrays<T>& dx) const {
    Vector<T> dp(p.size()), dq, dh_before(H), d_reset_h(H);
    for (size_t j = 0; j < H; ++j) {
      const T *g = gates.data() + j, y = h_after[j], r = g[0];
      T* d = dp.data() + j;
      switch (kind) {
        case RecurrentKind::RnnTanh: d[0] = dh[j] * (1 - y * y); break;
        case RecurrentKind::RnnRelu: d[0] = y > 0 ? dh[j] : T(0); break;
        case RecurrentKind::Lstm: {
          const T u = std::tanh(c_after[j]), i = g[0], f = g[H], cell = g[2 * H], o = g[3 * H];
          dc[j] += dh[j] * o * (1 - u * u);
          d[0] = dc[j] * cell * i * (1 - i);
          d[H] = dc[j] * c[j] * f * (1 - f);
          d[2 * H] = dc[j] * i * (1 - cell * cell);
          d[3 * H] = dh[j] * u * o * (1 - o);
          dc[j] *= f;
          break;
        }
        case RecurrentKind::Gru:
        case RecurrentKind::GruResetBefore: {
          const T z = g[H], n = g[2 * H];
          d[2 * H] = dh[j] * (1 - z) * (1 - n * n);
          d[H] = dh[j] * (h[j] - n) * z * (1 - z);
          d[0] = d[2 * H] * q[2 * H + j] * r * (1 - r);  // with the reset gate after the product
          dh_before[j] = dh[j] * z;
        }
      }
    }
    const bool resets_before = kind == RecurrentKind::GruResetBefore;
    if (resets_before) {
      const Vector<T> dn(dp.begin() + static_cast<std::ptrdiff_t>(2 * H), dp.end());
      affine_backward(dn, in.weight_hh + 2 * H * H, reset_h, dx.weight_hh ? dx.weight_hh + 2 * H * H : nullptr,
                      dx.bias_hh ? dx.bias_hh + 2 * H : nullptr, d_reset_h.data());
      for (size_t j = 0; j < H; ++j) {
        dp[j] = d_reset_h[j] * h[j] * gates[j] * (1 - gates[j]);
        dh_before[j] += d_reset_h[j] * gates[j];
      }
    }
    dq = dp;
    if (kind == RecurrentKind::Gru)
      for (size_t j = 0; j < H; ++j) dq[2 * H + j] *= gates[j];
    if (resets_before) dq.resize(2 * H);  // n met r * h, above
    affine_backward(dp, in.weight_ih, x, dx.weight_ih, dx.bias_ih, dx.x);
    affine_backward(dq, in.weight_hh, h, dx.weight_hh, dx.bias_hh, dh_before.data());
    dh = dh_before;
  }
};

/// The row of an array, or zeros where there is none.
template <class T>
Vector<T> row(const T* array, int64_t at, int64_t width) {
  return array ? Vector<T>(array + at * width, array + (at + 1) * width) : Vector<T>(static_cast<size_t>(width));
}

template <class T>
void put(const Vector<T>& values, T* array, int64_t at) {
  if (array) std::copy(values.begin(), values.end(), array + at * static_cast<int64_t>(values.size()));
}

}  // namespace naive

/// As recurrent_forward.
template <class T>
void naive_recurrent_forward(RecurrentKind kind, const RecurrentSizes& s, const RecurrentArrays<const T>& in,
                             const RecurrentSaved<T>& saved, T* h_n, T* c_n) {
  for (int64_t b = 0; b < s.B; ++b) {
    naive::Vector<T> h = naive::row(in.h0, b, s.H), c = naive::row(in.c0, b, s.H);
    for (int64_t i = 0; i < s.T; ++i) {
      const int64_t t = s.step(i), at = t * s.B + b;
      naive::put(h, saved.before(s, saved.h), at);
      if (saved.c) naive::put(c, saved.before(s, saved.c), at);
      if (s.active(t, b)) {
        naive::Step<T> step{kind, h.size(), in, naive::row(in.x, at, s.I), h, c, {}, {}, {}, {}, {}, {}};
        step.forward();
        h = step.h_after, c = step.c_after;
      }
      naive::put(h, saved.h, at);
      naive::put(c, saved.c, at);
    }
    naive::put(h, h_n, b);
    naive::put(c, c_n, b);
  }
}

/// As recurrent_backward.
template <class T>
void naive_recurrent_backward(RecurrentKind kind, const RecurrentSizes& s, const RecurrentArrays<const T>& in,
                              const RecurrentSaved<T>& saved, const RecurrentOutputs<const T>& dy, const RecurrentArrays<T>& dx) {
  const int64_t GH = gates_of(kind) * s.H;
  const auto clear = [](T* array, int64_t n) {
    if (array) std::fill_n(array, n, T(0));
  };
  clear(dx.x, s.T * s.B * s.I), clear(dx.weight_ih, GH * s.I), clear(dx.weight_hh, GH * s.H), clear(dx.bias_ih, GH), clear(dx.bias_hh, GH);
  for (int64_t b = 0; b < s.B; ++b) {
    naive::Vector<T> dh = naive::row(dy.h_n, b, s.H), dc = naive::row(dy.c_n, b, s.H);
    for (int64_t i = s.T - 1; i >= 0; --i) {
      const int64_t t = s.step(i), at = t * s.B + b;
      if (!s.active(t, b)) continue;
      const naive::Vector<T> from_output = naive::row(dy.output, at, s.H);
      for (size_t j = 0; j < dh.size(); ++j) dh[j] += from_output[j];
      naive::Vector<T> h = naive::row<T>(saved.before(s, saved.h), at, s.H), c(dh.size());
      if (saved.c) c = naive::row<T>(saved.before(s, saved.c), at, s.H);
      naive::Step<T> step{kind, dh.size(), in, naive::row(in.x, at, s.I), h, c, {}, {}, {}, {}, {}, {}};
      step.forward();
      RecurrentArrays<T> of_row = dx;
      if (dx.x) of_row.x = dx.x + at * s.I;
      step.backward(dh, dc, of_row);
    }
    naive::put(dh, dx.h0, b);
    naive::put(dc, dx.c0, b);
  }
}

}  // namespace gradus::kernels
