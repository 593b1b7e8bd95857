#include "gradus/ops/recurrent.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/ops/elementwise.h"
#include "ops/keeper.h"
#include "ops/recurrent/composed.h"

namespace gradus {
namespace {

using kernels::RecurrentKind;
using kernels::RecurrentSizes;

/// What a layer works on, in the order of kernels::RecurrentArrays, which is that of the node's edges: x, h0, c0, weight_ih, weight_hh,
/// bias_ih, bias_hh. weight_hr is not among them: what has a projection is composed.
using Inputs = std::array<Tensor, 7>;

Inputs inputs_of(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& w) {
  return {x, h0, c0, w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh};
}

// ---- what fits

/// Throws ShapeError "OP: WHAT has shape …, expected … for REASON" when x has another shape; only then is the reason put into words.
template <class Reason>
void expect_shape(const Op& op, const char* what, const Tensor& x, const Shape& shape, const Reason& reason) {
  if (x.shape() != shape) op.fail<ShapeError>("{} has shape {}, expected {} for {}", what, x.shape(), shape, reason());
}

void expect_dtype(const Op& op, const char* what, const Tensor& x, DType dtype) {
  if (x.dtype() != dtype) op.fail<DTypeError>("x is {} but {} is {}; all must have one dtype", name(dtype), what, name(x.dtype()));
}

/// What tells a form of the same layer apart.
struct Form {
  bool is_cell = false;   // one step: x is (B, I), and the state is called h
  bool projects = false;  // h0 is a projection, narrower than c0
};

/// The sizes of a layer, whose weights have `gates` * H rows, with every dtype and shape checked.
RecurrentSizes checked_sizes(const Op& op, const Inputs& in, int64_t gates, const Form& form = {}) {
  const std::array<const char*, 7> names{"x", form.is_cell ? "h" : "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  const auto& [x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh] = in;
  for (size_t i : {0, 3, 4})
    op.check<StateError>(in[i].defined(), "{} is undefined; only the biases and the initial state may be left out", names[i]);
  if (!is_floating_point(x.dtype())) op.fail<DTypeError>("x is {}; it must be float32 or float64", name(x.dtype()));
  for (size_t i = 1; i < in.size(); ++i)
    if (in[i].defined()) expect_dtype(op, names[i], in[i], x.dtype());
  op.check<ShapeError>(x.dim() == (form.is_cell ? 2 : 3), "x has shape {}, expected ({}batch, input size)", x.shape(),
                       form.is_cell ? "" : "steps, ");
  for (size_t i : {1, 2})
    if (in[i].defined()) op.check<ShapeError>(in[i].dim() == 2, "{} has shape {}, expected (batch, hidden size)", names[i], in[i].shape());
  if (!h0.defined())
    op.check<ShapeError>(weight_hh.dim() == 2, "weight_hh has shape {}, expected ({} * hidden size, hidden size)", weight_hh.shape(),
                         gates);
  const int64_t P = h0.defined() ? h0.size(1) : weight_hh.size(1);
  const int64_t H = c0.defined() ? c0.size(1) : form.projects ? weight_hh.size(0) / gates : P;
  const RecurrentSizes s{.T = form.is_cell ? 1 : x.size(0), .B = x.size(-2), .I = x.size(-1), .H = H};
  op.check<ShapeError>(s.T > 0, "x has shape {}, no steps; give at least one", x.shape());
  op.check<ShapeError>(s.I > 0 && s.H > 0 && P > 0, "input size {} and hidden size {} must be positive", s.I, std::min(s.H, P));
  const auto batch = [&] { return fmt::format("the batch of x, {}", in[0].shape()); };
  const auto hidden = [&] { return fmt::format("hidden size {}", s.H); };
  if (h0.defined()) expect_shape(op, names[1], h0, {s.B, P}, batch);
  if (c0.defined()) expect_shape(op, "c0", c0, {s.B, s.H}, batch);
  expect_shape(op, "weight_ih", weight_ih, {gates * s.H, s.I}, [&] { return fmt::format("input size {} and {}", s.I, hidden()); });
  expect_shape(op, "weight_hh", weight_hh, {gates * s.H, P},
               [&] { return P == s.H ? hidden() : fmt::format("{} and projection size {}", hidden(), P); });
  if (bias_ih.defined()) expect_shape(op, "bias_ih", bias_ih, {gates * s.H}, hidden);
  if (bias_hh.defined()) expect_shape(op, "bias_hh", bias_hh, {gates * s.H}, hidden);
  return s;
}

/// A copy of the lengths that belongs to the layer alone, checked; undefined for undefined ones.
Tensor checked_lengths(const Op& op, const Tensor& lengths, const RecurrentSizes& s) {
  if (!lengths.defined()) return {};
  if (lengths.dtype() != DType::Int64) op.fail<DTypeError>("lengths are {}; convert them with .to(gradus::int64)", name(lengths.dtype()));
  op.check<ShapeError>(lengths.shape() == Shape{s.B}, "lengths have shape {}, expected {}, one for each row of the batch", lengths.shape(),
                       Shape{s.B});
  const Tensor own = lengths.clone();
  const int64_t* values = elements<int64_t>(own);
  for (int64_t i = 0; i < s.B; ++i)
    op.check<ValueError>(values[i] >= 0 && values[i] <= s.T, "length {} at [{}] is not in 0 to {}, the number of steps", values[i], i, s.T);
  return own;
}

// ---- the fused operation

/// As a profile and the graph show it.
Op op_of(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::RnnTanh:
    case RecurrentKind::RnnRelu: return Op("rnn");
    case RecurrentKind::Lstm: return Op("lstm");
    case RecurrentKind::Gru:
    case RecurrentKind::GruResetBefore: break;
  }
  return Op("gru");
}

/// What forward leaves for backward, in the order of kernels::RecurrentSaved: h, c, gates, inner; undefined where the kind has no use for
/// it.
using Left = std::array<Tensor, 4>;

/// Room for it. The states (T, B, H) have room for those before the first step next to them.
Left room_for(const Op& op, RecurrentKind kind, const RecurrentSizes& s, DType dtype) {
  const bool is_gru = kind == RecurrentKind::Gru || kind == RecurrentKind::GruResetBefore, is_lstm = kind == RecurrentKind::Lstm;
  const auto states = [&] {
    const Tensor all = op.empty({s.T + 1, s.B, s.H}, dtype);
    return view_of(all, narrow(op, all.impl()->layout, 0, s.reverse ? 0 : 1, s.T));
  };
  return {states(), is_lstm ? states() : Tensor(),
          is_gru || is_lstm ? op.empty({s.T, s.B, kernels::gates_of(kind) * s.H}, dtype) : Tensor(),
          is_gru ? op.empty({s.T, s.B, s.H}, dtype) : Tensor()};
}

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? elements<std::remove_const_t<T>>(x) : nullptr;
}

template <class T>
kernels::RecurrentArrays<T> pointers(const Inputs& in) {
  kernels::RecurrentArrays<T> arrays{data_or_null<T>(in[0]), data_or_null<T>(in[1]), data_or_null<T>(in[2]), data_or_null<T>(in[3]),
                                     data_or_null<T>(in[4]), data_or_null<T>(in[5]), data_or_null<T>(in[6])};
  if (std::is_same_v<T, const float>) {
    arrays.keep_ih = keeper_of(in[3]);
    arrays.keep_hh = keeper_of(in[4]);
  }
  return arrays;
}

template <class T>
kernels::RecurrentSaved<T> pointers(const Left& left) {
  return {data_or_null<T>(left[0]), data_or_null<T>(left[1]), data_or_null<T>(left[2]), data_or_null<T>(left[3])};
}

/// Outside the graph, and dense.
Inputs dense(Inputs in) {
  for (Tensor& x : in)
    if (x.defined() && !x.is_contiguous()) x = x.detach().contiguous();
  return in;
}

template <size_t N>
std::array<Saved, N> saved(const std::array<Tensor, N>& tensors) {
  std::array<Saved, N> kept;
  std::transform(tensors.begin(), tensors.end(), kept.begin(), [](const Tensor& x) { return Saved(x); });
  return kept;
}

template <size_t N>
std::array<Tensor, N> read(const std::array<Saved, N>& kept) {
  std::array<Tensor, N> tensors;
  std::transform(kept.begin(), kept.end(), tensors.begin(), [](const Saved& x) { return *x; });
  return tensors;
}

/// x again, as a step of its own in the graph.
Tensor set_apart(const Tensor& x) {
  constexpr Op op("alias");
  return op.record(alias_of(x), wrt(x, [](const Tensor& dy) { return dy; }));
}

/// The gradients of a fused layer, and what they need.
struct Pullback {
  RecurrentKind kind;
  RecurrentSizes sizes;  // its lengths are those of `lengths`
  Tensor lengths;
  std::array<Saved, 7> inputs;
  std::array<Saved, 4> left;

