#pragma once

#include <algorithm>

#include "core/allocator.h"
#include "core/isa.h"
#include "kernels/math.h"
#include "kernels/recurrent_products.h"

/// The gate arithmetic of a GRU, with the gates r, z, n: what kernels/recurrent.cpp does at each step.
namespace gradus::kernels {
namespace gru {

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

}  // namespace gru

/// A GRU layer forward.
template <class T, bool reset_after>
class GruForward {
 public:
  static constexpr int64_t gates = 3;
  static constexpr bool two_phases = !reset_after, has_cells = false;

  GruForward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved)
      : s_(s),
        H_(s.H),
        saved_(saved),
        rz_(2 * H_, H_, in.weight_hh, H_, 1, in.keep_hh, meets_few_rows(s)),
        n_(H_, H_, in.weight_hh + 2 * H_ * H_, H_, 1, in.keep_hh, meets_few_rows(s)),
        bias_(4 * H_) {
    T* bias = bias_.data();
    for (int64_t j = 0; j < 3 * H_; ++j) {
      const bool apart = reset_after && j >= 2 * H_;
      bias[j] = (in.bias_ih ? in.bias_ih[j] : T(0)) + (in.bias_hh && !apart ? in.bias_hh[j] : T(0));
    }
    for (int64_t j = 0; j < H_; ++j) bias[3 * H_ + j] = in.bias_hh ? in.bias_hh[2 * H_ + j] : T(0);
  }

  /// Where the input's part of the gates is to be, (T, B, G H).
  T* input_part() const noexcept { return saved_.gates; }

  void add_products(const Rows& rows) const {
    rz_.run(rows.count(), before(rows), H_, true, gates_at(rows), 3 * H_);
    if (reset_after) n_.run(rows.count(), before(rows), H_, false, inner(rows), H_);
  }
  void activate(const Rows& rows) const {
    if constexpr (reset_after)
      gru::gates_after(rows.count(), H_, gates_at(rows), bias_.data(), inner(rows), before(rows), saved_.h + rows.first(s_) * H_);
    else gru::gates_before(rows.count(), H_, gates_at(rows), bias_.data(), inner(rows), before(rows));
  }
  void skip(const Rows& rows) const { std::fill_n(inner(rows), rows.count() * H_, T(0)); }

  void add_second_product(const Rows& rows) const { n_.run(rows.count(), inner(rows), H_, true, gates_at(rows) + 2 * H_, 3 * H_); }
  void activate_second(const Rows& rows) const {
    gru::candidate_before(rows.count(), H_, gates_at(rows), bias_.data(), before(rows), saved_.h + rows.first(s_) * H_);
  }

 private:
  const T* before(const Rows& rows) const noexcept { return saved_.before(s_, saved_.h) + rows.first(s_) * H_; }
  T* gates_at(const Rows& rows) const noexcept { return saved_.gates + rows.first(s_) * 3 * H_; }
  T* inner(const Rows& rows) const noexcept { return saved_.inner + rows.first(s_) * H_; }

  const RecurrentSizes& s_;
  const int64_t H_;
  const RecurrentSaved<T>& saved_;
  const PackedProduct<T> rz_, n_;  // with the rows of W_hh for r and z, and for n
  const Scratch<T> bias_;          // (4H): what is added to r, z, the input's part of n and the state's part of n. Where the two parts are
                                   // only ever added, as with the reset gate before the product, the third holds both biases.
};

/// And backward: the columns of d are n_x, r, z, n_h, so that those of the input's part and those of the state's lie together.
template <class T, bool reset_after>
class GruBackward {
 public:
  static constexpr int64_t gates = 3, width = 4;
  static constexpr Columns of_input[] = {{1, 2}, {0, 1}};
  static constexpr Columns of_state{1, 3};
  /// Those that met the state itself; with the reset gate before the product, n met r * h.
  static constexpr Columns met_state{1, reset_after ? 3 : 2};
  static constexpr bool two_phases = !reset_after, has_cells = false;

  GruBackward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved, T* d, bool wants_x)
      : s_(s),
        H_(s.H),
        saved_(saved),
        d_(d),
        weight_ih_(wants_x ? 3 * H_ * s.I : 0),
        reset_(reset_after ? 0 : H_, H_, in.weight_hh + 2 * H_ * H_, 1, H_, in.keep_hh) {
    if (!wants_x) return;
    std::copy_n(in.weight_ih + 2 * H_ * s.I, H_ * s.I, weight_ih_.data());
    std::copy_n(in.weight_ih, 2 * H_ * s.I, weight_ih_.data() + H_ * s.I);
  }

  /// W_ih with its rows in the order of d's first three parts.
  const T* weight_ih() const noexcept { return weight_ih_.data(); }

  /// d of active rows, and its sums; dh becomes the part of the gradient before the step that passes through no product.
  void gradients(const Rows& rows, const T* dy, int64_t dy_stride, T* dh, T*, T* sums) const {
    if constexpr (reset_after)
      gru::gradients_after(rows.count(), H_, gates_at(rows), inner(rows), before(rows), dy, dy_stride, dh, d_at(rows), sums);
    else gru::gradients_before(rows.count(), H_, gates_at(rows), before(rows), dy, dy_stride, dh, d_at(rows), sums);
  }

  /// drh (rows, H): the gradient of r * h.
  void second_product(const Rows& rows, T* drh) const { reset_.run(rows.count(), d_at(rows) + 3 * H_, 4 * H_, false, drh, H_); }
  void second_gradients(const Rows& rows, const T* drh, T* dh, T* sums) const {
    gru::reset_before(rows.count(), H_, gates_at(rows), drh, before(rows), dh, d_at(rows), sums);
  }
  /// The rows of W_hh that did not meet the state itself.
  void rest_of_weight_hh(T* result) const {
    if (!reset_after) weight_hh_gradient(s_, d_, 4 * H_, {3, 1}, static_cast<const T*>(saved_.inner), result + 2 * H_ * H_);
  }

 private:
  const T* before(const Rows& rows) const noexcept { return saved_.before(s_, saved_.h) + rows.first(s_) * H_; }
  const T* gates_at(const Rows& rows) const noexcept { return saved_.gates + rows.first(s_) * 3 * H_; }
  const T* inner(const Rows& rows) const noexcept { return saved_.inner + rows.first(s_) * H_; }
  T* d_at(const Rows& rows) const noexcept { return d_ + rows.first(s_) * 4 * H_; }

  const RecurrentSizes& s_;
  const int64_t H_;
  const RecurrentSaved<T>& saved_;
  T* const d_;
  const Scratch<T> weight_ih_;
  const PackedProduct<T> reset_;  // with the transpose of the rows of W_hh for n
};

}  // namespace gradus::kernels
