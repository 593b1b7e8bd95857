#include "gradus/nn/rnn.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/nn/init.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/shape.h"
#include "nn/module_size.h"

namespace gradus::nn {
namespace {

/// What differs from the default, as PyTorch prints it.
template <class Options>
std::string details(const Options& o) {
  std::string text;
  if (o.num_layers != 1) text += fmt::format(", num_layers={}", o.num_layers);
  if (!o.bias) text += ", bias=False";
  if (o.batch_first) text += ", batch_first=True";
  if (o.dropout != 0) text += fmt::format(", dropout={}", o.dropout);
  if (o.bidirectional) text += ", bidirectional=True";
  return text;
}

Tensor uniform(const Shape& shape, int64_t hidden_size) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden_size));
  return init::uniform_(empty(shape), -bound, bound);
}

void check_positive(const char* module, int64_t input_size, int64_t hidden_size) {
  check<ValueError>(input_size > 0 && hidden_size > 0, "{}: input_size {} and hidden_size {} must be positive", module, input_size,
                    hidden_size);
}

}  // namespace

void RecurrentLayers::Form::check_options() const {
  check_positive(name, input_size, hidden_size);
  check<ValueError>(num_layers > 0, "{}: num_layers {} must be positive", name, num_layers);
  check<ValueError>(dropout >= 0 && dropout <= 1, "{}: dropout {} is not a probability; give 0 to 1", name, dropout);
  check<ValueError>(dropout == 0 || num_layers > 1,
                    "{}: dropout {} acts between layers, but there is one layer; use nn::Dropout on its output", name, dropout);
  check<ValueError>(proj_size >= 0 && proj_size < hidden_size, "{}: proj_size {} is not in 0 to {}, below hidden_size", name, proj_size,
                    hidden_size - 1);
  const double D = static_cast<double>(directions()), H = static_cast<double>(hidden_size), P = static_cast<double>(proj_size);
  const double S = P > 0 ? P : H, rows = static_cast<double>(gates) * H, more = static_cast<double>(num_layers - 1);
  const auto numbers = [&](double inputs) { return D * (rows * (inputs + S + 2) + P * H); };
  check_size(name, (more + 1) * D * 4, numbers(static_cast<double>(input_size)) + more * numbers(D * S),
             fmt::format("input_size {}, hidden_size {} and num_layers {}", input_size, hidden_size, num_layers));
}

RecurrentLayers::RecurrentLayers(const Form& form, const std::string& more_details)
    : Module(form.name, fmt::format("{}, {}{}", form.input_size, form.hidden_size, more_details)), form_(form) {
  form.check_options();
  const int64_t rows = form.gates * form.hidden_size;
  for (int64_t layer = 0; layer < form.num_layers; ++layer)
    for (int64_t direction = 0; direction < form.directions(); ++direction) {
      const int64_t inputs = layer == 0 ? form.input_size : form.state_size() * form.directions();
      const std::string suffix = fmt::format("_l{}{}", layer, direction ? "_reverse" : "");
      const auto add = [&](const char* kind, const Shape& shape) {
        return register_parameter(kind + suffix, uniform(shape, form.hidden_size));
      };
      Weights& w = weights_.emplace_back();
      w.weight_ih = add("weight_ih", {rows, inputs});
      w.weight_hh = add("weight_hh", {rows, form.state_size()});
      if (form.bias) w.bias_ih = add("bias_ih", rows);
      if (form.bias) w.bias_hh = add("bias_hh", rows);
      if (form.proj_size > 0) w.weight_hr = add("weight_hr", {form.proj_size, form.hidden_size});
    }
}

/// Before its layers do, who see it in parts; they check the rest.
void RecurrentLayers::check_state(const char* name, const Tensor& state, const Tensor& x, int64_t size) const {
  if (!state.defined()) return;
  Shape expected{form_.num_layers * form_.directions()};
  if (x.dim() == 3) expected.push_back(x.size(form_.batch_first ? 0 : 1));
  expected.push_back(size);
  if (state.shape() == expected) return;
  fail<ShapeError>("{}: {} has shape {}, expected {}", form_.name, name, state.shape(), expected);
}

