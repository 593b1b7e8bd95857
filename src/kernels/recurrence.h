#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "core/function_ref.h"
#include "core/scratch.h"
#include "kernels/packed_product.h"

/// What the fused kernels of one recurrent layer in one direction have in common: sizes, how the batch is split, and the products over all
/// steps. T steps, B rows, I inputs, H hidden units, G gates; arrays are dense and row-major.
///
/// W_hh, and W_ih where its products are made step by step, are packed once for the products of the steps. Each thread then carries its
/// rows of the batch through the whole sequence. Backward does the same from the last step to the first, and leaves `d` (T, B, width), the
/// gradients of all gates before their nonlinearities; the weights' gradients are products over all steps. `states` (T, B, H) has the state
/// after every step, and h0 next to them: before the first step, which in reverse is behind the last row.
namespace gradus::kernels {

struct RecurrenceSizes {
  int64_t T, B, I, H;
  bool reverse = false;
  const int64_t* lengths = nullptr;  // (B), or null: every row lasts T steps

  /// The step that the i-th turn of the recurrence works on.
  int64_t step(int64_t i) const noexcept { return reverse ? T - 1 - i : i; }
  bool active(int64_t t, int64_t row) const noexcept { return !lengths || t < lengths[row]; }

  /// The states (T, B, H) that the steps begin with. They lie among those after the steps, with h0 (B, H) next to the first step's.
  template <class T>
  T* before(T* states) const noexcept {
    return states + (reverse ? B * H : -B * H);
  }
};

template <class T>
struct RecurrentWeightsView {
  const T* weight_ih;  // (G H, I)
  const T* weight_hh;  // (G H, H)
  const T* bias_ih;    // (G H) or null
  const T* bias_hh;    // (G H) or null
};

/// Where backward leaves its results; null where none is wanted.
template <class T>
struct RecurrentGradients {
  T* x;          // (T, B, I)
  T* h0;         // (B, H)
  T* weight_ih;  // (G H, I)
  T* weight_hh;  // (G H, H)
  T* bias_ih;    // (G H)
  T* bias_hh;    // (G H)
};

/// The rows that one thread carries through the whole sequence: all where there are few or the work is small, else tiles of at most 64,
/// two at least.
int64_t tile_rows(const RecurrenceSizes& s, int64_t gates);

/// Cuts the rows [begin, end) of step t into runs that are all active or all past their length: body(from, to, active).
template <class Body>
void for_runs(const RecurrenceSizes& s, int64_t t, int64_t begin, int64_t end, const Body& body) {
  if (!s.lengths) return body(begin, end, true);
  for (int64_t from = begin, to = begin; from < end; from = to) {
    const bool active = s.active(t, from);
    while (to < end && s.active(t, to) == active) ++to;
    body(from, to, active);
  }
}

/// to (end - begin, H) = the rows [begin, end) of `from` (B, H), or zeros where there is none.
template <class T>
void copy_rows_or_zeros(const RecurrenceSizes& s, const T* from, int64_t begin, int64_t end, T* to) {
  const int64_t count = (end - begin) * s.H;
  if (from) std::copy_n(from + begin * s.H, count, to);
  else std::fill_n(to, count, T(0));
}

/// Whether a product with W_ih is made for a tile's rows at each step, while they are in the nearest caches, and not for all steps at once.
/// It is where weights are packed, if the rows keep a kernel busy and the weights stay in reach.
template <class T>
bool is_made_by_step(const RecurrenceSizes& s, int64_t gates);

/// result (T, B, G H) = x W_ih^T: the input's part of every gate of every step.
template <class T>
class InputProducts {
 public:
  InputProducts(const RecurrenceSizes& s, int64_t gates, const T* x, const T* weight_ih, T* result);
  /// To be called for the rows [begin, end) of step t before they are read.
  void step(int64_t t, int64_t begin, int64_t end) const;

 private:
  const RecurrenceSizes& s_;
  int64_t width_;
  bool by_step_;
  const T* x_;
  T* result_;
  PackedProduct<T> product_;
};

/// The gradient of x, (T, B, I) = the first G H columns of d (T, B, width) times a W_ih with its rows in their order.
template <class T>
class InputGradient {
 public:
  /// result is null where it is not wanted.
  InputGradient(const RecurrenceSizes& s, int64_t gates, const T* d, int64_t width, const T* weight_ih, T* result);
  /// To be called when d is known for the rows [begin, end) of step t …
  void step(int64_t t, int64_t begin, int64_t end) const;
  /// … and when all of it is.
  void finish() const;

 private:
  const RecurrenceSizes& s_;
  int64_t gates_, width_;
  bool by_step_;
  const T *d_, *weight_ih_;
  T* result_;
  PackedProduct<T> product_;
};

/// (G H): what is added to every gate, b_ih + b_hh.
template <class T>
class JointBias {
 public:
  JointBias(const RecurrentWeightsView<T>& w, int64_t width);
  const T* data() const noexcept { return sums_.data(); }

 private:
  Scratch<T> sums_;
};

/// Columns of d that belong to consecutive rows of a weight.
struct Columns {
  int64_t from, count;
};

/// The gradient of W_ih, (G H, I): the sum over all steps of d's columns, transposed, times x; one part below the other. Past its length a
/// row's x is not read: it may be NaN.
template <class T>
void weight_ih_gradient(const RecurrenceSizes& s, const T* d, int64_t width, std::initializer_list<Columns> parts, const T* x, T* result);

/// The gradient of rows of W_hh, (columns, H): the same with the states that the steps began with.
template <class T>
void weight_hh_gradient(const RecurrenceSizes& s, const T* d, int64_t width, Columns columns, const T* states, T* result);

/// Calls product(0) to product(count - 1), each of `work` multiplications: small ones beside each other, large ones one after the other,
/// each on all threads.
void run_products(int64_t count, int64_t work, FunctionRef<void(int64_t which)> product);

/// Rows of dy (T, B, H), or of zeros where there is none: `stride` apart.
template <class T>
class OutputGradient {
 public:
  OutputGradient(const RecurrenceSizes& s, const T* dy);
  const T* row(int64_t t, int64_t row) const noexcept { return dy_ ? dy_ + (t * B_ + row) * stride : zeros_.data(); }
  const int64_t stride;

 private:
  int64_t B_;
  const T* dy_;
  Scratch<T> zeros_;
};

/// The sums of d over a tile's rows, (tiles, width), which become one sum in the first row.
template <class T>
class TileSums {
 public:
  TileSums(const RecurrenceSizes& s, int64_t tile, int64_t width);
  /// For the tile that begins at this row of the batch.
  T* of(int64_t begin) const noexcept { return sums_.data() + begin / tile_ * width_; }
  const T* total();

 private:
  int64_t tile_, tiles_, width_;
  Scratch<T> sums_;
};

/// The gradients of the weights and biases, and the rest of x's, where d (T, B, G H) has the gates in the order of the weights and its
/// columns sum up to `sums` (G H).
template <class T>
void gate_gradients(const RecurrenceSizes& s, int64_t gates, const T* d, const T* x, const T* states,
                    const InputGradient<T>& input_gradient, const T* sums, const RecurrentGradients<T>& out);

}  // namespace gradus::kernels
