#include "kernels/recurrent.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/meanwhile.h"
#include "core/thread_pool.h"
#include "kernels/gru_cell.h"
#include "kernels/lstm_cell.h"
#include "kernels/recurrent_products.h"
#include "kernels/rnn_cell.h"

namespace gradus::kernels {
namespace {

/// The rows [begin, end) forward through all steps.
template <class Cell, class T>
void carry_forward(const Cell& cell, const RecurrentSizes& s, const InputProducts<T>& input, const RecurrentArrays<const T>& in,
                   const RecurrentSaved<T>& saved, T* h_n, T* c_n, int64_t begin, int64_t end) {
  const int64_t H = s.H, count = (end - begin) * H, start = (s.step(0) * s.B + begin) * H;
  copy_rows_or_zeros(s, in.h0, begin, end, saved.before(s, saved.h) + start);
  if constexpr (Cell::has_cells) copy_rows_or_zeros(s, in.c0, begin, end, saved.before(s, saved.c) + start);
  const auto freeze = [&](const Rows& rows, T* states) {
    const int64_t at = rows.first(s) * H;
    std::copy_n(saved.before(s, states) + at, rows.count() * H, states + at);
  };
  for (int64_t i = 0; i < s.T; ++i) {
    Meanwhile::attend();
    const Rows rows{s.step(i), begin, end};
    input.step(rows);
    cell.add_products(rows);
    for_runs(s, rows, [&](const Rows& run, bool active) {
      if (active) return cell.activate(run);
      freeze(run, saved.h);
      if constexpr (Cell::has_cells) freeze(run, saved.c);
      cell.skip(run);
    });
    if constexpr (Cell::two_phases) {
      cell.add_second_product(rows);
      for_runs(s, rows, [&](const Rows& run, bool active) {
        if (active) cell.activate_second(run);
      });
    }
  }
  const int64_t last = (s.step(s.T - 1) * s.B + begin) * H;
  std::copy_n(saved.h + last, count, h_n + begin * H);
  if constexpr (Cell::has_cells) std::copy_n(saved.c + last, count, c_n + begin * H);
}

template <class Cell, class T>
void forward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved, T* h_n, T* c_n) {
  const Cell cell(s, in, saved);
  const InputProducts<T> input(s, Cell::gates, in, cell.input_part());
  parallel_for(s.B, tile_rows(s, Cell::gates),
               [&](int64_t begin, int64_t end) { carry_forward(cell, s, input, in, saved, h_n, c_n, begin, end); });
}

/// What the tiles of a backward pass share.
template <class Cell, class T>
struct Backward {
  const Cell& cell;
  const RecurrentSizes& s;
  const OutputGradient<T>& output;
  const RecurrentOutputs<const T>& dy;
  const RecurrentArrays<T>& dx;
  T* d;  // (T, B, width)
  const InputGradient<T>& input;
  const PackedProduct<T>& recurrent;  // with the transpose of the rows of W_hh that met the state

