#include "gradus/creation.h"
#include "gradus/nn/clip.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/product.h"
#include "parity/modules.h"
#include "parity/optimizers.h"

namespace gradus::parity {
namespace {

/// One layer's weight and bias, as the case has them.
struct Affine {
  Tensor weight, bias;
  Tensor operator()(const Tensor& x) const { return linear(x, weight, bias); }
};

/// Compares a list of losses.
std::string loss_difference(Folder& folder, const json& test, const std::vector<Tensor>& losses) {
  const Tensor expected = folder.stored(test.at("file"), test.at("losses"));
  std::vector<double> ours;
  for (const Tensor& loss : losses) ours.push_back(loss.item());
  return difference(from_vector(ours, expected.shape()).to(expected.dtype()), {expected});
}

}  // namespace

Verdict trained_net(Folder& folder, const json& test) {
  nn::StateDict params;
  std::vector<Tensor> list;
  for (const char* name : {"0.weight", "0.bias", "2.weight", "2.bias"}) {
    params.emplace_back(name, folder.stored(test.at("file"), test.at("params").at(name)).clone().requires_grad_());
    list.push_back(params.back().second);
  }
  const Affine first{list[0], list[1]}, second{list[2], list[3]};
  const Tensor X = folder.stored(test.at("file"), test.at("X")), Y = folder.stored(test.at("file"), test.at("Y"));
  const auto optimizer = make_optimizer(test, list);
  std::vector<Tensor> losses;
  for (int64_t step = 0; step < test.at("steps").get<int64_t>(); ++step) {
    optimizer->zero_grad();
    const Tensor loss = (second(first(X).tanh()) - Y).pow(2).mean();
    loss.backward();
    losses.push_back(loss.detach());
    optimizer->step();
  }
  if (const std::string text = loss_difference(folder, test, losses); !text.empty()) return {Verdict::Failed, "losses: " + text};
  const std::string text = parameter_difference(folder, test, "params_after", params);
  return text.empty() ? Verdict{} : Verdict{Verdict::Failed, text};
}

namespace {

/// Embedding, recurrent layers, Linear: a language model over one long row of tokens, whose state is carried on from step to step.
struct LanguageModel : nn::Module {
  nn::Embedding emb;
  Built rnn;
  nn::Linear out;

  LanguageModel(const json& test, const Built& recurrent)
      : emb(register_module("emb", nn::Embedding(test.at("V"), test.at("E")))),
        rnn(recurrent),
        out(register_module("out", nn::Linear(test.at("H"), test.at("V")))) {
    register_module("rnn", *recurrent.module);
  }
};

Built recurrent_layers(const json& test, const ModuleRow& row) {
  const json constructor = {{"input_size", test.at("E")},
                            {"hidden_size", test.at("H")},
                            {"num_layers", test.at("layers")},
                            {"batch_first", test.at("batch_first")}};
  return row.build(Arguments(row.constructor, {}, constructor, {}));
}

}  // namespace

Verdict run_training_case(Folder& folder, const json& test) {
  const ModuleRow* row = find_module(test.at("module").get<std::string>());
  if (!row) return {Verdict::Failed, "unknown module " + test.at("module").get<std::string>()};
  const LanguageModel model(test, recurrent_layers(test, *row));
  model.to(dtype_named(test.at("dtype")));
  nn::StateDict start;
  for (const auto& [name, tensor] : model.state_dict())
    start.emplace_back(name, folder.stored(test.at("file"), test.at("params").at(name)));
  model.load_state_dict(start);
  const auto optimizer = make_optimizer(test, model.parameters());
  const Tensor data = folder.stored(test.at("file"), test.at("data"));  // (B, tokens)
  const int64_t T = test.at("T");
  const bool batch_first = test.at("batch_first");
  std::vector<Tensor> losses, norms, state;
  for (int64_t step = 0; step < test.at("steps").get<int64_t>(); ++step) {
    Tensor tokens = data.narrow(1, step * T, T), targets = data.narrow(1, step * T + 1, T);
    if (!batch_first) tokens = tokens.t(), targets = targets.t();
    std::vector<Tensor> tensors{model.emb(tokens)};
    std::vector<json> positional{{{"$t", 0}}};
    if (!state.empty()) {
      json carried = json::array();
      for (const Tensor& s : state) {
        tensors.push_back(s.detach());
        carried.push_back({{"$t", tensors.size() - 1}});
      }
      positional.push_back(carried.size() == 1 ? carried[0] : json{{"$tuple", carried}});
    }
    const Outputs y = model.rnn.call(Arguments(row->forward, positional, json::object(), tensors));
    state.assign(y.begin() + 1, y.end());
    const Tensor loss = cross_entropy(model.out(y[0]).reshape({-1, test.at("V").get<int64_t>()}), targets.reshape(-1));
    optimizer->zero_grad();
    loss.backward();
    if (!test.at("clip").is_null()) {
      const double norm = nn::clip_grad_norm_(model, test["clip"].get<double>());
      norms.push_back(full({}, norm, {.dtype = loss.dtype()}));
    }
    optimizer->step();
    losses.push_back(loss.detach());
  }
  if (const std::string text = loss_difference(folder, test, losses); !text.empty()) return {Verdict::Failed, "losses: " + text};
  const std::string text = parameter_difference(folder, test, "params_after", model.state_dict());
  return text.empty() ? Verdict{} : Verdict{Verdict::Failed, text};
}

}  // namespace gradus::parity
