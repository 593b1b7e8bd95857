#pragma once

#include "kernels/recurrence.h"

/// The fused kernels of one GRU layer in one direction, with the gates r, z, n. kernels/recurrence.h has what recurrent layers share.
namespace gradus::kernels {

struct GruSizes : RecurrenceSizes {
  bool reset_after = true;
};

/// What forward leaves for backward.
template <class T>
struct GruSaved {
  T* gates;   // (T, B, 3H): r, z, n after their nonlinearities
  T* inner;   // (T, B, H): reset_after: W_hn h + b_hn; otherwise r * h
  T* states;  // (T, B, H): the state after every step, next to h0
};

/// Fills `saved` and h_n (B, H) from x (T, B, I) and the h0 that lies next to the states.
template <class T>
void gru_forward(const GruSizes& sizes, const T* x, const RecurrentWeightsView<T>& weights, const GruSaved<T>& saved, T* h_n);

/// From the gradients of the states at every step, dy (T, B, H) or null, and of the last, dh_n (B, H) or null. Gradients of steps past a
/// row's length are not read.
template <class T>
void gru_backward(const GruSizes& sizes, const T* x, const RecurrentWeightsView<T>& weights, const GruSaved<T>& saved, const T* dy,
                  const T* dh_n, const RecurrentGradients<T>& gradients);

}  // namespace gradus::kernels