  void operator()(std::span<Tensor> dy, InputGradients dx) const {
    if (recording_backward()) composed(dy, dx);
    else fused(dy, dx);
  }

  void fused(std::span<Tensor> dy, InputGradients dx) const {
    const Op op = op_of(kind);
    const Inputs in = dense(read(inputs));
    Inputs gradients;
    for (size_t i = 0; i < dx.size(); ++i)
      if (dx.needs(i)) dx[i] = gradients[i] = op.empty(in[i].shape(), in[i].dtype());
    std::array<Tensor, 3> dense_dy;
    for (size_t i = 0; i < dy.size(); ++i)
      if (dy[i].defined()) dense_dy[i] = dy[i].contiguous();
    dispatch_floating(op, in[0].dtype(), [&]<class T>() {
      kernels::recurrent_backward<T>(
          kind, sizes, pointers<const T>(in), pointers<T>(read(left)),
          {data_or_null<const T>(dense_dy[0]), data_or_null<const T>(dense_dy[1]), data_or_null<const T>(dense_dy[2])},
          pointers<T>(gradients));
    });
  }

  /// Through the composed form, itself recorded.
  void composed(std::span<Tensor> dy, InputGradients dx) const {
    Inputs in = read(inputs);
    std::vector<Tensor> outputs, gradients, needed;
    for (size_t i = 0; i < dx.size(); ++i) {
      if (!dx.needs(i)) continue;
      in[i] = set_apart(in[i]);  // inputs may be one tensor or depend on each other: each is to get only what reaches it through this layer
      needed.push_back(in[i]);
    }
    const auto& [x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh] = in;
    const RecurrentOutput results = composed_layer(kind, x, h0, c0, {weight_ih, weight_hh, bias_ih, bias_hh}, lengths, sizes.reverse);
    const Tensor* const all[] = {&results.output, &results.h_n, &results.c_n};
    for (size_t i = 0; i < dy.size(); ++i)
      if (dy[i].defined()) {
        outputs.push_back(*all[i]);
        gradients.push_back(dy[i]);
      }
    std::vector<Tensor> found = autograd::grad(outputs, needed, gradients, {.create_graph = true, .allow_unused = true});
    for (size_t i = 0, k = 0; i < dx.size(); ++i)
      if (dx.needs(i)) dx[i] = std::move(found[k++]);
  }
};

/// The layer by its kernels, on checked inputs. `lengths` belong to the layer alone. Backward is a kernel too, but under create_graph it
/// goes through the composed form.
RecurrentOutput fused_layer(RecurrentKind kind, const Inputs& in, const Tensor& lengths, RecurrentSizes s) {
  const Op op = op_of(kind);
  const DType dtype = in[0].dtype();
  const bool has_cells = kind == RecurrentKind::Lstm;
  s.lengths = data_or_null<const int64_t>(lengths);
  Left left = room_for(op, kind, s, dtype);
  const Tensor h_n = op.empty({s.B, s.H}, dtype), c_n = has_cells ? op.empty({s.B, s.H}, dtype) : Tensor();
  dispatch_floating(op, dtype, [&]<class T>() {
    kernels::recurrent_forward<T>(kind, s, pointers<const T>(dense(in)), pointers<T>(left), elements<T>(h_n), data_or_null<T>(c_n));
  });
  // Past a row's length the state is frozen but the output is 0; without lengths the two are one.
  const RecurrentOutput y{lengths.defined() ? where(mask_of(lengths, s.T), left[0], 0.0) : left[0], h_n, c_n};
  const std::array<Tensor, 3> outputs{y.output, y.h_n, y.c_n};
  op.record_joint(std::span(outputs).first(has_cells ? 3 : 2), in, [&] {
    // The states are kept under another handle: held by its own history, the output would never be freed.
    left[0] = alias_of(left[0]);
    return Pullback{kind, s, lengths, saved(in), saved(left)};
  });
  return y;
}

// ---- the layers

RecurrentOutput checked_layer(const Op& op, RecurrentKind kind, const Inputs& in, const Tensor& lengths, bool reverse) {
  RecurrentSizes s = checked_sizes(op, in, kernels::gates_of(kind));
  s.reverse = reverse;
  return fused_layer(kind, in, checked_lengths(op, lengths, s), s);
}

RecurrentKind gru_kind(bool reset_after) { return reset_after ? RecurrentKind::Gru : RecurrentKind::GruResetBefore; }

}  // namespace

