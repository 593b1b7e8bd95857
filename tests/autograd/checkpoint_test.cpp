#include <doctest/doctest.h>

#include "gradus/gradus.h"

using gradus::Tensor;
namespace nn = gradus::nn;
namespace autograd = gradus::autograd;

namespace {

/// Two layers with dropout between them; gradients of the input and of both weights.
std::vector<Tensor> gradients(bool checkpointed) {
  gradus::manual_seed(3);
  const nn::Linear first(4, 8), second(8, 2);
  const Tensor x = gradus::randn({5, 4}).requires_grad_();
  const auto f = [&](const std::vector<Tensor>& in) { return second(gradus::dropout(gradus::tanh(first(in[0])), 0.5)); };
  const Tensor y = checkpointed ? autograd::checkpoint(f, {x}) : f({x});
  const Tensor later = gradus::rand({5, 2});  // draws go on as if nothing had been computed again
  (y * later).sum().backward();
  return {x.grad(), first.weight.grad(), second.weight.grad(), gradus::rand(3)};
}

}  // namespace

TEST_CASE("checkpoint gives the gradients of the plain computation, with the same random numbers") {
  const std::vector<Tensor> plain = gradients(false), again = gradients(true);
  for (size_t i = 0; i < plain.size(); ++i) CHECK(gradus::equal(plain[i], again[i]));
}

TEST_CASE("checkpoint reaches the parameters inside although no input requires a gradient") {
  const nn::Embedding embedding(5, 3);
  const Tensor tokens = gradus::tensor({1, 4});
  autograd::checkpoint([&](const std::vector<Tensor>& in) { return embedding(in[0]).sum(); }, {tokens}).backward();
  CHECK(gradus::equal(embedding.weight.grad().sum({1}), gradus::tensor({0.0, 3.0, 0.0, 0.0, 3.0})));
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
