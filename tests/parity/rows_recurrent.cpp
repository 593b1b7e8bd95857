#include "gradus/ops/recurrent.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// PyTorch's functions take the weights of all layers and directions as one list; ours are one layer in one direction.
std::vector<Tensor> weights(const A& a) {
  if (a.integer("num_layers") != 1 || a.flag("bidirectional", false) || a.flag("batch_first", false))
    throw NoSuchCall("several layers, or another order");
  std::vector<Tensor> list = a.tensors("params");
  list.resize(4);
  return list;
}

Outputs simple(const A& a, bool relu) {
  const std::vector<Tensor> w = weights(a);
  const auto y = rnn_layer(a.tensor("input"), a.tensor("hx").select(0, 0), {w[0], w[1], w[2], w[3]}, {}, false, relu);
  return std::vector<Tensor>{y.output, y.h_n.unsqueeze(0)};
}

Outputs gated(const A& a) {
  const std::vector<Tensor> w = weights(a);
  const auto y = gru_layer(a.tensor("input"), a.tensor("hx").select(0, 0), {w[0], w[1], w[2], w[3]});
  return std::vector<Tensor>{y.output, y.h_n.unsqueeze(0)};
}

Outputs long_short(const A& a) {
  const std::vector<Tensor> w = weights(a), state = a.tensors("hx");
  const auto y = lstm_layer(a.tensor("input"), state.at(0).select(0, 0), state.at(1).select(0, 0), {w[0], w[1], w[2], w[3]});
  return std::vector<Tensor>{y.output, y.h_n.unsqueeze(0), y.c_n.unsqueeze(0)};
}

}  // namespace

std::vector<Row> recurrent_rows() {
  constexpr const char* layer = "input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first";
  return {
      {"rnn_tanh", layer, [](const A& a) { return simple(a, false); }, "rnn_layer"},
      {"rnn_relu", layer, [](const A& a) { return simple(a, true); }, "rnn_layer"},
      {"lstm", layer, long_short, "lstm_layer"},
      {"gru", layer, gated, "gru_layer"},
      {"gru_cell", "input, hx, w_ih, w_hh, b_ih, b_hh",
       [](const A& a) {
         return Outputs(gru_cell(a.tensor("input"), a.tensor("hx"),
                                 {a.tensor("w_ih"), a.tensor("w_hh"), a.optional_tensor("b_ih"), a.optional_tensor("b_hh")}));
       }},
  };
}

}  // namespace gradus::parity
