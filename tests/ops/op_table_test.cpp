#include "ops/op_table.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace gradus::test {
namespace {

const io::SafeTensors& golden() {
  static const io::SafeTensors file = io::load_safetensors(GRADUS_SOURCE_ROOT "/tests/golden/ops.safetensors");
  return file;
}

/// One call that PyTorch made.
struct Case {
  std::string id;  // "add.0"
  Arguments arguments;

  const Tensor* tensor(const char* kind, size_t i) const { return golden().find(id + "." + kind + std::to_string(i)); }
  Inputs inputs() const {
    Inputs found;
    while (const Tensor* x = tensor("x", found.size())) found.push_back(x->clone());
    return found;
  }
  bool any(const char* kind, size_t count) const {
    for (size_t i = 0; i < count; ++i)
      if (tensor(kind, i)) return true;
    return false;
  }
};

std::vector<Case> cases_of(const std::string& op) {
  std::vector<Case> found;
  for (int64_t k = 0;; ++k) {
    const std::string id = op + "." + std::to_string(k);
    const auto entry = golden().metadata.find(id);
    if (entry == golden().metadata.end()) return found;
    found.push_back({id, Arguments::parse(entry->second)});
  }
}

/// The names of the operations that golden values exist for.
std::set<std::string> golden_ops() {
  std::set<std::string> names;
  for (const auto& [key, text] : golden().metadata)
    if (const size_t dot = key.rfind('.'); dot != std::string::npos && key != "pytorch") names.insert(key.substr(0, dot));
  return names;
}

void compare(const std::string& what, const Tensor& ours, const Tensor& theirs) {
  CAPTURE(what);
  REQUIRE(ours.defined());
  REQUIRE(ours.shape() == theirs.shape());
  REQUIRE(name(ours.dtype()) == name(theirs.dtype()));
  const double tolerance = ours.dtype() == DType::Float32 ? 1.3e-6 : 1e-9;
  const bool close = allclose(ours, theirs, tolerance, ours.dtype() == DType::Float32 ? 1e-6 : 1e-10, true);
  if (!close) MESSAGE("ours " << ours.detach().str() << "\nPyTorch " << theirs.str());
  CHECK(close);
}

/// Inputs with gradients required where PyTorch has a gradient.
Inputs recorded_inputs(const Case& c) {
  Inputs x = c.inputs();
  for (size_t i = 0; i < x.size(); ++i)
    if (c.tensor("dx", i)) x[i].requires_grad_();
  return x;
}

/// The outputs that take part in the gradient and their cotangents.
std::pair<Outputs, Outputs> with_cotangents(const Case& c, const Outputs& y) {
  std::pair<Outputs, Outputs> pairs;
  for (size_t i = 0; i < y.size(); ++i)
    if (const Tensor* dy = c.tensor("dy", i)) {
      pairs.first.push_back(y[i]);
      pairs.second.push_back(*dy);
    }
  return pairs;
}

void check_case(const Op& op, const Case& c) {
  CAPTURE(c.id);
  CAPTURE(c.arguments.dump());
  const Inputs x = recorded_inputs(c);
  const Outputs y = op.call(x, c.arguments);
  for (size_t i = 0; i < y.size(); ++i) {
    const Tensor* expected = c.tensor("y", i);
    REQUIRE(expected != nullptr);
    compare(c.id + ".y" + std::to_string(i), y[i], *expected);
  }
  CHECK(c.tensor("y", y.size()) == nullptr);
  if (!c.any("dx", x.size())) return;

  auto [outputs, cotangents] = with_cotangents(c, y);
  Inputs wanted;
  std::vector<size_t> places;
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i].requires_grad()) {
      wanted.push_back(x[i]);
      places.push_back(i);
    }
  const bool twice = c.any("ddx", x.size()) || c.any("ddy", y.size());
  if (twice)
    for (Tensor& dy : cotangents) dy = dy.clone().requires_grad_();
  const std::vector<Tensor> dx = autograd::grad(outputs, wanted, cotangents, {.create_graph = twice, .allow_unused = true});
  for (size_t i = 0; i < dx.size(); ++i) {
    const Tensor& theirs = *c.tensor("dx", places[i]);
    compare(c.id + ".dx" + std::to_string(places[i]), dx[i].defined() ? dx[i] : zeros_like(wanted[i]), theirs);
  }
  if (!twice) return;

  Outputs first, weights;
  for (size_t i = 0; i < dx.size(); ++i)
    if (const Tensor* v = c.tensor("v", places[i]); v && dx[i].defined() && dx[i].requires_grad()) {
      first.push_back(dx[i]);
      weights.push_back(*v);
    }
  Inputs variables = wanted;
  variables.insert(variables.end(), cotangents.begin(), cotangents.end());
  const std::vector<Tensor> second =
      first.empty() ? std::vector<Tensor>(variables.size()) : autograd::grad(first, variables, weights, {.allow_unused = true});
  for (size_t i = 0; i < wanted.size(); ++i)
    if (const Tensor* theirs = c.tensor("ddx", places[i]))
      compare(c.id + ".ddx" + std::to_string(places[i]), second[i].defined() ? second[i] : zeros_like(wanted[i]), *theirs);
  size_t next = wanted.size();
  for (size_t i = 0; i < y.size(); ++i)
    if (c.tensor("dy", i)) {
      if (const Tensor* theirs = c.tensor("ddy", i))
        compare(c.id + ".ddy" + std::to_string(i), second[next].defined() ? second[next] : zeros_like(y[i]), *theirs);
      ++next;
    }
}

