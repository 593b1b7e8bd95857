#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "gradus/autograd.h"
#include "gradus/error.h"
#include "gradus/ops/elementwise.h"
#include "parity/cases.h"
#include "parity/table.h"
#include "source_root.h"

namespace gradus::parity {
namespace {

using Inputs = std::vector<Tensor>;

Folder& folder() {
  static Folder opened(GRADUS_SOURCE_ROOT "/tests/parity/cases");
  return opened;
}

/// The cases of operations; those of modules are the replay's.
const std::vector<json>& op_cases() {
  static const std::vector<json> found = [] {
    std::vector<json> cases;
    for (const json& test : folder().cases())
      if (test.contains("op")) cases.push_back(test);
    return cases;
  }();
  return found;
}

bool has_zero(const Tensor& x) { return is_floating_point(x.dtype()) && x.detach().eq(0).any().item<bool>(); }

bool has_equals(const Tensor& x) {
  std::vector<double> v = x.to_vector<double>();
  std::sort(v.begin(), v.end());
  return std::adjacent_find(v.begin(), v.end()) != v.end();
}

bool any_zero(const json&, const Inputs& x) { return std::any_of(x.begin(), x.end(), has_zero); }
bool any_equals(const json&, const Inputs& x) { return std::any_of(x.begin(), x.end(), has_equals); }
bool always(const json&, const Inputs&) { return true; }
bool to_float32(const json& test, const Inputs&) { return test["args"][1] == json{{"$dtype", "float32"}}; }
bool decided(const json& test, const Inputs&) {
  const json options = test.value("kwargs", json::object());
  const bool padded = options.contains("padding_idx") && test["op"] == "nn.functional.embedding";
  return padded || options.contains("max_norm") || options.contains("scale_grad_by_freq");
}

/// Where finite differences say nothing about the gradient of an operation.
struct Rough {
  std::set<std::string_view> ops;
  bool (*applies)(const json& test, const Inputs& inputs);
  const char* reason;
};

const std::vector<Rough> rough = {
    {{"max", "min", "amax", "amin", "std", "nn.functional.max_pool1d_with_indices", "nn.functional.max_pool2d_with_indices"},
     any_equals,
     "a small step breaks a tie"},
    {{"norm", "linalg.vector_norm", "nn.functional.normalize", "nn.functional.cosine_similarity"}, any_zero, "a norm has a corner at 0"},
    {{"nn.functional.embedding", "nn.functional.embedding_bag"}, decided, "options make it another number than the derivative"},
    {{"to"}, to_float32, "float32 is too coarse for differences"},
    {{"view", "view_as"}, always, "the strides decide whether it can be done, and gradcheck changes them"},
};

bool is_rough(const json& test, const Inputs& inputs) {
  return std::any_of(rough.begin(), rough.end(),
                     [&](const Rough& r) { return r.ops.contains(test["op"].get<std::string_view>()) && r.applies(test, inputs); });
}

/// Whether differences can be taken: contiguous float64 numbers of moderate size, to finite ones. (gradcheck makes strided inputs itself.)
bool can_be_moved(const json& test, const Inputs& inputs) {
  for (const Tensor& x : inputs)
    if (x.requires_grad() &&
        (x.dtype() != DType::Float64 || x.numel() == 0 || !x.is_contiguous() || !x.detach().abs().lt(30).all().item<bool>()))
      return false;
  for (size_t i = 0; i < test["outs"].size(); ++i)
    if (!isfinite(folder().expected_output(test, i).value).all().item<bool>()) return false;
  return true;
}

/// Whether the gradients are 0, so that they have no gradient themselves.
bool constant(const json& test, const Inputs& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor gradient = folder().expected_gradient(test, i).value;
    if (gradient.defined() && gradient.ne(0).any().item<bool>()) return false;
  }
  return true;
}

/// The gradients of a case, first and second, against differences; a text where they are wrong.
std::string gradient_error(const json& test, const Row& row, const Inputs& inputs) {
  Inputs moved;
  for (const Tensor& x : inputs)
    if (x.requires_grad()) moved.push_back(x);
  const autograd::TensorFunction f = [&](const Inputs& values) {
    Inputs all = inputs;
    for (size_t i = 0, next = 0; i < all.size(); ++i)
      if (inputs[i].requires_grad()) all[i] = values[next++];
    return std::vector<Tensor>(call(row, test, all));
  };
  try {
    return autograd::gradcheck(f, moved) && (constant(test, inputs) || autograd::gradgradcheck(f, moved)) ? "" : "false";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST_CASE("every operation gives PyTorch's values and gradients, and refuses what PyTorch refuses") {
  for (const json& test : op_cases()) {
    const Verdict verdict = run_op_case(folder(), test);
    if (verdict.kind == Verdict::Failed && documented_difference(test, verdict).empty())
      FAIL_CHECK(test["id"].get<std::string>() << ": " << verdict.reason);
  }
}

TEST_CASE("every operation passes gradcheck and gradgradcheck, contiguous and strided") {
  size_t checked = 0;
  std::set<std::string> ops;
  for (const json& test : op_cases()) {
    if (!test.contains("grads")) continue;
    const Inputs inputs = folder().inputs(test);
    if (is_rough(test, inputs) || !can_be_moved(test, inputs)) continue;
    const std::string error = gradient_error(test, *find_row(test["op"].get<std::string>()), inputs);
    if (!error.empty()) FAIL_CHECK(test["id"].get<std::string>() << ": " << error);
    ops.insert(test["op"]);
    ++checked;
  }
  CHECK(checked > 1000);
  for (const json& test : op_cases()) {
    const std::string op = test["op"];
    CAPTURE(op);
    if (test.contains("grads") && op != "view" && op != "view_as") CHECK(ops.contains(op));
  }
}

TEST_CASE("every operation refuses a row-sparse gradient, and names to_dense") {
  std::set<std::string> refused;
  for (const json& test : op_cases()) {
    const std::string op = test["op"];
    const bool only_shape = op.ends_with("_like");
    if (only_shape || refused.contains(op) || !test.contains("outs")) continue;
    Inputs inputs = folder().inputs(test);
    for (Tensor& x : inputs) {
      if (x.dim() == 0 || !is_floating_point(x.dtype())) continue;
      x = sparse_coo_tensor(arange(x.size(0)), x.detach().contiguous(), x.shape());
      refused.insert(op);
    }
    if (!refused.contains(op)) continue;
    CAPTURE(op);
    CAPTURE(test["id"].get<std::string>());
    std::string text;
    try {
      call(*find_row(op), test, inputs);
    } catch (const std::exception& e) {
      text = e.what();
    }
    CHECK(text.ends_with("call to_dense() first"));
  }
  CHECK(refused.size() > 150);
}

}  // namespace
}  // namespace gradus::parity