  /// The rows [begin, end) through all steps, last to first; `sums` (width) adds up d over them.
  void carry(int64_t begin, int64_t end, T* sums) const {
    const int64_t H = s.H, width = Cell::width * H, count = (end - begin) * H;
    const Scratch<T> dh(count), dc(Cell::has_cells ? count : 0), drh(Cell::two_phases ? count : 0);
    copy_rows_or_zeros(s, dy.h_n, begin, end, dh.data());
    if constexpr (Cell::has_cells) copy_rows_or_zeros(s, dy.c_n, begin, end, dc.data());
    for (int64_t i = s.T - 1; i >= 0; --i) {
      Meanwhile::attend();
      const Rows rows{s.step(i), begin, end};
      T* dt = d + rows.first(s) * width;
      for_runs(s, rows, [&](const Rows& run, bool active) {
        const int64_t at = (run.begin - begin) * H;
        if (active) cell.gradients(run, output.of(run), output.stride, dh.data() + at, dc.data() + at, sums);
        else std::fill_n(d + run.first(s) * width, run.count() * width, T(0));
      });
      if constexpr (Cell::two_phases) {
        cell.second_product(rows, drh.data());
        for_runs(s, rows, [&](const Rows& run, bool active) {
          const int64_t at = (run.begin - begin) * H;
          if (active) cell.second_gradients(run, drh.data() + at, dh.data() + at, sums);
        });
      }
      input.step(rows);
      if (i > 0 || dx.h0) recurrent.run(rows.count(), dt + Cell::met_state.from * H, width, true, dh.data(), H);
    }
    if (dx.h0) std::copy_n(dh.data(), count, dx.h0 + begin * H);
    if (Cell::has_cells && dx.c0) std::copy_n(dc.data(), count, dx.c0 + begin * H);
  }
};

template <class Cell, class T>
void backward(const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved,
              const RecurrentOutputs<const T>& dy, const RecurrentArrays<T>& dx) {
  const int64_t H = s.H, width = Cell::width * H, tile = tile_rows(s, Cell::gates);
  const Scratch<T> d(s.T * s.B * width);
  TileSums<T> sums(s, tile, width);
  const OutputGradient<T> output(s, dy.output);
  const Cell cell(s, in, saved, d.data(), dx.x != nullptr);
  const InputGradient<T> input(s, Cell::gates, d.data(), width, cell.weight_ih(), dx.x);
  const PackedProduct<T> recurrent(H, Cell::met_state.count * H, in.weight_hh, 1, H, in.keep_hh);
  const Backward<Cell, T> tiles{cell, s, output, dy, dx, d.data(), input, recurrent};
  parallel_for(s.B, tile, [&](int64_t begin, int64_t end) { tiles.carry(begin, end, sums.of(begin)); });

  run_products(3, s.T * s.B * Cell::gates * H * std::max(s.I, H), [&](int64_t which) {
    if (which == 0) input.finish();
    if (which == 1 && dx.weight_ih) weight_ih_gradient<T>(s, d.data(), width, Cell::of_input, in.x, dx.weight_ih);
    if (which == 2 && dx.weight_hh) {
      weight_hh_gradient<T>(s, d.data(), width, Cell::met_state, saved.before(s, saved.h), dx.weight_hh);
      cell.rest_of_weight_hh(dx.weight_hh);
    }
  });
  const T* total = sums.total();
  T* bias_ih = dx.bias_ih;
  for (const Columns& part : Cell::of_input)
    if (bias_ih) bias_ih = std::copy_n(total + part.from * H, part.count * H, bias_ih);
  if (dx.bias_hh) std::copy_n(total + Cell::of_state.from * H, Cell::of_state.count * H, dx.bias_hh);
}

}  // namespace

template <class T>
void recurrent_forward(RecurrentKind kind, const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved,
                       T* h_n, T* c_n) {
  switch (kind) {
    case RecurrentKind::RnnTanh: return forward<RnnForward<T, false>>(s, in, saved, h_n, c_n);
    case RecurrentKind::RnnRelu: return forward<RnnForward<T, true>>(s, in, saved, h_n, c_n);
    case RecurrentKind::Lstm: return forward<LstmForward<T>>(s, in, saved, h_n, c_n);
    case RecurrentKind::Gru: return forward<GruForward<T, true>>(s, in, saved, h_n, c_n);
    case RecurrentKind::GruResetBefore: return forward<GruForward<T, false>>(s, in, saved, h_n, c_n);
  }
}

template <class T>
void recurrent_backward(RecurrentKind kind, const RecurrentSizes& s, const RecurrentArrays<const T>& in, const RecurrentSaved<T>& saved,
                        const RecurrentOutputs<const T>& dy, const RecurrentArrays<T>& dx) {
  switch (kind) {
    case RecurrentKind::RnnTanh: return backward<RnnBackward<T, false>>(s, in, saved, dy, dx);
    case RecurrentKind::RnnRelu: return backward<RnnBackward<T, true>>(s, in, saved, dy, dx);
    case RecurrentKind::Lstm: return backward<LstmBackward<T>>(s, in, saved, dy, dx);
    case RecurrentKind::Gru: return backward<GruBackward<T, true>>(s, in, saved, dy, dx);
    case RecurrentKind::GruResetBefore: return backward<GruBackward<T, false>>(s, in, saved, dy, dx);
  }
}

template void recurrent_forward(RecurrentKind, const RecurrentSizes&, const RecurrentArrays<const float>&, const RecurrentSaved<float>&,
                                float*, float*);
template void recurrent_forward(RecurrentKind, const RecurrentSizes&, const RecurrentArrays<const double>&, const RecurrentSaved<double>&,
                                double*, double*);
template void recurrent_backward(RecurrentKind, const RecurrentSizes&, const RecurrentArrays<const float>&, const RecurrentSaved<float>&,
                                 const RecurrentOutputs<const float>&, const RecurrentArrays<float>&);
template void recurrent_backward(RecurrentKind, const RecurrentSizes&, const RecurrentArrays<const double>&, const RecurrentSaved<double>&,
                                 const RecurrentOutputs<const double>&, const RecurrentArrays<double>&);

}  // namespace gradus::kernels