RecurrentOutput RecurrentLayers::run(const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& lengths) const {
  check<ShapeError>(x.dim() == 2 || x.dim() == 3, "{}: x has shape {}, expected {} or, for one sequence, (steps, features)", form_.name,
                    x.shape(), form_.batch_first ? "(batch, steps, features)" : "(steps, batch, features)");
  check<ShapeError>(x.size(-1) == form_.input_size, "{}: input has {} features, expected {} (shape {})", form_.name, x.size(-1),
                    form_.input_size, x.shape());
  check<ShapeError>(!lengths.defined() || x.dim() == 3, "{}: lengths belong to a batch, but x has shape {}", form_.name, x.shape());
  check_state("h0", h0, x, form_.state_size());
  check_state("c0", c0, x, form_.hidden_size);

  const bool batched = x.dim() == 3;
  Tensor layer_input = !batched ? x.unsqueeze(1) : form_.batch_first ? x.transpose(0, 1) : x;  // (T, B, I)
  const auto start_of = [&](const Tensor& states, int64_t at) {
    if (!states.defined()) return Tensor();
    const Tensor start = states.select(0, at);
    return batched ? start : start.unsqueeze(0);
  };
  std::vector<Tensor> h_n, c_n;
  for (int64_t layer = 0; layer < form_.num_layers; ++layer) {
    if (layer > 0 && form_.dropout > 0) layer_input = dropout(layer_input, form_.dropout, is_training());
    std::vector<Tensor> outputs;
    for (int64_t direction = 0; direction < form_.directions(); ++direction) {
      const int64_t at = layer * form_.directions() + direction;
      const Weights& w = weights_[static_cast<size_t>(at)];
      const RecurrentOutput y = run_layer(layer_input, start_of(h0, at), start_of(c0, at),
                                          {w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh, w.weight_hr}, lengths, direction == 1);
      outputs.push_back(y.output);
      h_n.push_back(y.h_n);
      if (form_.has_cells) c_n.push_back(y.c_n);
    }
    layer_input = outputs.size() == 1 ? outputs[0] : cat(outputs, 2);
  }
  // (layers * D, B, H), or (layers * D, H) for one sequence.
  const auto stacked = [&](const std::vector<Tensor>& states) {
    if (states.size() == 1) return batched ? unsqueeze(states[0], 0) : states[0];
    return batched ? stack(states) : stack(states).squeeze(1);
  };
  return {!batched            ? layer_input.squeeze(1)
          : form_.batch_first ? layer_input.transpose(0, 1)
                              : layer_input,
          stacked(h_n), form_.has_cells ? stacked(c_n) : Tensor()};
}

GRU::GRU(int64_t input_size, int64_t hidden_size, const GRUOptions& o)
    : RecurrentLayers({"GRU", 3, input_size, hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional},
                      details(o) + (o.reset_after ? "" : ", reset_after=False")),
      options_(o) {}

RecurrentOutput GRU::run_layer(const Tensor& x, const Tensor& h0, const Tensor&, const RecurrentWeights& weights, const Tensor& lengths,
                               bool reverse) const {
  return gru_layer(x, h0, weights, lengths, reverse, options_.reset_after);
}

RNNOutput GRU::operator()(const Tensor& x, const Tensor& h0, const Tensor& lengths) const {
  const ForwardScope here(*this);
  const RecurrentOutput y = run(x, h0, {}, lengths);
  return here.gives(RNNOutput{y.output, y.h_n});
}

RNN::RNN(int64_t input_size, int64_t hidden_size, const RNNOptions& o)
    : RecurrentLayers({"RNN", 1, input_size, hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional}, details(o)),
      options_(o) {}

RecurrentOutput RNN::run_layer(const Tensor& x, const Tensor& h0, const Tensor&, const RecurrentWeights& weights, const Tensor& lengths,
                               bool reverse) const {
  return rnn_layer(x, h0, weights, lengths, reverse, options_.nonlinearity == RNNNonlinearity::Relu);
}

RNNOutput RNN::operator()(const Tensor& x, const Tensor& h0, const Tensor& lengths) const {
  const ForwardScope here(*this);
  const RecurrentOutput y = run(x, h0, {}, lengths);
  return here.gives(RNNOutput{y.output, y.h_n});
}

LSTM::LSTM(int64_t input_size, int64_t hidden_size, const LSTMOptions& o)
    : RecurrentLayers(
          {"LSTM", 4, input_size, hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional, o.proj_size, true},
          (o.proj_size > 0 ? fmt::format(", proj_size={}", o.proj_size) : "") + details(o)),
      options_(o) {}

RecurrentOutput LSTM::run_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights, const Tensor& lengths,
                                bool reverse) const {
  return lstm_layer(x, h0, c0, weights, lengths, reverse);
}

LSTMOutput LSTM::operator()(const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& lengths) const {
  const ForwardScope here(*this);
  check<ValueError>(h0.defined() == c0.defined(), "LSTM: give both h0 and c0, or neither");
  return here.gives(run(x, h0, c0, lengths));
}

