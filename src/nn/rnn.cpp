#include "gradus/nn/rnn.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/check.h"
#include "gradus/nn/init.h"
#include "gradus/ops.h"

namespace gradus::nn {
namespace {

constexpr int64_t kGates = 3;

/// The constructor's arguments as PyTorch prints them: those that differ from the default.
std::string details(int64_t input_size, int64_t hidden_size, const GRUOptions& o) {
  std::string text = fmt::format("{}, {}", input_size, hidden_size);
  if (o.num_layers != 1) text += fmt::format(", num_layers={}", o.num_layers);
  if (!o.bias) text += ", bias=False";
  if (o.batch_first) text += ", batch_first=True";
  if (o.dropout != 0) text += fmt::format(", dropout={}", o.dropout);
  if (o.bidirectional) text += ", bidirectional=True";
  if (!o.reset_after) text += ", reset_after=False";
  return text;
}

Tensor uniform(const Shape& shape, int64_t hidden_size) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden_size));
  return init::uniform_(empty(shape), -bound, bound);
}

void check_sizes(const char* module, int64_t input_size, int64_t hidden_size) {
  check<ValueError>(input_size > 0 && hidden_size > 0, "{}: input_size {} and hidden_size {} must be positive", module, input_size,
                    hidden_size);
  constexpr int64_t limit = std::numeric_limits<int64_t>::max() / (2 * kGates);
  check<ValueError>(hidden_size <= limit, "{}: hidden_size {} is beyond the limit, {}", module, hidden_size, limit);
}

}  // namespace

GRU::GRU(int64_t input_size, int64_t hidden_size, const GRUOptions& options)
    : Module("GRU", details(input_size, hidden_size, options)), input_size_(input_size), hidden_size_(hidden_size), options_(options) {
  check_sizes("GRU", input_size, hidden_size);
  check<ValueError>(options.num_layers > 0, "GRU: num_layers {} must be positive", options.num_layers);
  check<ValueError>(options.dropout >= 0 && options.dropout <= 1, "GRU: dropout {} is not a probability; give 0 to 1", options.dropout);
  check<ValueError>(options.dropout == 0 || options.num_layers > 1,
                    "GRU: dropout {} acts between layers, but there is one layer; use nn::Dropout on its output", options.dropout);
  for (int64_t layer = 0; layer < options.num_layers; ++layer)
    for (int64_t direction = 0; direction < directions(); ++direction) {
      const int64_t inputs = layer == 0 ? input_size : hidden_size * directions(), rows = kGates * hidden_size;
      const std::string suffix = fmt::format("_l{}{}", layer, direction ? "_reverse" : "");
      weights_.push_back(register_parameter("weight_ih" + suffix, uniform({rows, inputs}, hidden_size)));
      weights_.push_back(register_parameter("weight_hh" + suffix, uniform({rows, hidden_size}, hidden_size)));
      if (!options.bias) continue;
      weights_.push_back(register_parameter("bias_ih" + suffix, uniform(rows, hidden_size)));
      weights_.push_back(register_parameter("bias_hh" + suffix, uniform(rows, hidden_size)));
    }
}

void GRU::check_input(const Tensor& x, const Tensor& h0, const Tensor& lengths) const {
  check<ShapeError>(x.dim() == 2 || x.dim() == 3, "GRU: x has shape {}, expected {} or, for one sequence, (steps, features)", x.shape(),
                    options_.batch_first ? "(batch, steps, features)" : "(steps, batch, features)");
  check<ShapeError>(x.size(-1) == input_size_, "GRU: input has {} features, expected {} (shape {})", x.size(-1), input_size_, x.shape());
  check<ShapeError>(!lengths.defined() || x.dim() == 3, "GRU: lengths belong to a batch, but x has shape {}", x.shape());
  if (!h0.defined()) return;
  Shape expected{options_.num_layers * directions()};
  if (x.dim() == 3) expected.push_back(x.size(options_.batch_first ? 0 : 1));
  expected.push_back(hidden_size_);
  check<ShapeError>(h0.shape() == expected, "GRU: h0 has shape {}, expected {}", h0.shape(), expected);
}

RNNOutput GRU::operator()(const Tensor& x, const Tensor& h0, const Tensor& lengths) const {
  check_input(x, h0, lengths);
  const bool batched = x.dim() == 3;
  Tensor layer_input = !batched ? x.unsqueeze(1) : options_.batch_first ? x.transpose(0, 1) : x;  // (T, B, I)
  const int64_t batch = layer_input.size(1);
  const Tensor zeros_h = h0.defined() ? Tensor() : zeros({batch, hidden_size_}, {.dtype = x.dtype()});

  std::vector<Tensor> last;
  size_t next_weight = 0;
  for (int64_t layer = 0; layer < options_.num_layers; ++layer) {
    if (layer > 0) layer_input = dropout(layer_input, options_.dropout, is_training());
    std::vector<Tensor> outputs;
    for (int64_t direction = 0; direction < directions(); ++direction) {
      GRUWeights w{weights_[next_weight], weights_[next_weight + 1]};
      if (options_.bias) {
        w.bias_ih = weights_[next_weight + 2];
        w.bias_hh = weights_[next_weight + 3];
      }
      next_weight += options_.bias ? 4 : 2;
      Tensor start = zeros_h;
      if (h0.defined()) start = h0.select(0, layer * directions() + direction);
      if (start.dim() == 1) start = start.unsqueeze(0);
      auto [output, h_n] = gru_layer(layer_input, start, w, lengths, direction == 1, options_.reset_after);
      outputs.push_back(output);
      last.push_back(h_n);
    }
    layer_input = outputs.size() == 1 ? outputs[0] : cat(outputs, 2);
  }
  Tensor h_n = stack(last);
  if (!batched) return {layer_input.squeeze(1), h_n.squeeze(1)};
  return {options_.batch_first ? layer_input.transpose(0, 1) : layer_input, h_n};
}

GRUCell::GRUCell(int64_t input_size, int64_t hidden_size, bool bias)
    : Module("GRUCell", fmt::format("{}, {}{}", input_size, hidden_size, bias ? "" : ", bias=False")) {
  check_sizes("GRUCell", input_size, hidden_size);
  weight_ih = register_parameter("weight_ih", uniform({kGates * hidden_size, input_size}, hidden_size));
  weight_hh = register_parameter("weight_hh", uniform({kGates * hidden_size, hidden_size}, hidden_size));
  if (!bias) return;
  bias_ih = register_parameter("bias_ih", uniform(kGates * hidden_size, hidden_size));
  bias_hh = register_parameter("bias_hh", uniform(kGates * hidden_size, hidden_size));
}

Tensor GRUCell::operator()(const Tensor& x, const Tensor& h) const {
  check<ShapeError>(x.dim() == 1 || x.dim() == 2, "GRUCell: x has shape {}, expected (batch, features) or (features)", x.shape());
  const int64_t hidden = weight_hh.size(1);
  const Tensor rows = x.dim() == 1 ? x.unsqueeze(0) : x;
  Tensor state = h.defined() ? h : zeros({rows.size(0), hidden}, {.dtype = x.dtype()});
  if (h.defined()) {
    check<ShapeError>(h.dim() == x.dim(), "GRUCell: x has shape {} and h {}; both with a batch, or both without", x.shape(), h.shape());
    if (h.dim() == 1) state = h.unsqueeze(0);
  }
  const Tensor next = gru_cell(rows, state, {weight_ih, weight_hh, bias_ih, bias_hh});
  return x.dim() == 1 ? next.squeeze(0) : next;
}

}  // namespace gradus::nn
