#include "parity/modules.h"

#include <algorithm>
#include <array>

#include "gradus/creation.h"
#include "gradus/ops/reduction.h"

namespace gradus::parity {

const ModuleRow* find_module(std::string_view name) {
  static const std::vector<ModuleRow> rows = [] {
    std::vector<ModuleRow> all;
    for (const auto& part : {activation_modules(), indexing_modules(), product_modules(), convolution_modules(), normalization_modules(),
                             attention_modules(), loss_modules(), recurrent_modules()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const ModuleRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

std::string outside_the_list(std::string_view module) {
  constexpr std::array<std::string_view, 12> outside{"Conv3d",
                                                     "ConvTranspose1d",
                                                     "ConvTranspose2d",
                                                     "ConvTranspose3d",
                                                     "BatchNorm3d",
                                                     "MaxPool3d",
                                                     "AvgPool3d",
                                                     "AdaptiveAvgPool3d",
                                                     "CTCLoss",
                                                     "LazyLinear",
                                                     "MultiLabelMarginLoss3d",
                                                     "InstanceNorm3d"};
  for (std::string_view name : outside)
    if (name == module) return std::string(name) + " is outside the list of modules";
  return "";
}

namespace {

/// Positional and keyword arguments in any of the forms that cases use: a list, keyword arguments, or both.
struct Call {
  std::vector<json> positional;
  json keywords = json::object();
};

Call call_of(const json& encoded) {
  Call call;
  if (encoded.is_array()) call.positional = encoded.get<std::vector<json>>();
  else if (encoded.contains("args")) {
    call.positional = encoded["args"].get<std::vector<json>>();
    call.keywords = encoded.value("kwargs", json::object());
  } else call.keywords = encoded;
  return call;
}

/// Constructor arguments that are buffers of the module ({"$buffer": …}) become further tensors of the case.
void resolve_buffers(Folder& folder, const json& test, Call& call, std::vector<Tensor>& tensors) {
  for (auto& [key, value] : call.keywords.items()) {
    if (!value.is_object() || !value.contains("$buffer")) continue;
    const std::string name = value["$buffer"].is_string() ? value["$buffer"].get<std::string>() : key;
    tensors.push_back(folder.stored(test.at("file"), test.at("params").at(name)));
    value = {{"$t", tensors.size() - 1}};
  }
}

nn::StateDict parameters_of(Folder& folder, const json& test, const nn::Module& module) {
  nn::StateDict state;
  for (const auto& [name, tensor] : module.state_dict())
    if (test.at("params").contains(name)) state.emplace_back(name, folder.stored(test.at("file"), test["params"][name]));
  return state;
}

/// The module's outputs for the case's inputs: one call, or, for cells, one a step with the state carried on.
Outputs outputs_of(const json& test, const ModuleRow& row, const Built& built, std::vector<Tensor>& tensors) {
  const json& forward = test.at("forward");
  if (!forward.is_object() || !forward.contains("steps")) {
    Call call = call_of(forward);
    if (test.contains("lengths")) {
      const auto lengths = test["lengths"].get<std::vector<int64_t>>();
      tensors.push_back(from_vector(lengths, Shape(lengths.size())));
      call.keywords["lengths"] = {{"$t", tensors.size() - 1}};
    }
    return built.call(Arguments(row.forward, call.positional, call.keywords, tensors));
  }
  std::vector<Tensor> all;
  json state = forward.at("h0");
  if (state.is_array() && !state.empty()) state = state.size() == 1 ? state[0] : json{{"$tuple", state}};
  for (const json& input : forward.at("inputs")) {
    std::vector<json> positional{input};
    if (!state.empty()) positional.push_back(state);
    const Outputs step = built.call(Arguments(row.forward, positional, json::object(), tensors));
    json next = json::array();
    for (const Tensor& y : step) {
      all.push_back(y);
      tensors.push_back(y);
      next.push_back({{"$t", tensors.size() - 1}});
    }
    state = next.size() == 1 ? next[0] : json{{"$tuple", next}};
  }
  return all;
}

/// Past the longest sequence PyTorch's padded output ends, ours goes on with zeros.
std::string trim_padding(Folder& folder, const json& test, Outputs& outputs) {
  if (!test.contains("lengths")) return "";
  const Shape expected = folder.expected_output(test, 0).value.shape();
  for (int64_t d = 0; d < expected.size(); ++d) {
    const int64_t rest = outputs[0].size(d) - expected[d];
    if (rest <= 0) continue;
    if (count_nonzero(outputs[0].narrow(d, expected[d], rest)).item() != 0) return "the output goes on past every length";
    outputs[0] = outputs[0].narrow(d, 0, expected[d]);
  }
  return "";
}

void compare_gradients(Verdict& verdict, Folder& folder, const json& test, const Outputs& outputs, const std::vector<Tensor>& inputs,
                       const nn::StateDict& parameters) {
  std::vector<Tensor> wanted = inputs;
  for (const auto& [name, tensor] : parameters) wanted.push_back(tensor);
  const std::vector<Tensor> found = gradients(folder, test, outputs, wanted);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    const Expected expected = folder.expected_gradient(test, i);
    const Tensor zero = zeros_like(inputs[i].detach());
    const Tensor& ours = found[i].defined() ? found[i] : zero;
    const std::string text = difference(ours, expected.value.defined() ? expected : Expected{zero});
    add(verdict, "gradient of input " + std::to_string(i), text, ours, expected.value);
  }
  nn::StateDict ours;
  for (size_t i = 0; i < parameters.size(); ++i)
    ours.emplace_back(parameters[i].first,
                      found[inputs.size() + i].defined() ? found[inputs.size() + i] : zeros_like(parameters[i].second.detach()));
  add(verdict, "gradients", parameter_difference(folder, test, "param_grads", ours), {}, {});
}

Verdict compare_module(Folder& folder, const json& test, const ModuleRow& row) {
  const std::vector<Tensor> inputs = folder.inputs(test);
  std::vector<Tensor> tensors = inputs;
  Call constructor = call_of(test.at("ctor"));
  resolve_buffers(folder, test, constructor, tensors);
  if (test.contains("dropout_forced_to") && std::string_view(row.constructor).find("dropout") != std::string_view::npos &&
      constructor.positional.size() < 4)
    constructor.keywords["dropout"] = test["dropout_forced_to"];
  const Built built = row.build(Arguments(row.constructor, constructor.positional, constructor.keywords, tensors));
  built.module->to(dtype_named(test.at("dtype")));
  built.module->load_state_dict(parameters_of(folder, test, *built.module), false);
  built.module->train(!test.value("eval", false));

  Outputs outputs = outputs_of(test, row, built, tensors);
  if (const std::string text = trim_padding(folder, test, outputs); !text.empty()) return {Verdict::Failed, text};
  if (outputs.size() < test.at("outs").size())
    return {Verdict::Failed, std::to_string(outputs.size()) + " outputs instead of " + std::to_string(test["outs"].size())};
  outputs.resize(test["outs"].size());
  Verdict verdict;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Expected expected = folder.expected_output(test, i);
    add(verdict, "output " + std::to_string(i), difference(outputs[i], expected), outputs[i], expected.value);
  }
  if (test.contains("buffers_after"))
    add(verdict, "afterwards", parameter_difference(folder, test, "buffers_after", built.module->state_dict()), {}, {});
  if (test.contains("cotangents")) compare_gradients(verdict, folder, test, outputs, inputs, built.module->named_parameters());
  return verdict;
}

}  // namespace

std::string parameter_difference(Folder& folder, const json& test, const std::string& part, const nn::StateDict& ours) {
  if (!test.contains(part)) return "";
  for (const auto& [name, stored] : test.at(part).items()) {
    if (stored.is_null()) continue;
    const auto found = std::find_if(ours.begin(), ours.end(), [&, key = name](const auto& entry) { return entry.first == key; });
    if (found == ours.end()) return part + ": there is no " + name;
    if (const std::string text = difference(found->second.detach(), {folder.stored(test.at("file"), stored)}); !text.empty())
      return part + " " + name + ": " + text;
  }
  return "";
}

Verdict run_module_case(Folder& folder, const json& test) {
  const std::string kind = test.at("kind");
  try {
    if (kind == "optim") {
      const std::string optimizer = test.at("optimizer");
      if (optimizer == "LBFGS") return {Verdict::Skipped, optimizer + " is outside the list of optimizers"};
      return run_optimizer_case(folder, test);
    }
    if (kind.starts_with("clip_grad")) return run_clip_case(folder, test);
    if (kind == "train") return run_training_case(folder, test);
    const std::string module = test.at("module");
    if (const std::string reason = outside_the_list(module); !reason.empty()) return {Verdict::Skipped, reason};
    const ModuleRow* row = find_module(module);
    if (!row) return {Verdict::Failed, "unknown module " + module};
    return compare_module(folder, test, *row);
  } catch (const std::exception& e) {
    return {Verdict::Failed, e.what()};
  }
}

}  // namespace gradus::parity
