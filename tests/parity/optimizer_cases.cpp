#include <limits>

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
  const Tensor rows = nonzero(any(ne(dense, 0).reshape({dense.size(0), -1}), {1})).reshape(-1);
  return sparse_coo_tensor(rows, index_select(dense, 0, rows), dense.shape());
}

bool holds(const json& test, const char* key, int64_t step) {
  if (!test.contains(key)) return false;
  for (const json& v : test[key])
    if (v == step) return true;
  return false;
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
  return {};
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
    if (const std::string text = difference(x.detach(), {trajectory[step]}); !text.empty())
      return {Verdict::Failed, "after step " + std::to_string(step) + ": " + text};
  }
  return {};
}

}  // namespace

Verdict run_optimizer_case(Folder& folder, const json& test) {
  const std::string problem = test.at("problem");
  if (problem == "quadratic") return quadratic(folder, test);
  if (problem == "net") return trained_net(folder, test);
  return given_gradients(folder, test);
}

Verdict run_clip_case(Folder& folder, const json& test) {
  std::vector<Tensor> params;
  for (const Tensor& grad : stored_list(folder, test, "grads")) {
    params.push_back(zeros_like(grad).requires_grad_());
    params.back().set_grad(grad.clone());
  }
  if (test.value("fourth_param_has_no_grad", false)) params.push_back(zeros(2).requires_grad_());
  if (test.at("kind") == "clip_grad_value_") nn::clip_grad_value_(params, test.at("clip_value").get<double>());
  else {
    try {
      const double norm = nn::clip_grad_norm_(params, real_of(test.at("max_norm")), real_of(test.at("norm_type")));
      if (test.contains("error")) return {Verdict::Failed, "nothing was thrown"};
      const Tensor expected = folder.stored(test.at("file"), test.at("total_norm"));
      if (const std::string text = difference(full({}, norm, {.dtype = expected.dtype()}), {expected}); !text.empty())
        return {Verdict::Failed, "norm: " + text};
    } catch (const Error& e) {
      if (test.contains("error")) return {};
      return {Verdict::Failed, e.what()};
    }
  }
  const std::vector<Tensor> after = stored_list(folder, test, "after");
  for (size_t i = 0; i < after.size(); ++i)
    if (const std::string text = difference(params[i].grad(), {after[i]}); !text.empty())
      return {Verdict::Failed, "gradient " + std::to_string(i) + ": " + text};
  return {};
}

}  // namespace gradus::parity
