#include <doctest/doctest.h>

#include <sstream>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/io.h"
#include "ops/op_test.h"
#include "parity/table.h"
#include "source_root.h"

namespace gradus::test {
namespace {

using op_test::error_of;

const io::NamedTensors& golden() {
  static const io::NamedTensors file = io::load_safetensors(GRADUS_SOURCE_ROOT "/tests/golden/prints.safetensors");
  return file;
}

/// The text noted under `key`; empty when there is none.
std::string note(const std::string& key) {
  const auto found = golden().metadata.find(key);
  return found == golden().metadata.end() ? "" : found->second;
}

/// The inputs that PyTorch's operation had, those of real numbers with gradients required.
std::vector<Tensor> inputs_of(const std::string& id) {
  std::vector<Tensor> found;
  while (const Tensor* x = golden().find(id + ".x" + std::to_string(found.size()))) {
    found.push_back(x->clone());
    if (is_floating_point(x->dtype())) found.back().requires_grad_();
  }
  return found;
}

/// Calls the table's row of an operation: the inputs take the places of its signature, in order, that no keyword argument has.
Tensor call(const std::string& op, const std::vector<Tensor>& inputs, parity::json keywords) {
  const parity::Row* row = parity::find_row(op);
  if (!row) row = parity::find_row("nn.functional." + op);
  REQUIRE(row != nullptr);
  if (keywords.contains("exponent")) keywords["other"] = keywords["exponent"];
  keywords.erase("exponent");
  std::istringstream names(row->signature);
  size_t next = 0;
  for (std::string name; names >> name && next < inputs.size();) {
    if (name.back() == ',') name.pop_back();
    if (name == "*" || keywords.contains(name)) continue;
    if (name == "tensors") keywords[name] = parity::json::array();
    do {
      const parity::json input = {{"$t", next++}};
      if (name == "tensors") keywords[name].push_back(input);
      else keywords[name] = input;
    } while (name == "tensors" && next < inputs.size());
  }
  return row->call(parity::Arguments(row->signature, {}, keywords, inputs)).at(0);
}

/// The tensor of a case, made as PyTorch made it: a plain tensor, a leaf, or the result of an operation.
Tensor tensor_of(const std::string& id) {
  if (const std::string op = note(id + ".op"); !op.empty()) return call(op, inputs_of(id), parity::json::parse(note(id + ".kwargs")));
  const Tensor x = golden().find(id)->clone();
  if (note(id + ".requires_grad") == "true") x.requires_grad_();
  return x;
}

TEST_CASE("every tensor is printed as PyTorch prints it, byte for byte") {
  int64_t cases = 0, made = 0;
  for (;; ++cases) {
    const std::string id = "print." + std::to_string(cases);
    if (!golden().find(id)) break;
    CAPTURE(id);
    CAPTURE(note(id + ".op"));
    const Tensor x = tensor_of(id);
    CHECK(x.str() == note(id));
    CHECK(x.grad_fn() == note(id + ".grad_fn"));
    made += !note(id + ".op").empty();
  }
  CHECK(cases == 210);
  CHECK(made == 48);
}

TEST_CASE("a stream gets the same text") {
  std::ostringstream out;
  out << tensor({{1, 2}, {3, 4}});
  CHECK(out.str() == "tensor([[1, 2],\n        [3, 4]])");
}

TEST_CASE("an undefined tensor has a text too") { CHECK(Tensor().str() == "tensor(undefined)"); }

TEST_CASE("a tensor changed in place tells the operation that changed it") {
  const Tensor x = ones({2}, {.requires_grad = true});
  const Tensor y = x * 2;
  y.add_(1);
  CHECK(y.str() == "tensor([3., 3.], grad_fn=<AddBackward0>)");
}

TEST_CASE("a tensor that was written through a view tells of it") {
  const Tensor x = ones({2}, {.requires_grad = true});
  const Tensor y = x * 2;
  y[0].zero_();
  CHECK(y.grad_fn() == "CopySlices");
  CHECK(y.str() == "tensor([0., 2.], grad_fn=<CopySlices>)");
}

TEST_CASE("printing records nothing and changes nothing") {
  const Tensor x = randn({3, 400}, {.requires_grad = true});
  const Tensor before = x.detach().clone();
  const uint32_t version = x.version();
  CHECK(x.str() == x.str());
  CHECK(x.is_leaf());
  CHECK(x.version() == version);
  CHECK(x.detach().equal(before));
}

TEST_CASE("a view is printed in its own order") {
  const Tensor x = arange(6).view({2, 3}).t();
  CHECK(x.str() == "tensor([[0, 3],\n        [1, 4],\n        [2, 5]])");
}

TEST_CASE("a row-sparse gradient prints its indices and values, as PyTorch's does") {
  const auto rows = [](const gradus::Tensor& indices, const gradus::Tensor& values) {
    return gradus::sparse_coo_tensor(indices, values, {3, 2});
  };
  CHECK(rows(gradus::tensor({{0, 2}}), gradus::tensor({{1.0, 1.5}, {2.0, 3.0}}).to(gradus::float64)).str() ==
        "tensor(indices=tensor([[0, 2]]),\n"
        "       values=tensor([[1.0000, 1.5000],\n"
        "                      [2.0000, 3.0000]]),\n"
        "       size=(3, 2), nnz=2, dtype=torch.float64, layout=torch.sparse_coo)");
  CHECK(rows(gradus::zeros({1, 0}, {.dtype = gradus::int64}), gradus::zeros({0, 2})).str() ==
        "tensor(indices=tensor([], size=(1, 0)),\n"
        "       values=tensor([], size=(0, 2)),\n"
        "       size=(3, 2), nnz=0, layout=torch.sparse_coo)");
}

TEST_CASE("a tensor of more elements than can be counted through is printed at once") {
  const int64_t many = int64_t{1} << 40;
  CHECK(gradus::ones({1}).expand({many}).str() == "tensor([1., 1., 1.,  ..., 1., 1., 1.])");
  CHECK(gradus::zeros({1, 1}, {.dtype = gradus::int64}).expand({many, 2}).str() ==
        "tensor([[0, 0],\n        [0, 0],\n        [0, 0],\n        ...,\n        [0, 0],\n        [0, 0],\n        [0, 0]])");
}

}  // namespace
}  // namespace gradus::test
