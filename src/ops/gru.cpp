#include "gradus/ops/gru.h"

#include <fmt/format.h>

#include <array>
#include <string>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/ops.h"
#include "kernels/gru.h"

namespace gradus {
namespace {

/// Everything a layer works on, as tensors: x, h0, weight_ih, weight_hh, bias_ih, bias_hh (undefined where there is none).
using Inputs = std::array<Tensor, 6>;

constexpr std::array<const char*, 6> kNames{"x", "h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"};

void expect(const char* op, const char* what, const Tensor& x, const Shape& shape, const std::string& reason) {
  check<ShapeError>(x.shape() == shape, "{}: {} has shape {}, expected {} for {}", op, what, x.shape(), shape, reason);
}

/// T, B, I, H, with every shape and dtype checked against them. x is (T, B, I) for gru_layer and (B, I) for gru_cell.
kernels::GruSizes checked_sizes(const char* op, const Inputs& in, bool cell) {
  const auto& [x, h0, weight_ih, weight_hh, bias_ih, bias_hh] = in;
  for (size_t i = 0; i < 4; ++i) check<StateError>(in[i].defined(), "{}: {} is undefined; only the biases may be left out", op, kNames[i]);
  check<DTypeError>(is_floating_point(x.dtype()), "{}: x is {}; it must be float32 or float64", op, name(x.dtype()));
  for (size_t i = 1; i < in.size(); ++i)
    check<DTypeError>(!in[i].defined() || in[i].dtype() == x.dtype(), "{}: x is {} but {} is {}; all must have one dtype", op,
                      name(x.dtype()), kNames[i], in[i].defined() ? name(in[i].dtype()) : "");
  check<ShapeError>(x.dim() == (cell ? 2 : 3), "{}: x has shape {}, expected ({}batch, input size)", op, x.shape(), cell ? "" : "steps, ");
  check<ShapeError>(h0.dim() == 2, "{}: {} has shape {}, expected (batch, hidden size)", op, cell ? "h" : "h0", h0.shape());
  const kernels::GruSizes s{{.T = cell ? 1 : x.size(0), .B = x.size(-2), .I = x.size(-1), .H = h0.size(1)}};
  check<ShapeError>(s.T > 0, "{}: x has shape {}, no steps; give at least one", op, x.shape());
  check<ShapeError>(s.I > 0 && s.H > 0, "{}: input size {} and hidden size {} must be positive", op, s.I, s.H);
  const std::string hidden = fmt::format("hidden size {}", s.H);
  check<ShapeError>(h0.size(0) == s.B, "{}: {} has shape {}, expected {} for the batch of x, {}", op, cell ? "h" : "h0", h0.shape(),
                    Shape{s.B, s.H}, x.shape());
  expect(op, "weight_ih", weight_ih, {3 * s.H, s.I}, fmt::format("input size {} and {}", s.I, hidden));
  expect(op, "weight_hh", weight_hh, {3 * s.H, s.H}, hidden);
  if (bias_ih.defined()) expect(op, "bias_ih", bias_ih, {3 * s.H}, hidden);
  if (bias_hh.defined()) expect(op, "bias_hh", bias_hh, {3 * s.H}, hidden);
  return s;
}

void check_lengths(const Tensor& lengths, const kernels::GruSizes& s) {
  check<DTypeError>(lengths.dtype() == DType::Int64, "gru_layer: lengths are {}; convert them with .to(gradus::int64)",
                    name(lengths.dtype()));
  check<ShapeError>(lengths.shape() == Shape{s.B}, "gru_layer: lengths have shape {}, expected {}, one for each row of the batch",
                    lengths.shape(), Shape{s.B});
  const std::vector<int64_t> values = lengths.to_vector<int64_t>();
  for (size_t i = 0; i < values.size(); ++i)
    check<ValueError>(values[i] >= 0 && values[i] <= s.T, "gru_layer: length {} at [{}] is not in 0 to {}, the number of steps", values[i],
                      i, s.T);
}

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

template <class T>
kernels::RecurrentWeightsView<T> weights_view(const Inputs& in) {
  return {in[2].data<T>(), in[3].data<T>(), data_or_null<T>(in[4]), data_or_null<T>(in[5])};
}

Tensor step(const Tensor& input_part, const Tensor& h, const Inputs& in, bool reset_after) {
  const int64_t H = h.size(1);
  const auto gate = [&](const Tensor& x, int64_t i) { return narrow(x, 1, i * H, H); };
  const auto bias = [&](int64_t from, int64_t length) { return in[5].defined() ? narrow(in[5], 0, from, length) : Tensor(); };
  const Tensor rz = linear(h, narrow(in[3], 0, 0, 2 * H), bias(0, 2 * H));
  const Tensor weight_hn = narrow(in[3], 0, 2 * H, H), bias_hn = bias(2 * H, H);
  const Tensor r = sigmoid(gate(input_part, 0) + gate(rz, 0));
  const Tensor z = sigmoid(gate(input_part, 1) + gate(rz, 1));
  const Tensor inner = reset_after ? r * linear(h, weight_hn, bias_hn) : linear(r * h, weight_hn, bias_hn);
  const Tensor n = tanh(gate(input_part, 2) + inner);
  return n + z * (h - n);
}

/// The same layer out of operations that can be differentiated any number of times: gives the states of every step, (T, B, H).
Tensor composed(const Inputs& in, const Tensor& lengths, bool reverse, bool reset_after) {
  const int64_t T = in[0].size(0);
  const std::vector<Tensor> parts = unbind(linear(in[0], in[2], in[4]));
  std::vector<Tensor> states(static_cast<size_t>(T));
  Tensor h = in[1];
  for (int64_t i = 0; i < T; ++i) {
    const auto t = static_cast<size_t>(reverse ? T - 1 - i : i);
    Tensor next = step(parts[t], h, in, reset_after);
    if (lengths.defined()) next = where(gt(lengths, static_cast<int64_t>(t)).unsqueeze(1), next, h);
    states[t] = h = next;
  }
  return stack(states);
}

Tensor mask_of(const Tensor& lengths, int64_t T) { return lt(arange(T).unsqueeze(1), lengths.unsqueeze(0)).unsqueeze(2); }  // (T, B, 1)

/// What the pullback keeps.
struct Tape {
  std::array<Saved, 6> inputs;
  Saved gates, inner, states;
  Tensor lengths;
  bool reverse, reset_after;
};

Inputs unpack(const Tape& tape) {
  Inputs in;
  for (size_t i = 0; i < in.size(); ++i) in[i] = *tape.inputs[i];
  return in;
}

/// x again, as a step of its own in the graph.
Tensor set_apart(const Tensor& x) {
  return record("alias", alias_of(x), wrt(x, [](const Tensor& dy) { return dy; }));
}

/// Gradients through the composed form, themselves recorded.
void pull_recorded(const Tape& tape, std::span<Tensor> dy, std::span<Tensor> dx) {
  Inputs in = unpack(tape);
  // The inputs may be one tensor or depend on each other; set apart, each gets only what reaches it through this layer.
  for (Tensor& x : in)
    if (x.defined()) x = set_apart(x);
  const Tensor states = composed(in, tape.lengths, tape.reverse, tape.reset_after);
  const int64_t T = states.size(0);
  std::vector<Tensor> outputs, gradients, wanted;
  std::vector<size_t> places;
  if (dy[0].defined()) {
    outputs.push_back(tape.lengths.defined() ? where(mask_of(tape.lengths, T), states, 0.0) : states);
    gradients.push_back(dy[0]);
  }
  if (dy[1].defined()) {
    outputs.push_back(select(states, 0, tape.reverse ? 0 : T - 1));
    gradients.push_back(dy[1]);
  }
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].defined() && in[i].requires_grad()) {
      wanted.push_back(in[i]);
      places.push_back(i);
    }
  const std::vector<Tensor> found = autograd::grad(outputs, wanted, gradients, {.create_graph = true, .allow_unused = true});
  for (size_t i = 0; i < found.size(); ++i) dx[places[i]] = found[i];
}

