#pragma once

#include "core/isa.h"
#include "kernels/math.h"
#include "kernels/recurrent_products.h"

/// The gate arithmetic of an LSTM, with the gates i, f, g, o: what kernels/recurrent.cpp does at each step.
namespace gradus::kernels {
namespace lstm {

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

}  // namespace lstm

/// An LSTM layer forward.
template <class T>
class LstmForward {
 public:
  static constexpr int64_t gates = 4;
  static constexpr bool two_phases = false, has_cells = true;

  LstmForward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved)
      : s_(s), saved_(saved), recurrent_(4 * s.H, s.H, in.weight_hh, s.H, 1, in.keep_hh, meets_few_rows(s)), bias_(in, 4 * s.H) {}

  /// Where the input's part of the gates is to be, (T, B, G H).
  T* input_part() const noexcept { return saved_.gates; }

  void add_products(const Rows& rows) const {
    const int64_t H = s_.H, first = rows.first(s_);
    recurrent_.run(rows.count(), saved_.before(s_, saved_.h) + first * H, H, true, saved_.gates + first * 4 * H, 4 * H);
  }
  void activate(const Rows& rows) const {
    const int64_t H = s_.H, at = rows.first(s_) * H;
    lstm::gates_forward(rows.count(), H, saved_.gates + 4 * at, bias_.data(), saved_.before(s_, saved_.c) + at, saved_.c + at,
                        saved_.h + at);
  }
  void skip(const Rows&) const {}

 private:
  const RecurrentSizes& s_;
  const RecurrentSaved<T>& saved_;
  const PackedProduct<T> recurrent_;
  const JointBias<T> bias_;
};

/// And backward.
template <class T>
class LstmBackward {
 public:
  static constexpr int64_t gates = 4, width = 4;
  static constexpr Columns of_input[] = {{0, 4}};
  static constexpr Columns of_state{0, 4}, met_state{0, 4};
  static constexpr bool two_phases = false, has_cells = true;

  LstmBackward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved, T* d, bool)
      : s_(s), in_(in), saved_(saved), d_(d) {}

  const T* weight_ih() const noexcept { return in_.weight_ih; }

  /// d of active rows, and its sums; dh and dc become the parts of the gradients before the step that pass through no product.
  void gradients(const Rows& rows, const T* dy, int64_t dy_stride, T* dh, T* dc, T* sums) const {
    const int64_t H = s_.H, at = rows.first(s_) * H;
    lstm::gates_backward(rows.count(), H, saved_.gates + 4 * at, saved_.before(s_, saved_.c) + at, saved_.c + at, dy, dy_stride, dh, dc,
                         d_ + 4 * at, sums);
  }
  void rest_of_weight_hh(T*) const {}

 private:
  const RecurrentSizes& s_;
  const RecurrentArrays<const T>& in_;
  const RecurrentSaved<T>& saved_;
  T* const d_;
};

}  // namespace gradus::kernels
