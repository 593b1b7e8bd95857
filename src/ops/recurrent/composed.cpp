#include "ops/recurrent/composed.h"

#include <vector>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"

namespace gradus {
namespace {

using kernels::RecurrentKind;

/// The states of the rows: the hidden state, and the cell of an LSTM.
struct States {
  Tensor h, c;
};

Tensor gru_step(const Tensor& input_part, const Tensor& h, const RecurrentWeights& w, bool reset_after) {
  const int64_t H = h.size(1);
  const auto gate = [&](const Tensor& x, int64_t i) { return narrow(x, 1, i * H, H); };
  const auto bias_of = [&](int64_t from, int64_t length) { return w.bias_hh.defined() ? narrow(w.bias_hh, 0, from, length) : Tensor(); };
  const Tensor rz = linear(h, narrow(w.weight_hh, 0, 0, 2 * H), bias_of(0, 2 * H));
  const Tensor weight_hn = narrow(w.weight_hh, 0, 2 * H, H), bias_hn = bias_of(2 * H, H);
  const Tensor r = sigmoid(gate(input_part, 0) + gate(rz, 0));
  const Tensor z = sigmoid(gate(input_part, 1) + gate(rz, 1));
  const Tensor inner = reset_after ? r * linear(h, weight_hn, bias_hn) : linear(r * h, weight_hn, bias_hn);
  const Tensor n = tanh(gate(input_part, 2) + inner);
  return n + z * (h - n);
}

States lstm_step(const Tensor& input_part, const States& before, const RecurrentWeights& w) {
  const std::vector<Tensor> g = chunk(input_part + linear(before.h, w.weight_hh, w.bias_hh), 4, 1);  // i, f, g, o
  const Tensor c = sigmoid(g[1]) * before.c + sigmoid(g[0]) * tanh(g[2]);
  const Tensor h = sigmoid(g[3]) * tanh(c);
  return {w.weight_hr.defined() ? linear(h, w.weight_hr) : h, c};
}

/// The states after a step from those before it. `input_part` (B, G H) is W_ih x + b_ih.
States step(RecurrentKind kind, const Tensor& input_part, const States& before, const RecurrentWeights& w) {
  if (kind == RecurrentKind::Lstm) return lstm_step(input_part, before, w);
  if (kind == RecurrentKind::Gru) return {gru_step(input_part, before.h, w, true), {}};
  if (kind == RecurrentKind::GruResetBefore) return {gru_step(input_part, before.h, w, false), {}};
  const Tensor sum = input_part + linear(before.h, w.weight_hh, w.bias_hh);
  return {kind == RecurrentKind::RnnRelu ? relu(sum) : tanh(sum), {}};
}

}  // namespace

Tensor mask_of(const Tensor& lengths, int64_t T) { return lt(arange(T).unsqueeze(1), lengths.unsqueeze(0)).unsqueeze(2); }

RecurrentOutput composed_layer(RecurrentKind kind, const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights,
                               const Tensor& lengths, bool reverse) {
  const int64_t T = x.size(0);
  const auto or_zeros = [&](const Tensor& state, int64_t size) {
    return state.defined() ? state : zeros({x.size(1), size}, {.dtype = x.dtype()});
  };
  const Tensor mask = lengths.defined() ? mask_of(lengths, T) : Tensor();
  // Past its length a row's x may be NaN, which would spoil the weights' gradients.
  const Tensor read = mask.defined() ? where(mask, x, 0.0) : x;
  const std::vector<Tensor> parts = unbind(linear(read, weights.weight_ih, weights.bias_ih));
  States states{or_zeros(h0, weights.weight_hh.size(1)), {}};
  if (kind == RecurrentKind::Lstm) states.c = or_zeros(c0, weights.weight_hh.size(0) / kernels::gates_of(kind));
  std::vector<Tensor> outputs(parts.size());
  for (int64_t i = 0; i < T; ++i) {
    const int64_t t = reverse ? T - 1 - i : i;
    States next = step(kind, parts[static_cast<size_t>(t)], states, weights);
    if (mask.defined()) {
      const Tensor active = select(mask, 0, t);
      next.h = where(active, next.h, states.h);
      if (next.c.defined()) next.c = where(active, next.c, states.c);
    }
    states = std::move(next);
    outputs[static_cast<size_t>(t)] = states.h;
  }
  const Tensor output = stack(outputs);
  return {mask.defined() ? where(mask, output, 0.0) : output, states.h, states.c};
}

}  // namespace gradus