bool optional_padding(const Arguments& a) { return a.contains("padding_idx") && !a["padding_idx"].is_null(); }

/// Whether finite differences apply: float64 inputs with gradients, and no ties that a step would break.
bool smooth(const Op& op, const Case& c) {
  const Inputs x = c.inputs();
  bool any = false;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!c.tensor("dx", i)) continue;
    if (x[i].dtype() != DType::Float64 || x[i].numel() == 0) return false;
    any = true;
  }
  // Rows of padding_idx are kept from learning: their gradient is 0 by decision, not by derivative.
  if (op.name == "embedding" && optional_padding(c.arguments)) return false;
  if ((op.name == "max" || op.name == "min") && x[0].numel() > 1) {
    std::vector<double> values = x[0].to_vector<double>();
    std::sort(values.begin(), values.end());
    if (std::adjacent_find(values.begin(), values.end()) != values.end()) return false;
  }
  // A power, root or absolute value at exactly 0, or a bound met exactly, has no derivative to compare with.
  for (const Tensor& t : x)
    if ((op.name == "pow" || op.name == "abs" || op.name == "relu" || op.name == "clamp") && is_floating_point(t.dtype()))
      for (double v : t.to_vector<double>())
        if (v == 0 || (op.name == "clamp" && (v == c.arguments.value("min", NAN) || v == c.arguments.value("max", NAN)))) return false;
  return any;
}

TEST_CASE("every operation gives PyTorch's values, gradients and second derivatives") {
  for (const Op& op : op_table()) {
    const std::vector<Case> cases = cases_of(op.name);
    CAPTURE(op.name);
    CHECK(!cases.empty());
    for (const Case& c : cases) check_case(op, c);
  }
}

TEST_CASE("every operation passes gradcheck and gradgradcheck, contiguous and strided") {
  for (const Op& op : op_table())
    for (const Case& c : cases_of(op.name)) {
      if (!smooth(op, c)) continue;
      CAPTURE(c.id);
      const auto f = [&](const std::vector<Tensor>& x) {
        Outputs y = op.call(x, c.arguments);
        std::erase_if(y, [](const Tensor& t) { return !is_floating_point(t.dtype()); });
        return y;
      };
      CHECK(autograd::gradcheck(f, recorded_inputs(c)));
      if (c.any("ddx", 3)) CHECK(autograd::gradgradcheck(f, recorded_inputs(c)));
    }
}

TEST_CASE("every declared operation has a row in the table, or a reason not to") {
  std::set<std::string> covered;
  for (const Op& op : op_table()) covered.insert(op.name);
  for (const auto& [name, reason] : ops_without_a_row()) covered.insert(name);
  const std::regex declaration(R"(^GRADUS_API (?:Tensor|ValuesIndices|bool|GRUOutput|std::vector<Tensor>) (\w+)\()");
  size_t declared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GRADUS_SOURCE_ROOT "/include/gradus/ops")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, declaration)) continue;
      ++declared;
      CAPTURE(entry.path().filename().string());
      CAPTURE(match[1].str());
      CHECK(covered.contains(match[1].str()));
    }
  }
  CHECK(declared > 50);
}

TEST_CASE("every golden operation has a row in the table") {
  std::set<std::string> rows;
  for (const Op& op : op_table()) rows.insert(op.name);
  for (const std::string& name : golden_ops()) {
    CAPTURE(name);
    CHECK(rows.contains(name));
  }
}

}  // namespace
}  // namespace gradus::test
