#include <cctype>
#include <functional>
#include <map>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/rnn.h"
#include "gradus/optim/sgd.h"
#include "parity/modules.h"
#include "parity/optimizers.h"
#include "pattern.h"

/// What modules, optimizers and schedulers must refuse. Cases are named in words, "GRU input feature size 4, wants 3": the table below
/// turns the words into the call. Those that PyTorch accepts are here only where gradus refuses them on purpose.
namespace gradus::parity {
namespace {

/// Something that must throw; the numbers in the case's name are given to it.
using Attempt = std::function<void(const std::string& module, const std::vector<double>& numbers)>;

int64_t whole(double v) { return static_cast<int64_t>(v); }

/// Builds a module and calls it with tensors by position, a list of two standing for (h0, c0).
void call(const std::string& module, const json& constructor, const std::vector<Tensor>& tensors, bool states_as_tuple = false) {
  const ModuleRow* row = find_module(module);
  if (!row) throw NoSuchCall("module " + module);
  const Built built = row->build(Arguments(row->constructor, {}, constructor, tensors));
  std::vector<json> positional;
  for (size_t i = 0; i < tensors.size(); ++i) positional.push_back({{"$t", i}});
  if (states_as_tuple && positional.size() == 3) positional = {positional[0], {{"$tuple", {positional[1], positional[2]}}}};
  built.call(Arguments(row->forward, positional, json::object(), tensors));
}

/// A recurrent layer of 3 inputs and 5 hidden units on x, with as many initial states as it takes.
void recurrent(const std::string& module, const Tensor& x, const Tensor& h0 = {}, const json& more = json::object()) {
  json constructor = {{"input_size", 3}, {"hidden_size", 5}};
  constructor.update(more);
  std::vector<Tensor> tensors{x};
  if (h0.defined()) tensors.push_back(h0);
  if (h0.defined() && module == "LSTM") tensors.push_back(h0);
  call(module, constructor, tensors, true);
}

void cell(const std::string& module, const Tensor& x, const Tensor& h = {}) {
  std::vector<Tensor> tensors{x};
  if (h.defined()) tensors.push_back(h);
  if (h.defined() && module == "LSTMCell") tensors.push_back(h);
  call(module, {{"input_size", 3}, {"hidden_size", 5}}, tensors, true);
}

Tensor batch(int64_t rows = 2, int64_t features = 3) { return zeros({4, rows, features}); }

struct Pattern {
  const char* text;  // a regular expression; its groups are the module, where there is one, and numbers
  Attempt attempt;
};

const std::vector<Pattern>& recurrent_patterns() {
  static const std::vector<Pattern> patterns{
      {"(GRU|LSTM|RNN) input feature size (\\d+), wants \\d+", [](auto& m, auto& n) { recurrent(m, batch(2, whole(n[0]))); }},
      {"(GRU|LSTM|RNN) integer input", [](auto& m, auto&) { recurrent(m, batch().to(int64)); }},
      {"(GRU|LSTM|RNN) h0 batch (\\d+), wants \\d+",
       [](auto& m, auto& n) {
         recurrent(m, batch(), zeros({1, whole(n[0]), 5}));
       }},
      {"(GRU|LSTM|RNN) 3-D h0 with unbatched input",
       [](auto& m, auto&) {
         recurrent(m, zeros({4, 3}), zeros({1, 1, 5}));
       }},
      {"(GRU|LSTM|RNN) 2-D h0 with batched input",
       [](auto& m, auto&) {
         recurrent(m, batch(), zeros({1, 5}));
       }},
      {"(GRU|LSTM|RNN) h0 hidden size (\\d+), wants \\d+",
       [](auto& m, auto& n) {
         recurrent(m, batch(), zeros({1, 2, whole(n[0])}));
       }},
      {"(GRU|LSTM|RNN) h0 layers (\\d+), wants \\d+",
       [](auto& m, auto& n) {
         recurrent(m, batch(), zeros({whole(n[0]), 2, 5}));
       }},
      {"(GRU|LSTM|RNN) hidden_size (-?\\d+)",
       [](auto& m, auto& n) {
         recurrent(m, batch(), {}, {{"hidden_size", whole(n[0])}});
       }},
      {"(GRU|LSTM|RNN) input_size (-?\\d+)",
       [](auto& m, auto& n) {
         recurrent(m, batch(), {}, {{"input_size", whole(n[0])}});
       }},
      {"(GRU|LSTM|RNN) num_layers (-?\\d+)",
       [](auto& m, auto& n) {
         recurrent(m, batch(), {}, {{"num_layers", whole(n[0])}});
       }},
      {"(GRU|LSTM|RNN) dropout (-?[\\d.]+)",
       [](auto& m, auto& n) {
         recurrent(m, batch(), {}, {{"dropout", n[0]}, {"num_layers", 2}});
       }},
      {"(GRU|LSTM|RNN) dtype mismatch h0",
       [](auto& m, auto&) {
         recurrent(m, batch(), zeros({1, 2, 5}, {.dtype = float64}));
       }},
      {"(GRU|LSTM|RNN) double input, float weights", [](auto& m, auto&) { recurrent(m, batch().to(float64)); }},
      {"(GRU|LSTM|RNN) 1-D input", [](auto& m, auto&) { recurrent(m, zeros(3)); }},
      {"(GRU|LSTM|RNN) 4-D input",
       [](auto& m, auto&) {
         recurrent(m, zeros({2, 4, 2, 3}));
       }},
      {"(GRU|LSTM|RNN) seq len 0",
       [](auto& m, auto&) {
         recurrent(m, zeros({0, 2, 3}));
       }},
      {"(GRU|RNN|LSTM) nonlinearity .*",
       [](auto& m, auto&) {
         recurrent(m, batch(), {}, {{"nonlinearity", "sigmoid"}});
       }},
      {"LSTM h0 without c0",
       [](auto&, auto&) {
         call("LSTM", {{"input_size", 3}, {"hidden_size", 5}}, {batch(), zeros({1, 2, 5})});
       }},
      {"LSTM proj_size (-?\\d+).*",
       [](auto&, auto& n) {
         recurrent("LSTM", batch(), {}, {{"proj_size", whole(n[0])}});
       }},
      {"(GRUCell|LSTMCell|RNNCell) input size (\\d+), wants \\d+",
       [](auto& m, auto& n) {
         cell(m, zeros({2, whole(n[0])}));
       }},
      {"(GRUCell|LSTMCell|RNNCell) 3-D input",
       [](auto& m, auto&) {
         cell(m, zeros({1, 2, 3}));
       }},
      {"(GRUCell|LSTMCell|RNNCell) batch mismatch",
       [](auto& m, auto&) {
         cell(m, zeros({2, 3}), zeros({3, 5}));
       }},
      {"(GRUCell|LSTMCell|RNNCell) hidden size (\\d+), wants \\d+",
       [](auto& m, auto& n) {
         cell(m, zeros({2, 3}), zeros({2, whole(n[0])}));
       }},
      {"pack 2-D lengths",
       [](auto&, auto&) {
         nn::GRU(3, 5)(batch(), {}, ones({2, 1}, {.dtype = int64}));
       }},
      {"pack length (\\d+), .*",
       [](auto&, auto& n) {
         nn::GRU(3, 5)(batch(), {}, tensor({1, whole(n[0])}));
       }},
      {"pack length over .*",
       [](auto&, auto&) {
         nn::GRU(3, 5)(batch(), {}, tensor({1, 5}));
       }},
      {"pack lengths .*",
       [](auto&, auto&) {
         nn::GRU(3, 5)(batch(), {}, tensor({1, 2, 3}));
       }},
      {"pack .*float.*",
       [](auto&, auto&) {
         nn::GRU(3, 5)(batch(), {}, tensor({1.0, 2.0}));
       }},
      {"packed input wrong feature size",
       [](auto&, auto&) {
         nn::GRU(3, 5)(batch(2, 4), {}, tensor({4, 2}));
       }},
  };
  return patterns;
}

void load(const nn::StateDict& state) { nn::Linear(3, 4).load_state_dict(state); }

void dropped(double p) { nn::Dropout{p}(zeros(3)); }

const std::vector<Pattern>& layer_patterns() {
  static const std::vector<Pattern> patterns{
      {"Embedding index 2\\^40", [](auto&, auto&) { nn::Embedding(5, 3)(tensor({int64_t{1} << 40})); }},
      {"Embedding index (-?\\d+).*", [](auto&, auto& n) { nn::Embedding(5, 3)(tensor({whole(n[0])})); }},
      {"Embedding bool index", [](auto&, auto&) { nn::Embedding(5, 3)(tensor({true})); }},
      {"Embedding float index", [](auto&, auto&) { nn::Embedding(5, 3)(tensor({1.0})); }},
      {"Embedding padding_idx (-?\\d+)", [](auto&, auto& n) { nn::Embedding(5, 3, {.padding_idx = whole(n[0])}); }},
      {"Embedding from_pretrained 1-D", [](auto&, auto&) { nn::Embedding::from_pretrained(zeros(3)); }},
      {"Embedding negative.*", [](auto&, auto&) { nn::Embedding(-5, 3); }},
      {"Linear 0-dim", [](auto&, auto&) { nn::Linear(3, 4)(zeros({})); }},
      {"Linear negative", [](auto&, auto&) { nn::Linear(-3, 4); }},
      {"Linear .*feature.*|Linear input.*|Linear wrong.*",
       [](auto&, auto&) {
         nn::Linear(3, 4)(zeros({2, 5}));
       }},
      {"Linear (integer|int64) input",
       [](auto&, auto&) {
         nn::Linear(3, 4)(zeros({2, 3}, {.dtype = int64}));
       }},
      {"Linear (dtype mismatch|double input).*",
       [](auto&, auto&) {
         nn::Linear(3, 4)(zeros({2, 3}, {.dtype = float64}));
       }},
      {"Dropout p (-?[\\d.]+)", [](auto&, auto& n) { dropped(n[0]); }},
      {"state_dict unexpected key",
       [](auto&, auto&) {
         load({{"weight", zeros({4, 3})}, {"bias", zeros(4)}, {"extra", zeros(1)}});
       }},
      {"state_dict missing key",
       [](auto&, auto&) {
         load({{"weight", zeros({4, 3})}});
       }},
      {"state_dict (size|shape).*",
       [](auto&, auto&) {
         load({{"weight", zeros({4, 2})}, {"bias", zeros(4)}});
       }},
      {"state_dict missing .*",
       [](auto&, auto&) {
         load({{"weight", zeros({4, 2})}, {"extra", zeros(1)}});
       }},
      {"init xavier.* on 1-D|init kaiming.* on 1-D", [](auto&, auto&) { nn::init::xavier_uniform_(zeros(3)); }},
      {"init orthogonal.* 1-D", [](auto&, auto&) { nn::init::orthogonal_(zeros(3)); }},
      {"init eye.*",
       [](auto&, auto&) {
         nn::init::eye_(zeros({2, 2, 2}));
       }},
      {"Conv1d groups",
       [](auto&, auto&) {
         call("Conv1d", {{"in_channels", 4}, {"out_channels", 4}, {"kernel_size", 3}, {"groups", 3}}, {zeros({1, 4, 5})});
       }},
      {"optimizer empty parameter list", [](auto&, auto&) { optim::SGD{std::vector<Tensor>{}}; }},
      {"StepLR step_size 0",
       [](auto&, auto&) {
         make_scheduler("StepLR", {{"step_size", 0}}, {0.1});
       }},
      {"(\\w+LR|ReduceLROnPlateau|CosineAnnealingWarmRestarts) with no momentum option",
       [](auto& m, auto&) {
         make_scheduler(m, {{"base_lr", 0.1}, {"max_lr", 0.2}}, {0.1}, "Adagrad");
       }},
  };
  return patterns;
}

/// A Python dictionary's text as JSON: {'betas': (0.9, 1.0)}.
json python_dict(std::string text) {
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"'", "\""}, {"(", "["}, {")", "]"}, {"True", "true"}, {"False", "false"}})
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return json::parse(text, nullptr, false);
}

