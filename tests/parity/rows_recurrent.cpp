#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// The initial state of a call: undefined where it was not given.
Tensor state(const A& a, const char* name) { return a.optional_tensor(name); }

Built gru(const A& a) {
  return built(nn::GRU(a.integer("input_size"), a.integer("hidden_size"),
                       {.num_layers = a.integer("num_layers", 1),
                        .bias = a.flag("bias", true),
                        .batch_first = a.flag("batch_first", false),
                        .dropout = a.real("dropout", 0),
                        .bidirectional = a.flag("bidirectional", false)}),
               [](const nn::GRU& m, const A& call) {
                 const nn::RNNOutput y = m(call.tensor("input"), state(call, "hx"), call.optional_tensor("lengths"));
                 return std::vector<Tensor>{y.output, y.h_n};
               });
}

Built gru_cell(const A& a) {
  return built(nn::GRUCell(a.integer("input_size"), a.integer("hidden_size"), a.flag("bias", true)),
               [](const nn::GRUCell& m, const A& call) { return m(call.tensor("input"), state(call, "hx")); });
}

}  // namespace

std::vector<ModuleRow> recurrent_rows() {
  return {
      {"GRU", "input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional", "input, hx, *, lengths", gru},
      {"GRUCell", "input_size, hidden_size, bias", "input, hx", gru_cell},
  };
}

}  // namespace gradus::parity
