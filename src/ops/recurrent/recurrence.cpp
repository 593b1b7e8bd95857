#include "ops/recurrent/recurrence.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/record.h"
#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"

namespace gradus {

using kernels::RecurrenceSizes;

void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape, const std::function<std::string()>& reason) {
  if (x.shape() == shape) return;
  check<ShapeError>(false, "{}: {} has shape {}, expected {} for {}", op, what, x.shape(), shape, reason());
}

RecurrenceSizes checked_sizes(const char* op, const RecurrentInputs& in, int64_t gates, bool cell) {
  const std::array<const char*, 7> names{"x", cell ? "h" : "h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "c0"};
  const auto& [x, h0, weight_ih, weight_hh, bias_ih, bias_hh, c0] = in;
  for (size_t i = 0; i <= kWeightHh; ++i)
    check<StateError>(in[i].defined(), "{}: {} is undefined; only the biases may be left out", op, names[i]);
  check<DTypeError>(is_floating_point(x.dtype()), "{}: x is {}; it must be float32 or float64", op, name(x.dtype()));
  for (size_t i = 1; i < in.size(); ++i)
    check<DTypeError>(!in[i].defined() || in[i].dtype() == x.dtype(), "{}: x is {} but {} is {}; all must have one dtype", op,
                      name(x.dtype()), names[i], in[i].defined() ? name(in[i].dtype()) : "");
  check<ShapeError>(x.dim() == (cell ? 2 : 3), "{}: x has shape {}, expected ({}batch, input size)", op, x.shape(), cell ? "" : "steps, ");
  for (const size_t i : {kH0, kC0})
    check<ShapeError>(!in[i].defined() || in[i].dim() == 2, "{}: {} has shape {}, expected (batch, hidden size)", op, names[i],
                      in[i].defined() ? in[i].shape() : Shape());
  const int64_t P = h0.size(1);
  const RecurrenceSizes s{.T = cell ? 1 : x.size(0), .B = x.size(-2), .I = x.size(-1), .H = c0.defined() ? c0.size(1) : P};
  check<ShapeError>(s.T > 0, "{}: x has shape {}, no steps; give at least one", op, x.shape());
  check<ShapeError>(s.I > 0 && s.H > 0 && P > 0, "{}: input size {} and hidden size {} must be positive", op, s.I, std::min(s.H, P));
  const auto batch = [&] { return fmt::format("the batch of x, {}", in[kX].shape()); };
  const auto hidden = [&] { return fmt::format("hidden size {}", s.H); };
  expect_shape(op, names[kH0], h0, {s.B, P}, batch);
  if (c0.defined()) expect_shape(op, "c0", c0, {s.B, s.H}, batch);
  expect_shape(op, "weight_ih", weight_ih, {gates * s.H, s.I}, [&] { return fmt::format("input size {} and {}", s.I, hidden()); });
  expect_shape(op, "weight_hh", weight_hh, {gates * s.H, P},
               [&] { return P == s.H ? hidden() : fmt::format("{} and projection size {}", hidden(), P); });
  if (bias_ih.defined()) expect_shape(op, "bias_ih", bias_ih, {gates * s.H}, hidden);
  if (bias_hh.defined()) expect_shape(op, "bias_hh", bias_hh, {gates * s.H}, hidden);
  return s;
}

Tensor checked_lengths(const char* op, const Tensor& lengths, const RecurrenceSizes& s) {
  if (!lengths.defined()) return {};
  check<DTypeError>(lengths.dtype() == DType::Int64, "{}: lengths are {}; convert them with .to(gradus::int64)", op, name(lengths.dtype()));
  check<ShapeError>(lengths.shape() == Shape{s.B}, "{}: lengths have shape {}, expected {}, one for each row of the batch", op,
                    lengths.shape(), Shape{s.B});
  const std::vector<int64_t> values = lengths.to_vector<int64_t>();
  for (size_t i = 0; i < values.size(); ++i)
    check<ValueError>(values[i] >= 0 && values[i] <= s.T, "{}: length {} at [{}] is not in 0 to {}, the number of steps", op, values[i], i,
                      s.T);
  return clone(lengths);
}

namespace {

/// (T, B, 1): whether a row is still within its length.
Tensor mask_of(const Tensor& lengths, int64_t T) { return lt(arange(T).unsqueeze(1), lengths.unsqueeze(0)).unsqueeze(2); }

/// What the pullback keeps.
struct Tape {
  const RecurrentKind* kind;
  RecurrenceSizes sizes;  // its lengths are those of `lengths`
  Tensor lengths;
  std::array<Saved, 7> inputs;
  std::array<Saved, 3> saved;
};

RecurrentInputs inputs_of(const Tape& tape) {
  RecurrentInputs in;
  for (size_t i = 0; i < in.size(); ++i) in[i] = *tape.inputs[i];
  return in;
}

/// x again, as a step of its own in the graph.
Tensor set_apart(const Tensor& x) {
  return record("alias", alias_of(x), wrt(x, [](const Tensor& dy) { return dy; }));
}

/// Gradients through the composed form, themselves recorded.
void pull_recorded(const Tape& tape, std::span<Tensor> dy, std::span<Tensor> dx) {
  RecurrentInputs in = inputs_of(tape);
  // The inputs may be one tensor or depend on each other; set apart, each gets only what reaches it through this layer.
  for (Tensor& x : in)
    if (x.defined()) x = set_apart(x);
  const auto step = [&](const Tensor& input_part, const std::vector<Tensor>& states) { return tape.kind->step(input_part, states, in); };
  const std::vector<Tensor> results = composed_layer(step, in, tape.lengths, tape.sizes.reverse);
  std::vector<Tensor> outputs, gradients, wanted;
  for (size_t i = 0; i < results.size(); ++i)
    if (dy[i].defined()) {
      outputs.push_back(results[i]);
      gradients.push_back(dy[i]);
    }
  std::vector<size_t> places;
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].defined() && in[i].requires_grad()) {
      wanted.push_back(in[i]);
      places.push_back(i);
    }
  const std::vector<Tensor> found = autograd::grad(outputs, wanted, gradients, {.create_graph = true, .allow_unused = true});
  for (size_t i = 0; i < found.size(); ++i) dx[places[i]] = found[i];
}

