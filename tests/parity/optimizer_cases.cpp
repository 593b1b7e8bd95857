#include <algorithm>
#include <limits>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/clip.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "parity/modules.h"
#include "parity/optimizers.h"

namespace gradus::parity {
namespace {

Tensor parameter(Folder& folder, const json& test, const json& name) {
  return folder.stored(test.at("file"), name).clone().requires_grad_();
}

std::vector<Tensor> stored_list(Folder& folder, const json& test, const char* key) {
  std::vector<Tensor> list;
  for (const json& name : test.at(key)) list.push_back(folder.stored(test.at("file"), name));
  return list;
}

/// A stored gradient as the optimizer takes it: SparseAdam's without the rows that are 0.
Tensor gradient_for(const json& test, const Tensor& dense) {
  if (test.at("optimizer") != "SparseAdam") return dense.clone();
  const Tensor rows = nonzero(any(dense.ne(0).reshape({dense.size(0), -1}), {1})).reshape(-1);
  return sparse_coo_tensor(rows, index_select(dense, 0, rows), dense.shape());
}

bool holds(const json& test, const char* key, int64_t step) {
  if (!test.contains(key)) return false;
  for (const json& v : test[key])
    if (v == step) return true;
  return false;
}

/// Compares what the optimizer keeps of its first parameter with the case's "state".
std::string state_difference(Folder& folder, const json& test, const optim::Optimizer& optimizer) {
  if (!test.contains("state")) return "";
  const optim::State state = optimizer.state_dict();
  for (const auto& [key, stored] : test["state"].items()) {
    if (!stored.is_string()) continue;
    const Tensor theirs = folder.stored(test.at("file"), stored);
    const auto ours =
        std::find_if(state.begin(), state.end(), [name = "state.0." + key](const auto& entry) { return entry.first == name; });
    if (ours == state.end()) return "the state has no " + key;
    const Tensor x = key == "step" ? ours->second.to(theirs.dtype()) : ours->second;
    if (const std::string text = difference(x, {theirs}); !text.empty()) return "state " + key + ": " + text;
  }
  return "";
}

/// Given gradients, one row a step; at some steps there is none, or zeros.
Verdict given_gradients(Folder& folder, const json& test) {
  std::vector<Tensor> params;
  for (const json& name : test.at("start")) params.push_back(parameter(folder, test, name));
  const auto optimizer = make_optimizer(test, params);
  const std::vector<Tensor> gradients = stored_list(folder, test, "gradients"), trajectory = stored_list(folder, test, "trajectory");
  for (int64_t step = 0; step < test.at("steps").get<int64_t>(); ++step) {
    if (test.value("lr_times_0_1_before_step", int64_t{-1}) == step) optimizer->set_lr(optimizer->lr() * 0.1);
    for (size_t i = 0; i < params.size(); ++i)
      params[i].set_grad(holds(test, "none_steps", step) ? Tensor() : gradient_for(test, gradients[i][step]));
    optimizer->step();
    for (size_t i = 0; i < params.size(); ++i)
      if (const std::string text = difference(params[i].detach(), {trajectory[i][step]}); !text.empty())
        return {Verdict::Failed, "parameter " + std::to_string(i) + " after step " + std::to_string(step) + ": " + text};
  }
  const std::string text = state_difference(folder, test, *optimizer);
  return text.empty() ? Verdict{} : Verdict{Verdict::Failed, text};
}

/// x^T A x / 2 - b^T x
Verdict quadratic(Folder& folder, const json& test) {
  const Tensor A = folder.stored(test.at("file"), test.at("A")), b = folder.stored(test.at("file"), test.at("b"));
  const Tensor x = parameter(folder, test, test.at("x0"));
  const auto optimizer = make_optimizer(test, {x});
  const Tensor trajectory = folder.stored(test.at("file"), test.at("trajectory"));
  const Tensor gradients = folder.stored(test.at("file"), test.at("gradients"));
  for (int64_t step = 0; step < test.at("steps").get<int64_t>(); ++step) {
    x.set_grad(gradients[step].clone());
    optimizer->step();
    if (const std::string text = difference(x.detach(), {trajectory[step + 1]}); !text.empty())
      return {Verdict::Failed, "after step " + std::to_string(step) + ": " + text};
  }
  const std::string text = state_difference(folder, test, *optimizer);
  return text.empty() ? Verdict{} : Verdict{Verdict::Failed, text};
}

}  // namespace

Verdict run_optimizer_case(Folder& folder, const json& test) {
  const std::string problem = test.at("problem");
  if (problem == "quadratic") return quadratic(folder, test);
  if (problem == "net") return trained_net(folder, test);
  return given_gradients(folder, test);
}

namespace {

/// What a float32 result is compared with: PyTorch's, or as close to the float64 result as PyTorch's is.
Expected with_truth(const Tensor& theirs, const Tensor& truth) {
  const Tensor away = (theirs.to(DType::Float64) - truth).abs();
  return {theirs, truth, away.numel() == 0 ? 0 : away.max().item()};
}

/// The norm of all gradients as one vector, and what its clipping leaves of them, in float64.
struct Clipped {
  double norm;
  std::vector<Tensor> gradients;
};
Clipped clipped_in_double(const std::vector<Tensor>& grads, double max_norm, double norm_type) {
  Clipped result{0, {}};
  std::vector<Tensor> flat;
  for (const Tensor& g : grads) flat.push_back(g.to(DType::Float64).reshape(-1));
  result.norm = norm(cat(flat), norm_type).item();
  const double factor = max_norm / (result.norm + 1e-6);
  for (const Tensor& g : grads) result.gradients.push_back(factor >= 1 ? g.to(DType::Float64) : g.to(DType::Float64) * factor);
  return result;
}

std::string norm_clip_difference(Folder& folder, const json& test, const std::vector<Tensor>& params) {
  const double max_norm = real_of(test.at("max_norm")), norm_type = real_of(test.at("norm_type"));
  const Clipped truth = clipped_in_double(stored_list(folder, test, "grads"), max_norm, norm_type);
  const double norm = nn::clip_grad_norm_(params, max_norm, norm_type, test.value("error_if_nonfinite", false));
  if (test.contains("error")) return "nothing was thrown";
  const Tensor theirs = folder.stored(test.at("file"), test.at("total_norm"));
  const std::string text =
      difference(full({}, norm, {.dtype = theirs.dtype()}), with_truth(theirs, full({}, truth.norm, {.dtype = DType::Float64})));
  if (!text.empty()) return "norm: " + text;
  const std::vector<Tensor> after = stored_list(folder, test, "after");
  for (size_t i = 0; i < after.size(); ++i)
    if (const std::string here = difference(params[i].grad(), with_truth(after[i], truth.gradients[i])); !here.empty())
      return "gradient " + std::to_string(i) + ": " + here;
  return "";
}

std::string value_clip_difference(Folder& folder, const json& test, const std::vector<Tensor>& params) {
  nn::clip_grad_value_(params, real_of(test.at("clip_value")));
  if (test.contains("error")) return "nothing was thrown";
  const std::vector<Tensor> after = stored_list(folder, test, "after");
  for (size_t i = 0; i < after.size(); ++i)
    if (const std::string text = difference(params[i].grad(), {after[i]}); !text.empty())
      return "gradient " + std::to_string(i) + ": " + text;
  return "";
}

}  // namespace

Verdict run_clip_case(Folder& folder, const json& test) {
  std::vector<Tensor> params;
  for (const Tensor& grad : stored_list(folder, test, "grads")) {
    params.push_back(zeros_like(grad).requires_grad_());
    params.back().set_grad(grad.clone());
  }
  if (test.value("fourth_param_has_no_grad", false)) params.push_back(zeros(2).requires_grad_());
  try {
    const bool by_value = test.at("kind") == "clip_grad_value_";
    const std::string text = by_value ? value_clip_difference(folder, test, params) : norm_clip_difference(folder, test, params);
    return text.empty() ? Verdict{} : Verdict{Verdict::Failed, text};
  } catch (const Error& e) {
    if (test.contains("error")) return {};
    return {Verdict::Failed, e.what()};
  }
}

}  // namespace gradus::parity
