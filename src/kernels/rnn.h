#pragma once

#include "kernels/recurrence.h"

/// The fused kernels of one layer of plain recurrent units in one direction, h' = f(W_ih x + b_ih + W_hh h + b_hh).
/// kernels/recurrence.h has what recurrent layers share. Backward needs no more than the states.
namespace gradus::kernels {

enum class Nonlinearity { Tanh, Relu };

/// Fills `states` (T, B, H), the state after every step, and h_n (B, H) from x (T, B, I) and the h0 that lies next to the states.
template <class T>
void rnn_forward(const RecurrenceSizes& sizes, Nonlinearity f, const T* x, const RecurrentWeightsView<T>& weights, T* states, T* h_n);

/// From the gradients of the states at every step, dy (T, B, H) or null, and of the last, dh_n (B, H) or null. Gradients of steps past a
/// row's length are not read.
template <class T>
void rnn_backward(const RecurrenceSizes& sizes, Nonlinearity f, const T* x, const RecurrentWeightsView<T>& weights, const T* states,
                  const T* dy, const T* dh_n, const RecurrentGradients<T>& gradients);

}  // namespace gradus::kernels
