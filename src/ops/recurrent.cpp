#include "gradus/ops/recurrent.h"

#include <functional>

#include "autograd/record.h"
#include "core/check.h"
#include "gradus/ops.h"

namespace gradus {
namespace {

struct Sizes {
  int64_t T, B, I, H;  // H: of the hidden state, which a projection may make smaller than the gates' width
};

void expect(const char* op, const char* what, const Tensor& x, const Shape& shape) {
  check<ShapeError>(impl_of(op, x).layout.shape == shape, "{}: {} has shape {}, expected {}", op, what, x.shape(), shape);
}

/// Checks every shape and dtype; `width` is that of one gate.
Sizes checked(const char* op, const Tensor& x, const Tensor& h0, const RecurrentWeights& w, int64_t gates, int64_t width) {
  check<ShapeError>(x.dim() == 3, "{}: x has shape {}, expected (steps, batch, input size)", op, x.shape());
  check<ShapeError>(impl_of(op, h0).layout.rank() == 2, "{}: h0 has shape {}, expected (batch, hidden size)", op, h0.shape());
  const Sizes s{x.size(0), x.size(1), x.size(2), h0.size(1)};
  check<ShapeError>(s.T > 0, "{}: x has shape {}, no steps; give at least one", op, x.shape());
  expect(op, "h0", h0, {s.B, s.H});
  expect(op, "weight_ih", w.weight_ih, {gates * width, s.I});
  expect(op, "weight_hh", w.weight_hh, {gates * width, s.H});
  if (w.bias_ih.defined()) expect(op, "bias_ih", w.bias_ih, gates * width);
  if (w.bias_hh.defined()) expect(op, "bias_hh", w.bias_hh, gates * width);
  check<DTypeError>(is_floating_point(x.dtype()), "{}: x is {}; it must be float32 or float64", op, name(x.dtype()));
  for (const Tensor& t : {h0, w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh, w.weight_hr})
    check<DTypeError>(!t.defined() || t.dtype() == x.dtype(), "{}: x is {}, but a state or weight is {}; convert one with .to()", op,
                      name(x.dtype()), t.defined() ? name(t.dtype()) : "");
  return s;
}

void check_lengths(const char* op, const Tensor& lengths, const Sizes& s) {
  if (!lengths.defined()) return;
  check<DTypeError>(lengths.dtype() == DType::Int64, "{}: lengths are {}; convert them with .to(gradus::int64)", op, name(lengths.dtype()));
  check<ShapeError>(lengths.shape() == Shape(s.B), "{}: lengths have shape {}, expected {}, one for each row of the batch", op,
                    lengths.shape(), Shape(s.B));
  const std::vector<int64_t> values = lengths.to_vector<int64_t>();
  for (size_t i = 0; i < values.size(); ++i)
    check<ValueError>(values[i] >= 0 && values[i] <= s.T, "{}: length {} at [{}] is not in 0 to {}, the number of steps", op, values[i], i,
                      s.T);
}

/// The recurrence over all steps: next(t, states) gives the states after step t. Rows past their length keep theirs, and give 0.
using Next = std::function<std::vector<Tensor>(int64_t t, const std::vector<Tensor>& states)>;

Tensor recur(const Sizes& s, const Tensor& lengths, bool reverse, std::vector<Tensor>& states, const Next& next) {
  std::vector<Tensor> outputs(static_cast<size_t>(s.T));
  for (int64_t i = 0; i < s.T; ++i) {
    const int64_t t = reverse ? s.T - 1 - i : i;
    std::vector<Tensor> after = next(t, states);
    Tensor& output = outputs[static_cast<size_t>(t)];
    if (!lengths.defined()) {
      output = after[0];
      states = std::move(after);
      continue;
    }
    const Tensor active = unsqueeze(gt(lengths, t), 1);
    output = where(active, after[0], 0.0);
    for (size_t k = 0; k < states.size(); ++k) states[k] = where(active, after[k], states[k]);
  }
  return stack(outputs);
}

}  // namespace

RNNLayerOutput rnn_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& w, const Tensor& lengths, bool reverse, bool use_relu) {
  impl_of("rnn_layer", x);
  impl_of("rnn_layer", h0);
  const Sizes s = checked("rnn_layer", x, h0, w, 1, h0.size(-1));
  check_lengths("rnn_layer", lengths, s);
  const Tensor inputs = linear(x, w.weight_ih, w.bias_ih);  // (T, B, H), for all steps at once
  std::vector<Tensor> states{h0};
  const Tensor output = recur(s, lengths, reverse, states, [&](int64_t t, const std::vector<Tensor>& h) {
    const Tensor sum = add(select(inputs, 0, t), linear(h[0], w.weight_hh, w.bias_hh));
    return std::vector<Tensor>{use_relu ? relu(sum) : tanh(sum)};
  });
  return {output, states[0]};
}

LSTMLayerOutput lstm_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& w, const Tensor& lengths,
                           bool reverse) {
  impl_of("lstm_layer", x);
  check<ShapeError>(impl_of("lstm_layer", c0).layout.rank() == 2, "lstm_layer: c0 has shape {}, expected (batch, hidden size)", c0.shape());
  const int64_t H = c0.size(1);
  const Sizes s = checked("lstm_layer", x, h0, w, 4, H);
  expect("lstm_layer", "c0", c0, {s.B, H});
  if (w.weight_hr.defined()) expect("lstm_layer", "weight_hr", w.weight_hr, {s.H, H});
  else check<ShapeError>(s.H == H, "lstm_layer: h0 has {} features and c0 {}; they must agree without weight_hr", s.H, H);
  check<DTypeError>(c0.dtype() == x.dtype(), "lstm_layer: x is {} and c0 {}; convert one with .to()", name(x.dtype()), name(c0.dtype()));
  check_lengths("lstm_layer", lengths, s);
  const Tensor inputs = linear(x, w.weight_ih, w.bias_ih);  // (T, B, 4H), for all steps at once
  std::vector<Tensor> states{h0, c0};
  const Tensor output = recur(s, lengths, reverse, states, [&](int64_t t, const std::vector<Tensor>& state) {
    const Tensor gates = add(select(inputs, 0, t), linear(state[0], w.weight_hh, w.bias_hh));
    const std::vector<Tensor> g = chunk(gates, 4, 1);  // i, f, g, o
    const Tensor c = add(mul(sigmoid(g[1]), state[1]), mul(sigmoid(g[0]), tanh(g[2])));
    const Tensor h = mul(sigmoid(g[3]), tanh(c));
    return std::vector<Tensor>{w.weight_hr.defined() ? linear(h, w.weight_hr) : h, c};
  });
  return {output, states[0], states[1]};
}

}  // namespace gradus
