#include "parity/cases.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <set>
#include <vector>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "parity/table.h"

namespace gradus::parity {

Folder::Folder(const std::string& path) : path_(path) {
  std::ifstream file(path + "/manifest.json");
  if (!file) throw IoError("replay: cannot read " + path + "/manifest.json");
  manifest_ = json::parse(file, nullptr, false);
  if (manifest_.is_discarded() || !manifest_.contains("cases")) throw IoError("replay: " + path + "/manifest.json holds no cases");
}

Tensor Folder::stored(const std::string& file, const std::string& name) {
  if (file != open_file_) {
    tensors_.clear();
    for (auto& [key, value] : io::load_safetensors(path_ + "/data/" + file + ".safetensors").tensors) tensors_.emplace(key, value);
    open_file_ = file;
  }
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw IoError("replay: " + file + " has no tensor " + name);
  return found->second;
}

namespace {

/// Writes the elements of `dense` into x, which may hold one place several times, as expanded tensors do.
void write(const Tensor& dense, const Tensor& x) {
  const Shape& shape = x.shape();
  const auto elements = [&]<class T>() {
    const T* from = dense.data<T>();
    T* to = x.data<T>();
    for (int64_t i = 0, n = dense.numel(); i < n; ++i) {
      int64_t at = 0, rest = i;
      for (int64_t d = shape.size() - 1; d >= 0; rest /= shape[d--]) at += rest % shape[d] * x.stride(d);
      to[at] = from[i];
    }
  };
  switch (x.dtype()) {
    case DType::Bool: return elements.operator()<bool>();
    case DType::Int64: return elements.operator()<int64_t>();
    case DType::Float32: return elements.operator()<float>();
    case DType::Float64: return elements.operator()<double>();
  }
}

const json no_list = json::array(), no_object = json::object();

/// test[name], or what it is when left out.
const json& member(const json& test, const char* name, const json& otherwise) {
  const auto found = test.find(name);
  return found == test.end() ? otherwise : *found;
}

}  // namespace

std::vector<Tensor> Folder::inputs(const json& test) {
  std::vector<Tensor> tensors;
  for (const json& description : member(test, "tensors", no_list)) {
    const Tensor dense = stored(test.at("file"), description.at("name"));
    Tensor x = dense.clone();
    if (description.contains("strides")) {
      const Shape &shape = dense.shape(), strides(description["strides"].get<std::vector<int64_t>>());
      const int64_t offset = description.value("offset", int64_t{0});
      int64_t span = offset + 1;
      for (int64_t d = 0; d < shape.size(); ++d) span += strides[d] * std::max<int64_t>(shape[d] - 1, 0);
      x = as_strided(zeros(shape.numel() == 0 ? offset : span, {.dtype = dense.dtype()}), shape, strides, offset).detach();
      write(dense, x);
    }
    const bool has_gradient = test.contains("grads") && !test["grads"].at(tensors.size()).is_null();
    if (description.value("requires_grad", has_gradient)) x.requires_grad_();
    tensors.push_back(x);
  }
  return tensors;
}

Expected Folder::with_truth(const json& test, const char* which, const char* error, size_t i, const std::string& name) {
  Expected expected{stored(test.at("file"), name)};
  if (!test.contains("ref64") || !test["ref64"].contains(which) || !test["ref64"][which].at(i).is_string()) return expected;
  expected.truth = stored(test.at("file"), test["ref64"][which][i].get<std::string>());
  expected.error = test.at("err32").value(error, 0.0);
  return expected;
}

Expected Folder::expected_output(const json& test, size_t i) {
  return with_truth(test, "outs", "out", i, test.at("outs").at(i).at("name"));
}

Expected Folder::expected_gradient(const json& test, size_t i) {
  if (test.at("grads").at(i).is_null()) return {};
  return with_truth(test, "grads", "grad", i, test["grads"][i]);
}

std::vector<Tensor> gradients(Folder& folder, const json& test, const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> weighted, cotangents, wanted;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (test.at("cotangents").at(i).is_null()) continue;
    weighted.push_back(outputs[i]);
    cotangents.push_back(folder.stored(test.at("file"), test["cotangents"][i]));
  }
  for (const Tensor& x : inputs)
    if (x.requires_grad()) wanted.push_back(x);
  const std::vector<Tensor> found = autograd::grad(weighted, wanted, cotangents, {.allow_unused = true});
  std::vector<Tensor> all(inputs.size());
  for (size_t i = 0, next = 0; i < inputs.size(); ++i)
    if (inputs[i].requires_grad()) {
      all[i] = found[next++];
      if (all[i].defined()) all[i] = all[i].to_dense();
    }
  return all;
}

