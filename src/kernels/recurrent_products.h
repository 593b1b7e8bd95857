#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "core/function_ref.h"
#include "core/scratch.h"
#include "kernels/packed_product.h"
#include "kernels/recurrent.h"

/// The parts of a recurrent layer's kernels that all kinds share: how the batch is cut, and the products.
///
/// W_hh, and W_ih where its products are made step by step, are packed once for the products of the steps. Each thread then carries its
/// rows of the batch through the whole sequence. Backward does the same from the last step to the first, and leaves `d` (T, B, width), the
/// gradients of all gates before their nonlinearities; the weights' gradients are products over all steps.
namespace gradus::kernels {

/// The rows [begin, end) of the batch at step t.
struct Rows {
  int64_t t, begin, end;

  int64_t count() const noexcept { return end - begin; }
  /// Of the first row, in an array (T, B, …).
  int64_t first(const RecurrentSizes& s) const noexcept { return t * s.B + begin; }
};

/// The rows that one thread carries through the whole sequence: all where there are few or the work is small, else tiles of at most
/// kMostTileRows, two at least.
int64_t tile_rows(const RecurrentSizes& s, int64_t gates);

/// Cuts rows into runs that are all active or all past their length: body(run, active).
template <class Body>
void for_runs(const RecurrentSizes& s, const Rows& rows, const Body& body) {
  if (!s.lengths) return body(rows, true);
  for (int64_t from = rows.begin, to = from; from < rows.end; from = to) {
    const bool active = s.active(rows.t, from);
    while (to < rows.end && s.active(rows.t, to) == active) ++to;
    body(Rows{rows.t, from, to}, active);
  }
}

/// to (end - begin, H) = the rows [begin, end) of `from` (B, H), or zeros where there is none.
template <class T>
void copy_rows_or_zeros(const RecurrentSizes& s, const T* from, int64_t begin, int64_t end, T* to) {
  const int64_t count = (end - begin) * s.H;
  if (from) std::copy_n(from + begin * s.H, count, to);
  else std::fill_n(to, count, T(0));
}

/// Whether a product with W_ih is made for a tile's rows at each step, while they are in the nearest caches, and not for all steps at once.
/// It is where weights are packed, if the rows keep a kernel busy and the weights stay in reach.
template <class T>
bool is_made_by_step(const RecurrentSizes& s, int64_t gates);

/// result (T, B, G H) = x W_ih^T: the input's part of every gate of every step.
template <class T>
class InputProducts {
 public:
  InputProducts(const RecurrentSizes& s, int64_t gates, const T* x, const T* weight_ih, T* result);
  /// To be called before the rows are read.
  void step(const Rows& rows) const;

 private:
  const RecurrentSizes& s_;
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
  InputGradient(const RecurrentSizes& s, int64_t gates, const T* d, int64_t width, const T* weight_ih, T* result);
  /// To be called when d is known for the rows …
  void step(const Rows& rows) const;
  /// … and when all of it is.
  void finish() const;

 private:
  const RecurrentSizes& s_;
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
  JointBias(const RecurrentArrays<const T>& in, int64_t width);
  const T* data() const noexcept { return sums_.data(); }

 private:
  Scratch<T> sums_;
};

/// Columns of d that belong to consecutive rows of a weight, in units of H.
struct Columns {
  int64_t from, count;
};

/// The gradient of W_ih, (G H, I): the sum over all steps of d's columns, transposed, times x; one part below the other. Past its length a
/// row's x is not read: it may be NaN.
template <class T>
void weight_ih_gradient(const RecurrentSizes& s, const T* d, int64_t width, std::span<const Columns> parts, const T* x, T* result);

/// The gradient of rows of W_hh, (columns, H): the same with what met them, (T, B, H).
template <class T>
void weight_hh_gradient(const RecurrentSizes& s, const T* d, int64_t width, Columns columns, const T* met, T* result);

/// Calls product(0) to product(count - 1), each of `work` multiplications: small ones beside each other, large ones one after the other,
/// each on all threads.
void run_products(int64_t count, int64_t work, FunctionRef<void(int64_t which)> product);

/// Rows of dy (T, B, H), `stride` apart; or, where there is none, zeros with a stride of 0.
template <class T>
class OutputGradient {
 public:
  OutputGradient(const RecurrentSizes& s, const T* dy);
  const T* of(const Rows& rows) const noexcept { return dy_ ? dy_ + (rows.t * B_ + rows.begin) * stride : zeros_.data(); }
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
  TileSums(const RecurrentSizes& s, int64_t tile, int64_t width);
  /// For the tile that begins at this row of the batch.
  T* of(int64_t begin) const noexcept { return sums_.data() + begin / tile_ * width_; }
  const T* total();

 private:
  int64_t tile_, tiles_, width_;
  Scratch<T> sums_;
};

}  // namespace gradus::kernels