/// "SGD {'lr': -1}" and "LinearLR start_factor 2": an optimizer or a scheduler and its options.
bool attempt_options(const std::string& name) {
  if (const auto words = testing::match(name, "(\\w+) (\\{.*\\})"); !words.empty()) {
    const json options = python_dict(words[2]);
    if (options.is_discarded()) throw NoSuchCall(name);
    make_optimizer({{"optimizer", words[1]}, {"options", options}}, {zeros(2).requires_grad_()});
    return true;
  }
  const auto words = testing::match(name, "(\\w+(?:LR|Plateau|Restarts|Scheduler)) (\\w+) (.+)");
  if (words.empty()) return false;
  const json value = json::parse(words[3], nullptr, false);
  make_scheduler(words[1], {{words[2], value.is_discarded() ? json(words[3]) : value}}, {0.1});
  return true;
}

/// Makes the call that a case's name describes. False when no pattern knows it.
bool attempt(const std::string& name) {
  for (const auto* patterns : {&recurrent_patterns(), &layer_patterns()})
    for (const Pattern& pattern : *patterns) {
      const std::vector<std::string> groups = testing::match(name, pattern.text);
      if (groups.empty()) continue;
      std::string module;
      std::vector<double> numbers;
      for (size_t i = 1; i < groups.size(); ++i) {
        const std::string& group = groups[i];
        if (!group.empty() && (std::isdigit(static_cast<unsigned char>(group[0])) || group[0] == '-')) numbers.push_back(std::stod(group));
        else module = group;
      }
      pattern.attempt(module, numbers);
      return true;
    }
  return attempt_options(name);
}

