#include <filesystem>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/nn/containers.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/normalization.h"
#include "gradus/nn/sequential.h"
#include "gradus/ops/indexing.h"
#include "gradus/optim/sgd.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::zeros;

namespace {

/// A language model whose output layer has the weights of its embedding.
struct Tied : nn::Module {
  nn::Embedding embedding;
  nn::Linear out;

  Tied() : embedding(register_module("embedding", nn::Embedding(5, 3))), out(register_module("out", nn::Linear(3, 5))) {
    out.weight = embedding.weight;
  }
  Tensor operator()(const Tensor& tokens) const { return out(embedding(tokens)); }
};

const Tensor kTokens = gradus::tensor({0, 4, 2});

}  // namespace

TEST_CASE("a weight assigned to another layer is one parameter, under both names in the state, as in PyTorch") {
  const Tied model;
  CHECK(names(model.named_parameters()) == std::vector<std::string>{"embedding.weight", "out.bias"});
  CHECK(names(model.state_dict()) == std::vector<std::string>{"embedding.weight", "out.weight", "out.bias"});
  CHECK(model.state_dict()[0].second.shares_storage_with(model.state_dict()[1].second));
  CHECK(model.out.weight.is_same(model.embedding.weight));
  CHECK(model.out.parameters()[0].is_same(model.embedding.weight));
}

TEST_CASE("a tied weight collects the gradients of all its uses and is trained once") {
  const Tied model;
  gradus::optim::SGD sgd(model.parameters(), {.lr = 0.5});
  model(kTokens).sum().backward();
  const Tensor before = model.embedding.weight.detach().clone(), grad = model.embedding.weight.grad().clone();
  // d/dE of sum(E_t E^T): the rows that were looked up get the sum of all rows, and every row the sum of those looked up.
  Tensor expected = before.index_select(0, kTokens).sum(0).expand({5, 3}).clone();
  for (const int64_t t : {0, 4, 2}) expected[t].add_(before.sum(0));
  CHECK(grad.allclose(expected, 1e-5, 1e-6));
  sgd.step();
  CHECK(model.out.weight.detach().allclose(before - grad * 0.5, 1e-6, 1e-6));
}

TEST_CASE("a clone keeps the tie, apart from the original") {
  const Tied model;
  const Tied twin = nn::clone(model);
  CHECK(twin.out.weight.is_same(twin.embedding.weight));
  CHECK_FALSE(twin.out.weight.shares_storage_with(model.out.weight));
  CHECK(twin.parameters().size() == 2);
  nn::init::zeros_(twin.embedding.weight);
  CHECK(values(twin.out.weight) == Values(15, 0));
  CHECK(values(model.out.weight) != Values(15, 0));
}

TEST_CASE("to, requires_grad_ and zero_grad keep the tie") {
  const Tied model;
  model.to(gradus::float64);
  CHECK(model.out.weight.dtype() == gradus::float64);
  CHECK(model.out.weight.is_same(model.embedding.weight));
  model(kTokens).sum().backward();
  model.zero_grad();
  CHECK_FALSE(model.out.weight.grad().defined());
  model.requires_grad_(false);
  CHECK_FALSE(model.out.weight.requires_grad());
}

TEST_CASE("a tied model travels through a file, which holds the weight under both names") {
  const auto path = (std::filesystem::temp_directory_path() / "gradus_tied_test.safetensors").string();
  const Tied from, to;
  gradus::io::save_safetensors(path, from.state_dict());
  const auto file = gradus::io::load_safetensors(path);
  CHECK(file.tensors.size() == 3);
  to.load_state_dict(file.tensors);
  check_same(to(kTokens).detach(), from(kTokens).detach());
  CHECK(to.out.weight.is_same(to.embedding.weight));
  std::filesystem::remove(path);
}

TEST_CASE("a shared weight may be loaded under either of its names, but not under none") {
  const Tied model;
  const Tensor weight = gradus::ones({5, 3}), bias = zeros(5);
  model.load_state_dict({{"embedding.weight", weight}, {"out.bias", bias}});
  CHECK(values(model.out.weight) == Values(15, 1));
  model.load_state_dict({{"out.weight", weight * 2}, {"out.bias", bias}});
  CHECK(values(model.embedding.weight) == Values(15, 2));
  CHECK(error_of<gradus::ValueError>([&] {
          model.load_state_dict({{"out.bias", bias}});
        }) ==
        "load_state_dict: the state does not fit Tied, nothing was loaded:\n"
        "  missing: embedding.weight [5, 3]\n"
        "  missing: out.weight [5, 3]");
}

TEST_CASE("every handle to the layer follows, also those in containers that were made before") {
  nn::Linear out(3, 5);
  const nn::Linear copy = out;
  const nn::Sequential head(nn::Dropout(0), out);
  const nn::ModuleList<nn::Linear> list{out};
  const nn::Embedding embedding(5, 3);
  out.weight = embedding.weight;
  CHECK(copy.weight.is_same(embedding.weight));
  CHECK(list[0].weight.is_same(embedding.weight));
  CHECK(head.parameters()[0].is_same(embedding.weight));
  nn::init::zeros_(embedding.weight);
  nn::init::zeros_(out.bias);
  CHECK(values(head(gradus::ones({1, 3}))) == Values(5, 0));
}

TEST_CASE("a new Parameter takes the place of the registered one and learns") {
  nn::Linear layer(2, 2);
  layer.weight = nn::Parameter(gradus::eye(2));
  CHECK(layer.parameters()[0].is_same(layer.weight));
  CHECK(layer.weight.requires_grad());
  layer(gradus::ones({1, 2})).sum().backward();
  CHECK(values(layer.weight.grad()) == Values(4, 1));
  const nn::Parameter mine(gradus::ones({2, 2}));
  layer.weight = mine;
  CHECK(layer.parameters()[0].is_same(mine));
}

TEST_CASE("what cannot be a parameter is refused in the place of one, which stays") {
  nn::Linear layer(2, 2);
  const Tensor before = layer.weight, x = gradus::ones({2, 2}, {.requires_grad = true});
  CHECK_THROWS_AS(layer.weight = nn::Parameter(x * 2), gradus::AutogradError);
  CHECK_THROWS_AS(layer.weight = nn::Parameter(zeros({2, 2}, {.dtype = gradus::int64})), gradus::DTypeError);
  CHECK(layer.weight.is_same(before));
  CHECK(layer.parameters()[0].is_same(before));
}

TEST_CASE("buffers are put in place as parameters are, and collect no gradients") {
  nn::BatchNorm1d a(2), b(2);
  a.running_mean = b.running_mean;
  b.running_mean.fill_(3);
  CHECK(values(a.buffers()[0]) == Values{3, 3});
  a.running_mean = nn::Parameter(zeros(2));
  CHECK_FALSE(a.running_mean.requires_grad());
  CHECK(values(a.buffers()[0]) == Values{0, 0});
}

TEST_CASE("weights of several layers are tied in a row, and one is let go again") {
  nn::Linear a(2, 2), b(2, 2), c(2, 2);
  b.weight = a.weight;
  c.weight = b.weight;
  CHECK(c.weight.is_same(a.weight));
  b.weight = nn::Parameter(zeros({2, 2}));
  CHECK(c.weight.is_same(a.weight));
  CHECK_FALSE(b.weight.is_same(a.weight));
}
