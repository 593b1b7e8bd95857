#include <doctest/doctest.h>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/module.h"
#include "gradus/nn/sequential.h"
#include "gradus/nn/transformer.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/normalization.h"
#include "gradus/random.h"

using gradus::Tensor;
namespace nn = gradus::nn;
namespace autograd = gradus::autograd;

namespace {

/// Two layers with dropout between them; gradients of the input and of both weights.
std::vector<Tensor> gradients(bool checkpointed) {
  gradus::manual_seed(3);
  const nn::Linear first(4, 8), second(8, 2);
  const Tensor x = gradus::randn({5, 4}).requires_grad_();
  const auto f = [&](const std::vector<Tensor>& in) { return second(gradus::dropout(first(in[0]).tanh(), 0.5)); };
  const Tensor y = checkpointed ? autograd::checkpoint(f, {x}) : f({x});
  const Tensor later = gradus::rand({5, 2});  // draws go on as if nothing had been computed again
  (y * later).sum().backward();
  return {x.grad(), first.weight.grad(), second.weight.grad(), gradus::rand(3)};
}

}  // namespace

TEST_CASE("checkpoint gives the gradients of the plain computation, with the same random numbers") {
  const std::vector<Tensor> plain = gradients(false), again = gradients(true);
  for (size_t i = 0; i < plain.size(); ++i) CHECK(plain[i].equal(again[i]));
}

TEST_CASE("checkpoint reaches the parameters inside although no input requires a gradient") {
  const nn::Embedding embedding(5, 3);
  const Tensor tokens = gradus::tensor({1, 4});
  autograd::checkpoint([&](const std::vector<Tensor>& in) { return embedding(in[0]).sum(); }, {tokens}).backward();
  CHECK(embedding.weight.grad().sum({1}).equal(gradus::tensor({0.0, 3.0, 0.0, 0.0, 3.0})));
}

TEST_CASE("checkpoint records nothing without gradients, and refuses a recorded backward pass") {
  const Tensor x = gradus::tensor({2.0}, {.requires_grad = true});
  const auto square = [](const std::vector<Tensor>& in) { return in[0] * in[0]; };
  {
    gradus::NoGradGuard no_grad;
    CHECK_FALSE(autograd::checkpoint(square, {x}).requires_grad());
  }
  const Tensor y = autograd::checkpoint(square, {x});
  CHECK_THROWS_AS(y.backward({}, false, true), gradus::AutogradError);
  CHECK_THROWS_AS(autograd::checkpoint([](const std::vector<Tensor>&) { return Tensor(); }, {x}), gradus::StateError);
}

TEST_CASE("checkpoint works with modules: their dropout draws the same mask again, and their parameters get the same gradients") {
  const auto run = [](bool checkpointed) {
    gradus::manual_seed(5);
    const nn::TransformerEncoderLayer layer(4, 2, {.dim_feedforward = 8, .dropout = 0.5});
    const nn::Sequential head(nn::Linear(4, 4), nn::Dropout(0.5));
    const Tensor x = gradus::randn({3, 2, 4}).requires_grad_();
    const auto f = [&](const std::vector<Tensor>& in) { return head(layer(in[0])); };
    const Tensor y = checkpointed ? autograd::checkpoint(f, {x}) : f({x});
    (y * gradus::rand(y.shape())).sum().backward();
    std::vector<Tensor> found{y.detach(), x.grad(), gradus::rand(2)};
    for (const nn::Module& module : std::vector<nn::Module>{layer, head})
      for (const Tensor& p : module.parameters()) found.push_back(p.grad());
    return found;
  };
  const std::vector<Tensor> plain = run(false), again = run(true);
  REQUIRE(plain.size() == again.size());
  for (size_t i = 0; i < plain.size(); ++i) CHECK(plain[i].equal(again[i]));
}

TEST_CASE("checkpoint runs modules' hooks in both passes, and hooks see recorded tensors in the second alone") {
  const nn::Linear layer(2, 2);
  std::vector<bool> recorded;
  layer.register_forward_hook([&](const nn::Module&, const std::vector<Tensor>&, const std::vector<Tensor>& outputs) {
    recorded.push_back(outputs[0].requires_grad());
    return std::vector<Tensor>{};
  });
  autograd::checkpoint([&](const std::vector<Tensor>& in) { return nn::call(layer, in[0]); }, {gradus::ones({1, 2})}).sum().backward();
  CHECK(recorded == std::vector<bool>{false, true});
}