void add(Verdict& verdict, const std::string& what, const std::string& text, const Tensor& ours, const Tensor& theirs) {
  if (text.empty()) return;
  if (verdict.kind == Verdict::Passed) verdict.reason = what + ": " + text;
  verdict.kind = Verdict::Failed;
  verdict.mismatches.push_back({ours, theirs});
}

namespace {

Arguments bind(const Row& row, const json& test, const std::vector<Tensor>& tensors) {
  std::vector<json> positional;
  if (test.contains("input") && !test.value("input_absent", false)) positional.push_back(test["input"]);
  for (const json& argument : member(test, "args", no_list)) positional.push_back(argument);
  return Arguments(row.signature, positional, member(test, "kwargs", no_object), tensors);
}

/// Whether gradus has the dtypes of every input.
bool has_dtypes(const json& test) {
  constexpr std::array<std::string_view, 4> dtypes{"float32", "float64", "int64", "bool"};
  for (const json& t : member(test, "tensors", no_list))
    if (t.contains("dtype") && std::find(dtypes.begin(), dtypes.end(), t["dtype"].get<std::string_view>()) == dtypes.end()) return false;
  return true;
}

Verdict run_error_case(Folder& folder, const Row& row, const json& test) {
  if (test["error"].value("static", false) || !has_dtypes(test)) return {};
  try {
    call(row, test, folder.inputs(test));
  } catch (const Error&) {
    return {};
  } catch (const NoSuchCall&) {
    return {};
  }
  return {Verdict::Failed, "nothing was thrown; PyTorch: " + test["error"].value("message", "")};
}

void compare_gradients(Verdict& verdict, Folder& folder, const json& test, const Outputs& outputs, const std::vector<Tensor>& inputs) {
  const std::vector<Tensor> grads = gradients(folder, test, outputs, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    Expected expected = folder.expected_gradient(test, i);
    if (!expected.value.defined()) expected.value = zeros_like(inputs[i].detach());
    const Tensor ours = grads[i].defined() ? grads[i] : zeros_like(inputs[i].detach());
    add(verdict, "gradient " + std::to_string(i), difference(ours, expected), ours, expected.value);
  }
}

/// Of dropout and of attention with dropout, whose weights are what it acts on.
std::string stochastic_difference(const Row& row, const json& test, const Outputs& outputs, const std::vector<Tensor>& inputs) {
  const json& options = test.at("kwargs");
  if (!options.contains("dropout_p")) return dropout_difference(inputs.at(0), outputs.at(0), options.value("p", 0.5));
  json certain = test;
  certain["kwargs"]["dropout_p"] = 0;
  const std::string text = dropout_difference(call(row, certain, inputs).at(1), outputs.at(1), options["dropout_p"]);
  return text.empty() ? difference(outputs[0], {matmul(outputs[1], inputs.at(2)).detach()}) : text;
}

Verdict compare_values(Folder& folder, const Row& row, const json& test, const Outputs& outputs, const std::vector<Tensor>& inputs) {
  if (outputs.size() != test.at("outs").size())
    return {Verdict::Failed, std::to_string(outputs.size()) + " outputs instead of " + std::to_string(test["outs"].size())};
  Verdict verdict;
  if (test.value("stochastic", false)) {
    add(verdict, "output", stochastic_difference(row, test, outputs, inputs), outputs[0], {});
    return verdict;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Expected expected = folder.expected_output(test, i);
    const bool place = row.any_of_equals && i == 1;
    const std::string text = place ? place_difference(inputs.at(0), bind(row, test, inputs).integer("dim", -1), outputs[i], expected.value)
                                   : difference(outputs[i], expected);
    add(verdict, "output " + std::to_string(i), text, outputs[i], expected.value);
  }
  if (test.contains("grads")) compare_gradients(verdict, folder, test, outputs, inputs);
  return verdict;
}

}  // namespace

Outputs call(const Row& row, const json& test, const std::vector<Tensor>& tensors) { return row.call(bind(row, test, tensors)); }

Verdict run_op_case(Folder& folder, const json& test) {
  const std::string op = test.at("op");
  const Row* row = find_row(op);
  if (!row) return {Verdict::Failed, "unknown operation " + op};
  try {
    if (test.contains("error")) return run_error_case(folder, *row, test);
    const std::vector<Tensor> inputs = folder.inputs(test);
    return compare_values(folder, *row, test, call(*row, test, inputs), inputs);
  } catch (const std::exception& e) {
    return {Verdict::Failed, e.what()};
  }
}