RecurrentOutput rnn_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths, bool reverse,
                          bool use_relu) {
  constexpr Op op("rnn_layer");
  return checked_layer(op, use_relu ? RecurrentKind::RnnRelu : RecurrentKind::RnnTanh, inputs_of(x, h0, {}, weights), lengths, reverse);
}

RecurrentOutput gru_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths, bool reverse,
                          bool reset_after) {
  constexpr Op op("gru_layer");
  return checked_layer(op, gru_kind(reset_after), inputs_of(x, h0, {}, weights), lengths, reverse);
}

Tensor gru_cell(const Tensor& x, const Tensor& h, const RecurrentWeights& weights, bool reset_after) {
  constexpr Op op("gru_cell");
  Inputs in = inputs_of(x, h, {}, weights);
  const RecurrentSizes s = checked_sizes(op, in, 3, {.is_cell = true});
  in[0] = x.unsqueeze(0);
  return fused_layer(gru_kind(reset_after), in, {}, s).h_n;
}

RecurrentOutput lstm_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights, const Tensor& lengths,
                           bool reverse) {
  constexpr Op op("lstm_layer");
  const Tensor& weight_hr = weights.weight_hr;
  op.check<StateError>(h0.defined() == c0.defined(), "{} is undefined; give both h0 and c0, or neither", h0.defined() ? "c0" : "h0");
  if (h0.defined() && !weight_hr.defined())
    op.check<ShapeError>(h0.shape() == c0.shape(), "h0 has shape {} and c0 {}; without weight_hr they must be alike", h0.shape(),
                         c0.shape());
  const Inputs in = inputs_of(x, h0, c0, weights);
  if (!weight_hr.defined()) return checked_layer(op, RecurrentKind::Lstm, in, lengths, reverse);

  const RecurrentSizes s = checked_sizes(op, in, 4, {.projects = true});
  const Tensor own_lengths = checked_lengths(op, lengths, s);
  const int64_t P = weights.weight_hh.size(1);
  expect_dtype(op, "weight_hr", weight_hr, x.dtype());
  expect_shape(op, "weight_hr", weight_hr, {P, s.H}, [&] { return fmt::format("projection size {} and hidden size {}", P, s.H); });
  return composed_layer(RecurrentKind::Lstm, x, h0, c0, weights, own_lengths, reverse);
}

}  // namespace gradus
