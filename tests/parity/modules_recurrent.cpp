#include "gradus/error.h"
#include "gradus/nn/rnn.h"
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

/// PyTorch's hx, (h0, c0), as two tensors.
std::pair<Tensor, Tensor> states(const A& a) {
  if (!a.has("hx")) return {};
  const json* list = list_of(a.raw("hx"));
  if (!list) {
    // One tensor where two belong: PyTorch fails to unpack it.
    return {a.tensor("hx"), Tensor()};
  }
  return {a.all_tensors().at((*list)[0].at("$t").get<size_t>()), a.all_tensors().at((*list)[1].at("$t").get<size_t>())};
}

nn::RNNNonlinearity nonlinearity(const A& a) {
  const std::string name = a.text("nonlinearity", "tanh");
  if (name != "tanh" && name != "relu") throw ValueError("RNN: nonlinearity " + name + " is not tanh or relu");
  return name == "relu" ? nn::RNNNonlinearity::Relu : nn::RNNNonlinearity::Tanh;
}

Built rnn(const A& a) {
  return built(nn::RNN(a.integer("input_size"), a.integer("hidden_size"),
                       {.num_layers = a.integer("num_layers", 1),
                        .nonlinearity = nonlinearity(a),
                        .bias = a.flag("bias", true),
                        .batch_first = a.flag("batch_first", false),
                        .dropout = a.real("dropout", 0),
                        .bidirectional = a.flag("bidirectional", false)}),
               [](const nn::RNN& m, const A& call) {
                 const nn::RNNOutput y = m(call.tensor("input"), state(call, "hx"), call.optional_tensor("lengths"));
                 return std::vector<Tensor>{y.output, y.h_n};
               });
}

Built lstm(const A& a) {
  return built(nn::LSTM(a.integer("input_size"), a.integer("hidden_size"),
                        {.num_layers = a.integer("num_layers", 1),
                         .bias = a.flag("bias", true),
                         .batch_first = a.flag("batch_first", false),
                         .dropout = a.real("dropout", 0),
                         .bidirectional = a.flag("bidirectional", false),
                         .proj_size = a.integer("proj_size", 0)}),
               [](const nn::LSTM& m, const A& call) {
                 const auto [h0, c0] = states(call);
                 const nn::LSTMOutput y = m(call.tensor("input"), h0, c0, call.optional_tensor("lengths"));
                 return std::vector<Tensor>{y.output, y.h_n, y.c_n};
               });
}

Built rnn_cell(const A& a) {
  return built(nn::RNNCell(a.integer("input_size"), a.integer("hidden_size"), a.flag("bias", true), nonlinearity(a)),
               [](const nn::RNNCell& m, const A& call) { return m(call.tensor("input"), state(call, "hx")); });
}

Built lstm_cell(const A& a) {
  return built(nn::LSTMCell(a.integer("input_size"), a.integer("hidden_size"), a.flag("bias", true)),
               [](const nn::LSTMCell& m, const A& call) {
                 const auto [h, c] = states(call);
                 const nn::LSTMState y = m(call.tensor("input"), h, c);
                 return std::vector<Tensor>{y.h, y.c};
               });
}

}  // namespace

std::vector<ModuleRow> recurrent_modules() {
  return {
      {"GRU", "input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional", "input, hx, *, lengths", gru},
      {"RNN", "input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout, bidirectional", "input, hx, *, lengths", rnn},
      {"LSTM", "input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size", "input, hx, *, lengths", lstm},
      {"GRUCell", "input_size, hidden_size, bias", "input, hx", gru_cell},
      {"RNNCell", "input_size, hidden_size, bias, nonlinearity", "input, hx", rnn_cell},
      {"LSTMCell", "input_size, hidden_size, bias", "input, hx", lstm_cell},
  };
}

}  // namespace gradus::parity