namespace {

std::string cell_details(int64_t input_size, int64_t hidden_size, bool bias) {
  return fmt::format("{}, {}{}", input_size, hidden_size, bias ? "" : ", bias=False");
}

void check_cell(const char* module, double gates, int64_t input_size, int64_t hidden_size) {
  check_positive(module, input_size, hidden_size);
  const double I = static_cast<double>(input_size), H = static_cast<double>(hidden_size);
  check_size(module, 4, gates * H * (I + H + 2), fmt::format("input_size {} and hidden_size {}", input_size, hidden_size));
}

/// x and a state as batches: rows (B, features) each; the state may be undefined.
struct CellInput {
  Tensor rows, state;
};

CellInput cell_input(const char* name, const Tensor& x, const Tensor& h) {
  check<ShapeError>(x.dim() == 1 || x.dim() == 2, "{}: x has shape {}, expected (batch, features) or (features)", name, x.shape());
  const Tensor rows = x.dim() == 1 ? x.unsqueeze(0) : x;
  if (!h.defined()) return {rows, h};
  check<ShapeError>(h.dim() == x.dim(), "{}: x has shape {} and the state {}; both with a batch, or both without", name, x.shape(),
                    h.shape());
  return {rows, h.dim() == 1 ? h.unsqueeze(0) : h};
}

Tensor without_batch(const Tensor& y, const Tensor& x) { return x.dim() == 1 ? y.squeeze(0) : y; }

}  // namespace

GRUCell::GRUCell(int64_t input_size, int64_t hidden_size, bool bias) : Module("GRUCell", cell_details(input_size, hidden_size, bias)) {
  check_cell("GRUCell", 3, input_size, hidden_size);
  weight_ih = register_parameter("weight_ih", uniform({3 * hidden_size, input_size}, hidden_size));
  weight_hh = register_parameter("weight_hh", uniform({3 * hidden_size, hidden_size}, hidden_size));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", uniform(3 * hidden_size, hidden_size));
  bias_hh = register_parameter("bias_hh", uniform(3 * hidden_size, hidden_size));
}

Tensor GRUCell::operator()(const Tensor& x, const Tensor& h) const {
  const ForwardScope here(*this);
  const CellInput in = cell_input("GRUCell", x, h);
  return here.gives(without_batch(gru_cell(in.rows, in.state, {weight_ih, weight_hh, bias_ih, bias_hh}), x));
}

RNNCell::RNNCell(int64_t input_size, int64_t hidden_size, bool bias, RNNNonlinearity nonlinearity)
    : Module("RNNCell", cell_details(input_size, hidden_size, bias) + (nonlinearity == RNNNonlinearity::Relu ? ", nonlinearity=relu" : "")),
      nonlinearity_(nonlinearity) {
  check_cell("RNNCell", 1, input_size, hidden_size);
  weight_ih = register_parameter("weight_ih", uniform({hidden_size, input_size}, hidden_size));
  weight_hh = register_parameter("weight_hh", uniform({hidden_size, hidden_size}, hidden_size));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", uniform(hidden_size, hidden_size));
  bias_hh = register_parameter("bias_hh", uniform(hidden_size, hidden_size));
}

Tensor RNNCell::operator()(const Tensor& x, const Tensor& h) const {
  const ForwardScope here(*this);
  const CellInput in = cell_input("RNNCell", x, h);
  const RecurrentOutput y = rnn_layer(in.rows.unsqueeze(0), in.state, {weight_ih, weight_hh, bias_ih, bias_hh}, {}, false,
                                      nonlinearity_ == RNNNonlinearity::Relu);
  return here.gives(without_batch(y.h_n, x));
}

LSTMCell::LSTMCell(int64_t input_size, int64_t hidden_size, bool bias) : Module("LSTMCell", cell_details(input_size, hidden_size, bias)) {
  check_cell("LSTMCell", 4, input_size, hidden_size);
  weight_ih = register_parameter("weight_ih", uniform({4 * hidden_size, input_size}, hidden_size));
  weight_hh = register_parameter("weight_hh", uniform({4 * hidden_size, hidden_size}, hidden_size));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", uniform(4 * hidden_size, hidden_size));
  bias_hh = register_parameter("bias_hh", uniform(4 * hidden_size, hidden_size));
}

LSTMState LSTMCell::operator()(const Tensor& x, const Tensor& h, const Tensor& c) const {
  const ForwardScope here(*this);
  check<ValueError>(h.defined() == c.defined(), "LSTMCell: give both h and c, or neither");
  const CellInput in = cell_input("LSTMCell", x, h), cell = cell_input("LSTMCell", x, c);
  const RecurrentOutput y = lstm_layer(in.rows.unsqueeze(0), in.state, cell.state, {weight_ih, weight_hh, bias_ih, bias_hh});
  return here.gives(LSTMState{without_batch(y.h_n, x), without_batch(y.c_n, x)});
}

}  // namespace gradus::nn