/// Accepted on purpose: what each asks for makes sense here.
const std::map<std::string, std::string> accepted{
    {"pack length 0", "a length of 0 is allowed: the row's output is 0 and its state the initial one"},
    {"pack unsorted, enforce_sorted", "lengths may stand in any order; there is no enforce_sorted"},
    {"optimizer tensor instead of list", "a C++ compiler refuses it"},
};

Verdict run_one(const json& test) {
  const std::string name = test.at("case");
  if (const auto known = accepted.find(name); known != accepted.end()) return {Verdict::Skipped, name + ": " + known->second};
  const bool refused_on_purpose = name.find("step_size 0") != std::string::npos || name.find("num_layers 0") != std::string::npos;
  if (test.at("torch") == "accepted" && !refused_on_purpose) return {};
  try {
    if (!attempt(name)) return {Verdict::Failed, "unknown case"};
  } catch (const Error&) {
    return {};
  } catch (const RefusedByCompiler& e) {
    return {Verdict::Skipped, name + ": a C++ compiler refuses it"};
  } catch (const NoSuchCall& e) {
    return {Verdict::Failed, e.what()};
  }
  return {Verdict::Failed, "nothing was thrown; PyTorch: " + test.value("message", "")};
}

}  // namespace

std::vector<std::pair<std::string, Verdict>> run_module_errors(const json& part) {
  std::vector<std::pair<std::string, Verdict>> verdicts;
  for (const json& test : part) verdicts.emplace_back("module error " + test.at("case").get<std::string>(), run_one(test));
  return verdicts;
}

}  // namespace gradus::parity
