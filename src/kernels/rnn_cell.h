#pragma once

#include "core/isa.h"
#include "kernels/math.h"
#include "kernels/recurrent_products.h"

/// The arithmetic of plain recurrent units, h' = f(W_ih x + b_ih + W_hh h + b_hh): what kernels/recurrent.cpp does at each step. Backward
/// needs no more than the states.
namespace gradus::kernels {
namespace rnn {

/// `rows` rows of a step: h (rows, H) holds the products and becomes the state.
template <bool relu, class T>
void activate(int64_t rows, int64_t H, const T* bias, T* h) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      T* hb = h + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T sum = hb[j] + bias[j];
        if constexpr (relu) hb[j] = sum < 0 ? T(0) : sum;
        else hb[j] = vtanh(sum);
      }
    }
  });
}

/// The gradients before the nonlinearity, d (rows, H), and their sums over rows. dh (rows, H), the gradient of the state without dy,
/// becomes 0: all that the state before gets comes through the product.
template <bool relu, class T>
void activate_backward(int64_t rows, int64_t H, const T* h, const T* dy, int64_t dy_stride, T* dh, T* d, T* sums) {
  isa::run<T>([=] {
    for (int64_t b = 0; b < rows; ++b) {
      const T *hb = h + b * H, *dyb = dy + b * dy_stride;
      T *dhb = dh + b * H, *db = d + b * H;
      GRADUS_INDEPENDENT
      for (int64_t j = 0; j < H; ++j) {
        const T whole = dhb[j] + dyb[j];
        T dj;
        if constexpr (relu) dj = hb[j] <= 0 ? T(0) : whole;
        else dj = whole * (1 - hb[j] * hb[j]);
        db[j] = dj;
        sums[j] += dj;
        dhb[j] = 0;
      }
    }
  });
}

}  // namespace rnn

/// A layer of plain recurrent units forward.
template <class T, bool relu>
class RnnForward {
 public:
  static constexpr int64_t gates = 1;
  static constexpr bool two_phases = false, has_cells = false;

  RnnForward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved)
      : s_(s), saved_(saved), recurrent_(s.H, s.H, in.weight_hh, s.H, 1, in.keep_hh, meets_few_rows(s)), bias_(in, s.H) {}

  /// Where the input's part is to be, (T, B, H).
  T* input_part() const noexcept { return saved_.h; }

  void add_products(const Rows& rows) const {
    const int64_t H = s_.H, at = rows.first(s_) * H;
    recurrent_.run(rows.count(), saved_.before(s_, saved_.h) + at, H, true, saved_.h + at, H);
  }
  void activate(const Rows& rows) const { rnn::activate<relu>(rows.count(), s_.H, bias_.data(), saved_.h + rows.first(s_) * s_.H); }
  void skip(const Rows&) const {}

 private:
  const RecurrentSizes& s_;
  const RecurrentSaved<T>& saved_;
  const PackedProduct<T> recurrent_;
  const JointBias<T> bias_;
};

/// And backward.
template <class T, bool relu>
class RnnBackward {
 public:
  static constexpr int64_t gates = 1, width = 1;
  static constexpr Columns of_input[] = {{0, 1}};
  static constexpr Columns of_state{0, 1}, met_state{0, 1};
  static constexpr bool two_phases = false, has_cells = false;

  RnnBackward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved, T* d, bool)
      : s_(s), in_(in), saved_(saved), d_(d) {}

  const T* weight_ih() const noexcept { return in_.weight_ih; }

  /// d of active rows, and its sums; dh becomes 0, as all that the state before gets comes through the product.
  void gradients(const Rows& rows, const T* dy, int64_t dy_stride, T* dh, T*, T* sums) const {
    const int64_t at = rows.first(s_) * s_.H;
    rnn::activate_backward<relu>(rows.count(), s_.H, saved_.h + at, dy, dy_stride, dh, d_ + at, sums);
  }
  void rest_of_weight_hh(T*) const {}

 private:
  const RecurrentSizes& s_;
  const RecurrentArrays<const T>& in_;
  const RecurrentSaved<T>& saved_;
  T* const d_;
};

}  // namespace gradus::kernels
