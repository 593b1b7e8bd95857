#include "gradus/ops/recurrent.h"

#include <algorithm>

#include "ops/recurrent/layer.h"

namespace gradus {
namespace {

using kernels::RecurrentKind;
using kernels::RecurrentSizes;

/// Throws ShapeError "OP: WHAT has shape …, expected … for REASON" when x has another shape; only then is the reason put into words.
template <class Reason>
void expect_shape(const Op& op, const char* what, const Tensor& x, const Shape& shape, const Reason& reason) {
  if (x.shape() != shape) op.fail<ShapeError>("{} has shape {}, expected {} for {}", what, x.shape(), shape, reason());
}

void expect_dtype(const Op& op, const char* what, const Tensor& x, DType dtype) {
  op.check<DTypeError>(x.dtype() == dtype, "x is {} but {} is {}; all must have one dtype", name(dtype), what, name(x.dtype()));
}

/// The sizes of a layer, whose weights have `gates` * H rows, with every dtype and shape checked. H is the width of c0, if there is one: h0
/// may be a projection. For a cell, one step, x is (B, I) and the state is called h.
RecurrentSizes checked_sizes(const Op& op, const LayerInputs& in, int64_t gates, bool is_cell = false) {
  const std::array<const char*, 7> names{"x", is_cell ? "h" : "h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "c0"};
  const auto fields = in.fields();
  const auto& [x, h0, c0, w] = in;
  for (size_t i = 0; i < 4; ++i) op.check<StateError>(fields[i]->defined(), "{} is undefined; only the biases may be left out", names[i]);
  op.check<DTypeError>(is_floating_point(x.dtype()), "x is {}; it must be float32 or float64", name(x.dtype()));
  for (size_t i = 1; i < fields.size(); ++i)
    if (fields[i]->defined()) expect_dtype(op, names[i], *fields[i], x.dtype());
  op.check<ShapeError>(x.dim() == (is_cell ? 2 : 3), "x has shape {}, expected ({}batch, input size)", x.shape(), is_cell ? "" : "steps, ");
  op.check<ShapeError>(h0.dim() == 2, "{} has shape {}, expected (batch, hidden size)", names[1], h0.shape());
  op.check<ShapeError>(!c0.defined() || c0.dim() == 2, "c0 has shape {}, expected (batch, hidden size)",
                       c0.defined() ? c0.shape() : Shape());
  const int64_t P = h0.size(1);
  const RecurrentSizes s{.T = is_cell ? 1 : x.size(0), .B = x.size(-2), .I = x.size(-1), .H = c0.defined() ? c0.size(1) : P};
  op.check<ShapeError>(s.T > 0, "x has shape {}, no steps; give at least one", x.shape());
  op.check<ShapeError>(s.I > 0 && s.H > 0 && P > 0, "input size {} and hidden size {} must be positive", s.I, std::min(s.H, P));
  const auto batch = [&] { return fmt::format("the batch of x, {}", in.x.shape()); };
  const auto hidden = [&] { return fmt::format("hidden size {}", s.H); };
  expect_shape(op, names[1], h0, {s.B, P}, batch);
  if (c0.defined()) expect_shape(op, "c0", c0, {s.B, s.H}, batch);
  expect_shape(op, "weight_ih", w.weight_ih, {gates * s.H, s.I}, [&] { return fmt::format("input size {} and {}", s.I, hidden()); });
  expect_shape(op, "weight_hh", w.weight_hh, {gates * s.H, P},
               [&] { return P == s.H ? hidden() : fmt::format("{} and projection size {}", hidden(), P); });
  if (w.bias_ih.defined()) expect_shape(op, "bias_ih", w.bias_ih, {gates * s.H}, hidden);
  if (w.bias_hh.defined()) expect_shape(op, "bias_hh", w.bias_hh, {gates * s.H}, hidden);
  return s;
}

/// A copy of the lengths that belongs to the layer alone, checked; undefined for undefined ones.
Tensor checked_lengths(const Op& op, const Tensor& lengths, const RecurrentSizes& s) {
  if (!lengths.defined()) return {};
  op.check<DTypeError>(lengths.dtype() == DType::Int64, "lengths are {}; convert them with .to(gradus::int64)", name(lengths.dtype()));
  op.check<ShapeError>(lengths.shape() == Shape{s.B}, "lengths have shape {}, expected {}, one for each row of the batch", lengths.shape(),
                       Shape{s.B});
  const Tensor own = lengths.clone();
  const int64_t* values = own.data<int64_t>();
  for (int64_t i = 0; i < s.B; ++i)
    op.check<ValueError>(values[i] >= 0 && values[i] <= s.T, "length {} at [{}] is not in 0 to {}, the number of steps", values[i], i, s.T);
  return own;
}

RecurrentOutput checked_layer(const Op& op, RecurrentKind kind, const LayerInputs& in, const Tensor& lengths, bool reverse) {
  RecurrentSizes s = checked_sizes(op, in, kernels::gates_of(kind));
  s.reverse = reverse;
  return fused_layer(kind, in, checked_lengths(op, lengths, s), s);
}

RecurrentKind gru_kind(bool reset_after) { return reset_after ? RecurrentKind::Gru : RecurrentKind::GruResetBefore; }

}  // namespace

RecurrentOutput rnn_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths, bool reverse,
                          bool use_relu) {
  constexpr Op op("rnn_layer");
  return checked_layer(op, use_relu ? RecurrentKind::RnnRelu : RecurrentKind::RnnTanh, {x, h0, {}, weights}, lengths, reverse);
}

RecurrentOutput gru_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths, bool reverse,
                          bool reset_after) {
  constexpr Op op("gru_layer");
  return checked_layer(op, gru_kind(reset_after), {x, h0, {}, weights}, lengths, reverse);
}

Tensor gru_cell(const Tensor& x, const Tensor& h, const RecurrentWeights& weights, bool reset_after) {
  constexpr Op op("gru_cell");
  LayerInputs in{x, h, {}, weights};
  const RecurrentSizes s = checked_sizes(op, in, 3, true);
  in.x = x.unsqueeze(0);
  return fused_layer(gru_kind(reset_after), in, {}, s).h_n;
}

RecurrentOutput lstm_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights, const Tensor& lengths,
                           bool reverse) {
  constexpr Op op("lstm_layer");
  op.takes(h0, c0);
  const Tensor& weight_hr = weights.weight_hr;
  op.check<ShapeError>(h0.shape() == c0.shape() || weight_hr.defined(), "h0 has shape {} and c0 {}; without weight_hr they must be alike",
                       h0.shape(), c0.shape());
  const LayerInputs in{x, h0, c0, weights};
  if (!weight_hr.defined()) return checked_layer(op, RecurrentKind::Lstm, in, lengths, reverse);

  const RecurrentSizes s = checked_sizes(op, in, 4);
  const Tensor own_lengths = checked_lengths(op, lengths, s);
  const int64_t P = h0.size(1);
  expect_dtype(op, "weight_hr", weight_hr, x.dtype());
  expect_shape(op, "weight_hr", weight_hr, {P, s.H}, [&] { return fmt::format("projection size {} and hidden size {}", P, s.H); });
  return composed_layer(RecurrentKind::Lstm, in, own_lengths, reverse);
}

}  // namespace gradus