namespace {

bool zero_for_nan(const Mismatch& m) {
  return m.ours.defined() && m.theirs.defined() && m.ours.shape() == m.theirs.shape() && is_floating_point(m.theirs.dtype()) &&
         all(logical_or(isnan(m.theirs), eq(m.theirs, 0))).item<bool>() && all(eq(m.ours.detach(), 0)).item<bool>();
}

bool one_apart(const Mismatch& m) {
  return m.theirs.defined() && m.theirs.dtype() == DType::Int64 && m.ours.shape() == m.theirs.shape() &&
         all(le(abs(sub(m.ours, m.theirs)), 1)).item<bool>();
}

bool zero_or_equal(const Mismatch& m) {
  if (!m.ours.defined() || !m.theirs.defined() || m.ours.shape() != m.theirs.shape()) return false;
  const Tensor ours = m.ours.detach(), both_nan = logical_and(isnan(ours), isnan(m.theirs));
  return all(logical_or(logical_or(eq(ours, 0), eq(ours, m.theirs)), both_nan)).item<bool>();
}

bool number_for_nan(const Mismatch& m) {
  if (!m.ours.defined() || !m.theirs.defined() || m.ours.shape() != m.theirs.shape() || !is_floating_point(m.theirs.dtype())) return false;
  return difference(where(isnan(m.theirs), m.theirs, m.ours.detach()), {m.theirs}).empty();
}

template <bool (*meant)(const Mismatch&)>
bool every(const Verdict& failed) {
  return !failed.mismatches.empty() && std::all_of(failed.mismatches.begin(), failed.mismatches.end(), meant);
}

bool unlike_shapes_refused(const Verdict& failed) {
  return failed.reason.find("they must be equal, bring one to the other") != std::string::npos;
}

/// A difference from PyTorch that is meant: it holds for a case only where all that failed is of its kind.
struct Difference {
  std::set<std::string_view> names;  ///< of operations and modules
  bool (*meant)(const Verdict&);
  const char* reason;
};

const std::vector<Difference> differences{
    {{"logcumsumexp"}, every<number_for_nan>, "an element of -infinity has no share in a gradient"},
    {{"nn.functional.gelu", "nn.functional.silu", "nn.functional.mish", "nn.functional.softsign", "nn.functional.hardswish", "sinc", "GELU",
      "SiLU", "Mish", "Softsign", "Hardswish"},
     every<number_for_nan>,
     "at infinity it is its limit, and its slope too"},
    {{"nn.functional.binary_cross_entropy_with_logits", "nn.functional.soft_margin_loss", "nn.functional.multilabel_soft_margin_loss",
      "nn.functional.kl_div", "nn.functional.poisson_nll_loss", "BCEWithLogitsLoss", "SoftMarginLoss", "MultiLabelSoftMarginLoss",
      "KLDivLoss", "PoissonNLLLoss"},
     every<number_for_nan>,
     "an infinite term that counts 0 times is 0"},
    {{"nn.functional.cross_entropy", "nn.functional.nll_loss", "CrossEntropyLoss", "NLLLoss"},
     every<zero_for_nan>,
     "the mean over no target is 0, not NaN"},
    {{"nn.functional.mse_loss", "nn.functional.l1_loss", "nn.functional.smooth_l1_loss", "nn.functional.huber_loss", "MSELoss", "L1Loss",
      "SmoothL1Loss", "HuberLoss"},
     unlike_shapes_refused,
     "input and target of unlike shapes are refused, not broadcast"},
    {{"index_put", "scatter"}, every<zero_or_equal>, "a value that another one overwrote gets no gradient"},
    {{"nn.functional.smooth_l1_loss", "SmoothL1Loss"}, every<zero_or_equal>, "with beta 0 it is l1_loss, whose slope is 0 at 0"},
    {{"linspace"}, every<one_apart>, "of integers it is the whole part of each number; PyTorch's depends on the processor's vectors"},
};

}  // namespace

std::string documented_difference(const json& test, const Verdict& failed) {
  const std::string name = test.value("op", test.value("module", ""));
  for (const Difference& d : differences)
    if (d.names.contains(name) && d.meant(failed)) return name + ": " + d.reason;
  return "";
}

}  // namespace gradus::parity