void pull_fused(const Tape& tape, std::span<Tensor> dy, std::span<Tensor> dx) {
  RecurrentInputs in = inputs_of(tape), wanted;
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].defined()) {
      if (in[i].requires_grad()) dx[i] = wanted[i] = new_tensor(tape.kind->name, in[i].shape(), in[i].dtype());
      in[i] = in[i].contiguous();
    }
  std::array<Tensor, 3> saved, dense;
  for (size_t i = 0; i < saved.size(); ++i) saved[i] = *tape.saved[i];
  for (size_t i = 0; i < dy.size(); ++i)
    if (dy[i].defined()) dense[i] = dy[i].contiguous();
  tape.kind->backward(tape.sizes, in, saved, dense, wanted);
}

}  // namespace

std::vector<Tensor> composed_layer(const RecurrentStep& step, const RecurrentInputs& in, const Tensor& lengths, bool reverse) {
  const int64_t T = in[kX].size(0);
  const Tensor mask = lengths.defined() ? mask_of(lengths, T) : Tensor();
  // Past its length a row's x may be NaN, which would spoil the weights' gradients.
  const Tensor x = mask.defined() ? where(mask, in[kX], 0.0) : in[kX];
  const std::vector<Tensor> parts = unbind(linear(x, in[kWeightIh], in[kBiasIh]));
  std::vector<Tensor> states{in[kH0]}, outputs(parts.size());
  if (in[kC0].defined()) states.push_back(in[kC0]);
  for (int64_t i = 0; i < T; ++i) {
    const int64_t t = reverse ? T - 1 - i : i;
    std::vector<Tensor> next = step(parts[static_cast<size_t>(t)], states);
    if (mask.defined())
      for (size_t k = 0; k < states.size(); ++k) next[k] = where(select(mask, 0, t), next[k], states[k]);
    states = std::move(next);
    outputs[static_cast<size_t>(t)] = states[0];
  }
  const Tensor output = stack(outputs);
  std::vector<Tensor> results{mask.defined() ? where(mask, output, 0.0) : output};
  results.insert(results.end(), states.begin(), states.end());
  return results;
}

namespace {

/// Room for the states after every step, (T, B, H), beside a copy of h0: together they are also the states before every step.
Tensor states_beside(const RecurrentKind& kind, const Tensor& h0, const RecurrenceSizes& s) {
  const NoGradGuard no_grad;
  const Tensor all = new_tensor(kind.name, {s.T + 1, s.B, s.H}, h0.dtype());
  copy_elements(h0, select(all, 0, s.reverse ? s.T : 0));
  return narrow(all, 0, s.reverse ? 0 : 1, s.T);
}

}  // namespace

std::vector<Tensor> fused_layer(const RecurrentKind& kind, const RecurrentInputs& in, const Tensor& lengths, RecurrenceSizes s) {
  s.lengths = data_or_null<int64_t>(lengths);
  const DType dtype = in[kX].dtype();
  std::array<Tensor, 3> saved{states_beside(kind, in[kH0], s)};
  for (size_t i = 0; i < kind.saved_width.size(); ++i)
    if (kind.saved_width[i] > 0) saved[i + 1] = new_tensor(kind.name, {s.T, s.B, kind.saved_width[i] * s.H}, dtype);
  std::vector<Tensor> last{new_tensor(kind.name, {s.B, s.H}, dtype)};
  if (in[kC0].defined()) last.push_back(new_tensor(kind.name, {s.B, s.H}, dtype));
  Tensor output = saved[0];
  {
    NoGradGuard no_grad;
    RecurrentInputs dense = in;
    for (Tensor& t : dense)
      if (t.defined()) t = t.contiguous();
    kind.forward(s, dense, saved, last);
    // Past a row's length the state is frozen but the output is 0; without lengths the two are one.
    if (lengths.defined()) output = where(mask_of(lengths, s.T), output, 0.0);
  }
  // The states are kept under another handle: held by its own history, the output would never be freed.
  saved[0] = alias_of(saved[0]);
  Tape tape{&kind, s, lengths, {}, {}};
  for (size_t i = 0; i < in.size(); ++i) tape.inputs[i] = Saved(in[i]);
  for (size_t i = 0; i < saved.size(); ++i) tape.saved[i] = Saved(saved[i]);
  std::vector<Tensor> results{output};
  results.insert(results.end(), last.begin(), last.end());
  record_joint(kind.name, results, in, [tape = std::move(tape)](std::span<Tensor> dy, std::span<Tensor> dx) {
    if (recording_backward()) pull_recorded(tape, dy, dx);
    else pull_fused(tape, dy, dx);
  });
  return results;
}

}  // namespace gradus