void pull_fused(const Tape& tape, std::span<Tensor> dy, std::span<Tensor> dx) {
  Inputs in = unpack(tape);
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].defined()) {
      if (in[i].requires_grad()) dx[i] = new_tensor("gru", in[i].shape(), in[i].dtype());
      in[i] = in[i].contiguous();
    }
  const Tensor& states = *tape.states;
  const kernels::GruSizes s{{.T = states.size(0),
                             .B = states.size(1),
                             .I = in[0].size(2),
                             .H = states.size(2),
                             .reverse = tape.reverse,
                             .lengths = data_or_null<int64_t>(tape.lengths)},
                            tape.reset_after};
  const Tensor d_output = dy[0].defined() ? dy[0].contiguous() : Tensor(), d_last = dy[1].defined() ? dy[1].contiguous() : Tensor();
  dispatch_floating("gru", in[0].dtype(), [&]<class T>() {
    const auto target = [&](size_t i) { return dx[i].defined() ? dx[i].data<T>() : nullptr; };
    kernels::gru_backward<T>(s, in[0].data<T>(), in[1].data<T>(), weights_view<T>(in),
                             {tape.gates->data<T>(), tape.inner->data<T>(), states.data<T>()}, data_or_null<T>(d_output),
                             data_or_null<T>(d_last), {target(0), target(1), target(2), target(3), target(4), target(5)});
  });
}

