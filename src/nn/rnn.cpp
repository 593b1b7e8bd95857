#include "gradus/nn/rnn.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/nn/init.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"

namespace gradus::nn {
namespace {

constexpr int64_t kMostGates = 4;

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

void check_sizes(const char* module, int64_t input_size, int64_t hidden_size) {
  check<ValueError>(input_size > 0 && hidden_size > 0, "{}: input_size {} and hidden_size {} must be positive", module, input_size,
                    hidden_size);
  constexpr int64_t limit = std::numeric_limits<int64_t>::max() / (2 * kMostGates);
  check<ValueError>(hidden_size <= limit, "{}: hidden_size {} is beyond the limit, {}", module, hidden_size, limit);
}

}  // namespace

RecurrentLayers::RecurrentLayers(const Form& form, const std::string& more_details)
    : Module(form.name, fmt::format("{}, {}{}", form.input_size, form.hidden_size, more_details)), form_(form) {
  check_sizes(form.name, form.input_size, form.hidden_size);
  check<ValueError>(form.num_layers > 0, "{}: num_layers {} must be positive", form.name, form.num_layers);
  check<ValueError>(form.dropout >= 0 && form.dropout <= 1, "{}: dropout {} is not a probability; give 0 to 1", form.name, form.dropout);
  check<ValueError>(form.dropout == 0 || form.num_layers > 1,
                    "{}: dropout {} acts between layers, but there is one layer; use nn::Dropout on its output", form.name, form.dropout);
  check<ValueError>(form.proj_size >= 0 && form.proj_size < form.hidden_size, "{}: proj_size {} is not in 0 to {}, below hidden_size",
                    form.name, form.proj_size, form.hidden_size - 1);
  const int64_t rows = form.gates * form.hidden_size;
  for (int64_t layer = 0; layer < form.num_layers; ++layer)
    for (int64_t direction = 0; direction < form.directions(); ++direction) {
      const int64_t inputs = layer == 0 ? form.input_size : form.state_size() * form.directions();
      const std::string suffix = fmt::format("_l{}{}", layer, direction ? "_reverse" : "");
      const auto add = [&](const char* kind, const Shape& shape) {
        weights_.push_back(register_parameter(kind + suffix, uniform(shape, form.hidden_size)));
      };
      add("weight_ih", {rows, inputs});
      add("weight_hh", {rows, form.state_size()});
      if (form.bias) add("bias_ih", rows);
      if (form.bias) add("bias_hh", rows);
      if (form.proj_size > 0) add("weight_hr", {form.proj_size, form.hidden_size});
    }
}

RecurrentWeights RecurrentLayers::weights_of(int64_t layer, int64_t direction) const {
  const int64_t each = 2 + (form_.bias ? 2 : 0) + (form_.proj_size > 0 ? 1 : 0);
  const Parameter* w = weights_.data() + (layer * form_.directions() + direction) * each;
  RecurrentWeights weights{w[0], w[1]};
  if (form_.bias) {
    weights.bias_ih = w[2];
    weights.bias_hh = w[3];
  }
  if (form_.proj_size > 0) weights.weight_hr = w[each - 1];
  return weights;
}

void RecurrentLayers::check_input(const Tensor& x, const std::vector<Tensor>& states, const Tensor& lengths) const {
  const char* name = form_.name;
  check<ShapeError>(x.dim() == 2 || x.dim() == 3, "{}: x has shape {}, expected {} or, for one sequence, (steps, features)", name,
                    x.shape(), form_.batch_first ? "(batch, steps, features)" : "(steps, batch, features)");
  check<ShapeError>(x.size(-1) == form_.input_size, "{}: input has {} features, expected {} (shape {})", name, x.size(-1), form_.input_size,
                    x.shape());
  check<ShapeError>(!lengths.defined() || x.dim() == 3, "{}: lengths belong to a batch, but x has shape {}", name, x.shape());
  for (size_t i = 0; i < states.size(); ++i) {
    if (!states[i].defined()) continue;
    Shape expected{form_.num_layers * form_.directions()};
    if (x.dim() == 3) expected.push_back(x.size(form_.batch_first ? 0 : 1));
    expected.push_back(i == 0 ? form_.state_size() : form_.hidden_size);
    check<ShapeError>(states[i].shape() == expected, "{}: {} has shape {}, expected {}", name, i == 0 ? "h0" : "c0", states[i].shape(),
                      expected);
  }
}

std::vector<Tensor> RecurrentLayers::run(const Tensor& x, const std::vector<Tensor>& states, const Tensor& lengths,
                                         const Layer& layer_function) const {
  check_input(x, states, lengths);
  const bool batched = x.dim() == 3;
  Tensor layer_input = !batched ? x.unsqueeze(1) : form_.batch_first ? x.transpose(0, 1) : x;  // (T, B, I)
  const int64_t batch = layer_input.size(1);
  const auto start_of = [&](size_t state, int64_t at) {
    const int64_t size = state == 0 ? form_.state_size() : form_.hidden_size;
    if (!states[state].defined()) return zeros({batch, size}, {.dtype = x.dtype()});
    const Tensor start = states[state].select(0, at);
    return batched ? start : start.unsqueeze(0);
  };

  std::vector<std::vector<Tensor>> last(states.size());
  for (int64_t layer = 0; layer < form_.num_layers; ++layer) {
    if (layer > 0) layer_input = dropout(layer_input, form_.dropout, is_training());
    std::vector<Tensor> outputs;
    for (int64_t direction = 0; direction < form_.directions(); ++direction) {
      std::vector<Tensor> starts;
      for (size_t i = 0; i < states.size(); ++i) starts.push_back(start_of(i, layer * form_.directions() + direction));
      const std::vector<Tensor> y = layer_function(layer_input, starts, weights_of(layer, direction), lengths, direction == 1);
      outputs.push_back(y[0]);
      for (size_t i = 0; i < states.size(); ++i) last[i].push_back(y[i + 1]);
    }
    layer_input = outputs.size() == 1 ? outputs[0] : cat(outputs, 2);
  }
  std::vector<Tensor> results{!batched ? layer_input.squeeze(1) : form_.batch_first ? layer_input.transpose(0, 1) : layer_input};
  for (const auto& of_layers : last) results.push_back(batched ? stack(of_layers) : stack(of_layers).squeeze(1));
  return results;
}

GRU::GRU(int64_t input_size, int64_t hidden_size, const GRUOptions& o)
    : RecurrentLayers({"GRU", 3, input_size, hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional},
                      details(o) + (o.reset_after ? "" : ", reset_after=False")),
      options_(o) {}

RNNOutput GRU::operator()(const Tensor& x, const Tensor& h0, const Tensor& lengths) const {
  const ForwardScope here(*this);
  const auto y =
      run(x, {h0}, lengths, [this](const Tensor& in, const auto& states, const RecurrentWeights& w, const Tensor& n, bool reverse) {
        const GRUOutput out = gru_layer(in, states[0], {w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh}, n, reverse, options_.reset_after);
        return std::vector<Tensor>{out.output, out.h_n};
      });
  return {y[0], y[1]};
}

RNN::RNN(int64_t input_size, int64_t hidden_size, const RNNOptions& o)
    : RecurrentLayers({"RNN", 1, input_size, hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional}, details(o)),
      options_(o) {}

RNNOutput RNN::operator()(const Tensor& x, const Tensor& h0, const Tensor& lengths) const {
  const ForwardScope here(*this);
  const bool use_relu = options_.nonlinearity == RNNNonlinearity::Relu;
  const auto y =
      run(x, {h0}, lengths, [use_relu](const Tensor& in, const auto& states, const RecurrentWeights& w, const Tensor& n, bool reverse) {
        const RNNLayerOutput out = rnn_layer(in, states[0], w, n, reverse, use_relu);
        return std::vector<Tensor>{out.output, out.h_n};
      });
  return {y[0], y[1]};
}

LSTM::LSTM(int64_t input_size, int64_t hidden_size, const LSTMOptions& o)
    : RecurrentLayers({"LSTM", 4, input_size, hidden_size, o.num_layers, o.bias, o.batch_first, o.dropout, o.bidirectional, o.proj_size},
                      (o.proj_size > 0 ? fmt::format(", proj_size={}", o.proj_size) : "") + details(o)),
      options_(o) {}

LSTMOutput LSTM::operator()(const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& lengths) const {
  const ForwardScope here(*this);
  check<ValueError>(h0.defined() == c0.defined(), "LSTM: give both h0 and c0, or neither");
  const auto y =
      run(x, {h0, c0}, lengths, [](const Tensor& in, const auto& states, const RecurrentWeights& w, const Tensor& n, bool reverse) {
        const LSTMLayerOutput out = lstm_layer(in, states[0], states[1], w, n, reverse);
        return std::vector<Tensor>{out.output, out.h_n, out.c_n};
      });
  return {y[0], y[1], y[2]};
}

namespace {

std::string cell_details(int64_t input_size, int64_t hidden_size, bool bias) {
  return fmt::format("{}, {}{}", input_size, hidden_size, bias ? "" : ", bias=False");
}

/// x and a state as batches: rows (B, features) each, the state zeros where it is undefined.
struct CellInput {
  Tensor rows, state;
};

CellInput cell_input(const char* name, const Tensor& x, const Tensor& h, int64_t hidden_size) {
  check<ShapeError>(x.dim() == 1 || x.dim() == 2, "{}: x has shape {}, expected (batch, features) or (features)", name, x.shape());
  const Tensor rows = x.dim() == 1 ? x.unsqueeze(0) : x;
  if (!h.defined()) return {rows, zeros({rows.size(0), hidden_size}, {.dtype = x.dtype()})};
  check<ShapeError>(h.dim() == x.dim(), "{}: x has shape {} and the state {}; both with a batch, or both without", name, x.shape(),
                    h.shape());
  return {rows, h.dim() == 1 ? h.unsqueeze(0) : h};
}

Tensor without_batch(const Tensor& y, const Tensor& x) { return x.dim() == 1 ? y.squeeze(0) : y; }

}  // namespace

GRUCell::GRUCell(int64_t input_size, int64_t hidden_size, bool bias) : Module("GRUCell", cell_details(input_size, hidden_size, bias)) {
  check_sizes("GRUCell", input_size, hidden_size);
  weight_ih = register_parameter("weight_ih", uniform({3 * hidden_size, input_size}, hidden_size));
  weight_hh = register_parameter("weight_hh", uniform({3 * hidden_size, hidden_size}, hidden_size));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", uniform(3 * hidden_size, hidden_size));
  bias_hh = register_parameter("bias_hh", uniform(3 * hidden_size, hidden_size));
}

Tensor GRUCell::operator()(const Tensor& x, const Tensor& h) const {
  const ForwardScope here(*this);
  const CellInput in = cell_input("GRUCell", x, h, weight_hh.size(1));
  return without_batch(gru_cell(in.rows, in.state, {weight_ih, weight_hh, bias_ih, bias_hh}), x);
}

RNNCell::RNNCell(int64_t input_size, int64_t hidden_size, bool bias, RNNNonlinearity nonlinearity)
    : Module("RNNCell", cell_details(input_size, hidden_size, bias) + (nonlinearity == RNNNonlinearity::Relu ? ", nonlinearity=relu" : "")),
      nonlinearity_(nonlinearity) {
  check_sizes("RNNCell", input_size, hidden_size);
  weight_ih = register_parameter("weight_ih", uniform({hidden_size, input_size}, hidden_size));
  weight_hh = register_parameter("weight_hh", uniform({hidden_size, hidden_size}, hidden_size));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", uniform(hidden_size, hidden_size));
  bias_hh = register_parameter("bias_hh", uniform(hidden_size, hidden_size));
}

Tensor RNNCell::operator()(const Tensor& x, const Tensor& h) const {
  const ForwardScope here(*this);
  const CellInput in = cell_input("RNNCell", x, h, weight_hh.size(1));
  const RNNLayerOutput y = rnn_layer(in.rows.unsqueeze(0), in.state, {weight_ih, weight_hh, bias_ih, bias_hh}, {}, false,
                                     nonlinearity_ == RNNNonlinearity::Relu);
  return without_batch(y.h_n, x);
}

LSTMCell::LSTMCell(int64_t input_size, int64_t hidden_size, bool bias) : Module("LSTMCell", cell_details(input_size, hidden_size, bias)) {
  check_sizes("LSTMCell", input_size, hidden_size);
  weight_ih = register_parameter("weight_ih", uniform({4 * hidden_size, input_size}, hidden_size));
  weight_hh = register_parameter("weight_hh", uniform({4 * hidden_size, hidden_size}, hidden_size));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", uniform(4 * hidden_size, hidden_size));
  bias_hh = register_parameter("bias_hh", uniform(4 * hidden_size, hidden_size));
}

LSTMState LSTMCell::operator()(const Tensor& x, const Tensor& h, const Tensor& c) const {
  const ForwardScope here(*this);
  check<ValueError>(h.defined() == c.defined(), "LSTMCell: give both h and c, or neither");
  const CellInput in = cell_input("LSTMCell", x, h, weight_hh.size(1)), cell = cell_input("LSTMCell", x, c, weight_hh.size(1));
  const LSTMLayerOutput y = lstm_layer(in.rows.unsqueeze(0), in.state, cell.state, {weight_ih, weight_hh, bias_ih, bias_hh});
  return {without_batch(y.h_n, x), without_batch(y.c_n, x)};
}

}  // namespace gradus::nn
