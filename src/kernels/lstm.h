#pragma once

#include "kernels/recurrence.h"

/// The fused kernels of one LSTM layer in one direction, with the gates i, f, g, o. kernels/recurrence.h has what recurrent layers share.
namespace gradus::kernels {

/// What forward leaves for backward.
template <class T>
struct LstmSaved {
  T* gates;   // (T, B, 4H): i, f, g, o after their nonlinearities
  T* cells;   // (T, B, H): the cell after every step
  T* states;  // (T, B, H): the hidden state after every step, next to h0
};

/// The hidden state and the cell, (B, H) each, or their gradients.
template <class T>
struct LstmState {
  T *h, *c;
};

/// Fills `saved` and `last` from x (T, B, I), c0 (B, H) and the h0 that lies next to the states.
template <class T>
void lstm_forward(const RecurrenceSizes& sizes, const T* x, const T* c0, const RecurrentWeightsView<T>& weights, const LstmSaved<T>& saved,
                  const LstmState<T>& last);

/// From the gradients of the hidden states at every step, dy (T, B, H), and of the last state; each may be null. Gradients of steps past a
/// row's length are not read. dc0 (B, H) is null where it is not wanted.
template <class T>
void lstm_backward(const RecurrenceSizes& sizes, const T* x, const T* c0, const RecurrentWeightsView<T>& weights, const LstmSaved<T>& saved,
                   const T* dy, const LstmState<const T>& d_last, const RecurrentGradients<T>& gradients, T* dc0);

}  // namespace gradus::kernels
