#pragma once

#include <cstdint>

/// The fused kernels of one GRU layer in one direction.
/// T steps, B rows, I inputs, H hidden units; arrays are dense and row-major. `lengths` (B) may be null: every row lasts T steps.
namespace gradus::kernels {

struct GruSizes {
  int64_t T, B, I, H;
  bool reverse = false;
  bool reset_after = true;
  const int64_t* lengths = nullptr;

  /// The step that the i-th turn of the recurrence works on.
  int64_t step(int64_t i) const noexcept { return reverse ? T - 1 - i : i; }
  bool active(int64_t t, int64_t row) const noexcept { return !lengths || t < lengths[row]; }
};

template <class T>
struct GruWeightsView {
  const T* weight_ih;  // (3H, I): r, z, n
  const T* weight_hh;  // (3H, H)
  const T* bias_ih;    // (3H) or null
  const T* bias_hh;    // (3H) or null
};

/// What forward leaves for backward.
template <class T>
struct GruSaved {
  T* gates;   // (T, B, 3H): r, z, n after their nonlinearities
  T* inner;   // (T, B, H): reset_after: W_hn h + b_hn; otherwise r * h
  T* states;  // (T, B, H): the state after every step
};

/// Fills `saved` and h_n (B, H) from x (T, B, I) and h0 (B, H).
template <class T>
void gru_forward(const GruSizes& sizes, const T* x, const T* h0, const GruWeightsView<T>& weights, const GruSaved<T>& saved, T* h_n);

/// Where backward leaves its results; null where none is wanted.
template <class T>
struct GruGradients {
  T* x;          // (T, B, I)
  T* h0;         // (B, H)
  T* weight_ih;  // (3H, I)
  T* weight_hh;  // (3H, H)
  T* bias_ih;    // (3H)
  T* bias_hh;    // (3H)
};

/// From the gradients of the states at every step, dy (T, B, H) or null, and of the last, dh_n (B, H) or null. Gradients of steps past a
/// row's length are not read.
template <class T>
void gru_backward(const GruSizes& sizes, const T* x, const T* h0, const GruWeightsView<T>& weights, const GruSaved<T>& saved, const T* dy,
                  const T* dh_n, const GruGradients<T>& gradients);

}  // namespace gradus::kernels
