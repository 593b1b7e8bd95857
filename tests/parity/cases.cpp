#include "parity/cases.h"

#include <algorithm>
#include <cmath>
#include <fstream>

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

}  // namespace

std::vector<Tensor> Folder::inputs(const json& test) {
  std::vector<Tensor> tensors;
  for (const json& description : test.at("tensors")) {
    const Tensor dense = stored(test.at("file"), description.at("name"));
    const Shape shape(description.at("shape").get<std::vector<int64_t>>());
    const Strides strides(description.at("strides").get<std::vector<int64_t>>());
    const int64_t offset = description.at("offset");
    int64_t span = offset + 1;
    for (int64_t d = 0; d < shape.size(); ++d) span += strides[d] * std::max<int64_t>(shape[d] - 1, 0);
    Tensor x = as_strided(zeros(shape.numel() == 0 ? offset : span, {.dtype = dense.dtype()}), shape, strides, offset).detach();
    write(dense, x);
    if (description.at("requires_grad").get<bool>()) x.requires_grad_();
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
    if (inputs[i].requires_grad()) all[i] = found[next++];
  return all;
}

namespace {

/// The call of a case, with its arguments bound.
Outputs call(const Row& row, const json& test, const std::vector<Tensor>& tensors) {
  std::vector<json> positional;
  if (!test.value("input_absent", false)) positional.push_back(test.at("input"));
  for (const json& argument : test.at("args")) positional.push_back(argument);
  return row.call(Arguments(row.signature, positional, test.at("kwargs"), tensors));
}

Verdict run_error_case(Folder& folder, const Row& row, const json& test) {
  if (test["error"].value("static", false)) return {};
  for (const json& t : test.at("tensors"))
    if (t.at("dtype") != "float32" && t.at("dtype") != "float64" && t.at("dtype") != "int64" && t.at("dtype") != "bool") return {};
  try {
    call(row, test, folder.inputs(test));
  } catch (const Error&) {
    return {};
  } catch (const NoSuchCall&) {
    return {};
  }
  return {Verdict::Failed, "nothing was thrown; PyTorch: " + test["error"].value("message", "")};
}

Verdict compare_values(Folder& folder, const json& test, const Outputs& outputs, const std::vector<Tensor>& inputs) {
  if (outputs.size() != test.at("outs").size())
    return {Verdict::Failed, std::to_string(outputs.size()) + " outputs instead of " + std::to_string(test["outs"].size())};
  if (test.value("stochastic", false)) {
    const std::string text = dropout_difference(inputs.at(0), outputs.at(0), test.at("kwargs").value("p", 0.5));
    return text.empty() ? Verdict{} : Verdict{Verdict::Failed, text};
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    if (const std::string text = difference(outputs[i], folder.expected_output(test, i)); !text.empty())
      return {Verdict::Failed, "output " + std::to_string(i) + ": " + text};
  if (!test.contains("grads")) return {};
  const std::vector<Tensor> grads = gradients(folder, test, outputs, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    const Expected expected = folder.expected_gradient(test, i);
    const Tensor ours = grads[i].defined() ? grads[i] : zeros_like(inputs[i].detach());
    const std::string text = difference(ours, expected.value.defined() ? expected : Expected{zeros_like(inputs[i].detach())});
    if (!text.empty()) return {Verdict::Failed, "gradient " + std::to_string(i) + ": " + text};
  }
  return {};
}

}  // namespace

Verdict run_op_case(Folder& folder, const json& test) {
  const std::string op = test.at("op");
  const Row* row = find_row(op);
  if (!row) return {Verdict::Failed, "unknown operation " + op};
  try {
    if (test.contains("error")) return run_error_case(folder, *row, test);
    const std::vector<Tensor> inputs = folder.inputs(test);
    return compare_values(folder, test, call(*row, test, inputs), inputs);
  } catch (const std::exception& e) {
    return {Verdict::Failed, e.what()};
  }
}

std::string documented_difference(const json& test) {
  const std::string op = test.value("op", test.value("module", ""));
  (void)op;
  return "";
}

}  // namespace gradus::parity