/// The layer on checked inputs; lengths belong to it alone.
GRUOutput run(const Inputs& in, const Tensor& lengths, kernels::GruSizes s) {
  s.lengths = data_or_null<int64_t>(lengths);
  const DType dtype = in[0].dtype();
  Tensor states = new_tensor("gru", {s.T, s.B, s.H}, dtype), h_n = new_tensor("gru", {s.B, s.H}, dtype);
  Tensor gates = new_tensor("gru", {s.T, s.B, 3 * s.H}, dtype), inner = new_tensor("gru", {s.T, s.B, s.H}, dtype);
  Tensor output = states;
  {
    NoGradGuard no_grad;
    Inputs dense = in;
    for (Tensor& t : dense)
      if (t.defined()) t = t.contiguous();
    dispatch_floating("gru", dtype, [&]<class T>() {
      kernels::gru_forward<T>(s, dense[0].data<T>(), dense[1].data<T>(), weights_view<T>(dense),
                              {gates.data<T>(), inner.data<T>(), states.data<T>()}, h_n.data<T>());
    });
    // Past a row's length the state is frozen but the output is 0; without lengths the two are one.
    if (lengths.defined()) output = where(mask_of(lengths, s.T), states, 0.0);
  }
  // The states are kept under another handle: held by its own history, the output would never be freed.
  Tape tape{{}, Saved(gates), Saved(inner), Saved(alias_of(states)), lengths, s.reverse, s.reset_after};
  for (size_t i = 0; i < in.size(); ++i) tape.inputs[i] = Saved(in[i]);
  const std::array<Tensor, 2> outputs{output, h_n};
  record_joint("gru", outputs, in, [tape = std::move(tape)](std::span<Tensor> dy, std::span<Tensor> dx) {
    if (recording_backward()) pull_recorded(tape, dy, dx);
    else pull_fused(tape, dy, dx);
  });
  return {output, h_n};
}

}  // namespace

GRUOutput gru_layer(const Tensor& x, const Tensor& h0, const GRUWeights& weights, const Tensor& lengths, bool reverse, bool reset_after) {
  const Inputs in{x, h0, weights.weight_ih, weights.weight_hh, weights.bias_ih, weights.bias_hh};
  kernels::GruSizes s = checked_sizes("gru_layer", in, false);
  if (lengths.defined()) check_lengths(lengths, s);
  s.reverse = reverse;
  s.reset_after = reset_after;
  return run(in, lengths.defined() ? clone(lengths) : Tensor(), s);
}

Tensor gru_cell(const Tensor& x, const Tensor& h, const GRUWeights& weights, bool reset_after) {
  Inputs in{x, h, weights.weight_ih, weights.weight_hh, weights.bias_ih, weights.bias_hh};
  kernels::GruSizes s = checked_sizes("gru_cell", in, true);
  s.reset_after = reset_after;
  in[0] = unsqueeze(x, 0);
  return run(in, {}, s).h_n;
}

}  // namespace gradus
