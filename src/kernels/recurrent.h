#pragma once

#include <cstdint>

#include "kernels/kept_weights.h"

/// One recurrent layer in one direction, forward and backward, as fused kernels. T steps, B rows, I inputs, H hidden units, G gates; arrays
/// are dense and row-major. kernels/naive_recurrent.h has the same as plain loops.
namespace gradus::kernels {

/// What the units of a layer compute. GruResetBefore has the reset gate act on the state before the recurrent product.
enum class RecurrentKind { RnnTanh, RnnRelu, Lstm, Gru, GruResetBefore };

/// G, the number of gates: i, f, g, o of an LSTM, r, z, n of a GRU.
constexpr int64_t gates_of(RecurrentKind kind) noexcept {
  switch (kind) {
    case RecurrentKind::RnnTanh:
    case RecurrentKind::RnnRelu: return 1;
    case RecurrentKind::Lstm: return 4;
    case RecurrentKind::Gru:
    case RecurrentKind::GruResetBefore: break;
  }
  return 3;
}

struct RecurrentSizes {
  int64_t T, B, I, H;
  bool reverse = false;
  const int64_t* lengths = nullptr;  // (B), or null: every row lasts T steps

  /// The step that the i-th turn of the recurrence works on.
  int64_t step(int64_t i) const noexcept { return reverse ? T - 1 - i : i; }
  bool active(int64_t t, int64_t row) const noexcept { return !lengths || t < lengths[row]; }
};

/// What a layer works on, or the gradients of it; null where there is none, or none is wanted. Initial states that are null are zeros.
template <class T>
struct RecurrentArrays {
  T* x;                               // (T, B, I)
  T* h0;                              // (B, H)
  T* c0;                              // (B, H), of an LSTM
  T* weight_ih;                       // (G H, I)
  T* weight_hh;                       // (G H, H)
  T* bias_ih;                         // (G H)
  T* bias_hh;                         // (G H)
  Keeper keep_ih = {}, keep_hh = {};  // of the weights, where they are kept as they were packed
};

/// What forward leaves for backward. The states after every step have those before the first next to them, in front or, in reverse, behind:
/// so they are also the states that the steps begin with.
template <class T>
struct RecurrentSaved {
  T* h;      // (T, B, H): the hidden states, next to h0
  T* c;      // (T, B, H): the cells of an LSTM, next to c0
  T* gates;  // (T, B, G H): after their nonlinearities; not of an RNN
  T* inner;  // (T, B, H), of a GRU: W_hn h + b_hn, or r * h where the reset gate comes before the product

  /// The states that the steps begin with, of those after them.
  static T* before(const RecurrentSizes& s, T* states) noexcept { return states + (s.reverse ? s.B * s.H : -s.B * s.H); }
};

/// The gradients of what a layer gives; null where there is none. Those of steps past a row's length are not read.
template <class T>
struct RecurrentOutputs {
  T* output;  // (T, B, H): the hidden states after every step
  T* h_n;     // (B, H): after the last step
  T* c_n;     // (B, H), of an LSTM
};

/// Fills `saved`, h_n and, for an LSTM, c_n.
template <class T>
void recurrent_forward(RecurrentKind kind, const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved,
                       T* h_n, T* c_n);

/// Fills dx.
template <class T>
void recurrent_backward(RecurrentKind kind, const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved,
                        const RecurrentOutputs<const T>& dy, const RecurrentArrays<T>& dx);

}  // namespace gradus::kernels
