#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/containers.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/module.h"
#include "gradus/nn/sequential.h"
#include "gradus/nn/transformer.h"
#include "nn/encoder.h"
#include "nn/nn_test.h"

using namespace nn_test;
using Tensors = std::vector<Tensor>;

namespace {

struct Product : nn::Module {
  Tensor operator()(const Tensor& a, const Tensor& b) const { return a * b; }
};

}  // namespace

TEST_CASE("forward hooks see a module's inputs and output, in the order of registration, and may replace them") {
  const nn::Linear layer(1, 1);
  nn::init::constant_(layer.weight, 3);
  nn::init::constant_(layer.bias, 1);
  std::vector<std::string> seen;
  layer.register_forward_pre_hook([&](const nn::Module& m, const Tensors& inputs) {
    seen.push_back(m.type_name() + " takes " + std::to_string(inputs[0].item<int>()));
    return Tensors{inputs[0] * 2};
  });
  const int64_t second = layer.register_forward_hook([&](const nn::Module&, const Tensors& inputs, const Tensors& outputs) {
    seen.push_back(std::to_string(inputs[0].item<int>()) + " gives " + std::to_string(outputs[0].item<int>()));
    return Tensors{};
  });
  layer.register_forward_hook([](const nn::Module&, const Tensors&, const Tensors& outputs) { return Tensors{-outputs[0]}; });
  CHECK(nn::call(layer, gradus::tensor({2.0})).item() == -13);
  CHECK(seen == std::vector<std::string>{"Linear takes 2", "4 gives 13"});
  layer.remove_hook(second);
  CHECK(nn::call(layer, gradus::tensor({2.0})).item() == -13);
  CHECK(seen.size() == 3);
  CHECK(layer(gradus::tensor({2.0})).item() == 7);  // the operator runs no hooks
}

TEST_CASE("Sequential, containers and Transformers run the hooks of the modules inside them, by any handle") {
  int calls = 0;
  const auto count = [&](const nn::Module& m) {
    m.register_forward_hook([&](const nn::Module&, const Tensors&, const Tensors&) {
      ++calls;
      return Tensors{};
    });
  };
  const nn::Linear layer(2, 2);
  count(layer);
  const nn::Sequential model(nn::Dropout(0), layer, layer);
  model(gradus::ones({1, 2}));
  CHECK(calls == 2);
  const nn::ModuleDict<> choices{{"line", layer}};
  choices["line"](gradus::ones({1, 2}));
  CHECK(calls == 3);
  const nn::TransformerEncoder encoder(nn::TransformerEncoderLayer(2, 1, {.dim_feedforward = 3}), 2);
  for (const auto& [name, module] : encoder.named_modules())
    if (name.ends_with("norm1") || name.ends_with("linear2") || name.ends_with("layers.0")) count(module);
  encoder(gradus::ones({3, 2}));
  CHECK(calls == 8);
}

TEST_CASE("a full backward hook gets the gradients of input and output once both are there, and may replace the inputs'") {
  const Product product;
  Tensors got_in, got_out;
  const int64_t id = product.register_full_backward_hook([&](const nn::Module&, const Tensors& grad_input, const Tensors& grad_output) {
    got_in = grad_input;
    got_out = grad_output;
    return Tensors{};
  });
  const Tensor a = gradus::tensor({2.0}, {.requires_grad = true}), b = gradus::tensor({5.0}, {.requires_grad = true});
  (nn::call(product, a, b) * 3).backward();
  CHECK(got_out[0].item() == 3);
  CHECK(got_in[0].item() == 15);
  CHECK(got_in[1].item() == 6);
  CHECK(a.grad().item() == 15);

  product.remove_hook(id);
  product.register_full_backward_hook([](const nn::Module&, const Tensors& grad_input, const Tensors&) {
    return Tensors{grad_input[0] * 10, grad_input[1]};
  });
  a.set_grad({});
  b.set_grad({});
  nn::call(product, a, b).backward();
  CHECK(a.grad().item() == 50);
  CHECK(b.grad().item() == 2);
}

TEST_CASE("a full backward hook runs although no input requires a gradient") {
  const nn::Embedding table(3, 2);
  int runs = 0;
  table.register_full_backward_hook([&](const nn::Module&, const Tensors& grad_input, const Tensors& grad_output) {
    CHECK_FALSE(grad_input.at(0).defined());
    CHECK(values(grad_output.at(0)) == Values{1, 1});
    ++runs;
    return Tensors{};
  });
  nn::call(table, gradus::tensor({1})).sum().backward();
  CHECK(runs == 1);
  CHECK(values(table.weight.grad()) == Values{0, 0, 1, 1, 0, 0});
  gradus::NoGradGuard no_grad;
  CHECK_FALSE(nn::call(table, gradus::tensor({1})).requires_grad());
}

TEST_CASE("hooks may remove themselves; one that gives a wrong number of tensors is refused; a clone has none") {
  const nn::Dropout layer(0);
  int runs = 0;
  int64_t id = 0;
  id = layer.register_forward_pre_hook([&](const nn::Module& m, const Tensors&) {
    ++runs;
    m.remove_hook(id);
    return Tensors{};
  });
  nn::call(layer, gradus::ones(1));
  nn::call(layer, gradus::ones(1));
  CHECK(runs == 1);
  CHECK_FALSE(layer.has_hooks());
  layer.register_forward_hook([](const nn::Module&, const Tensors&, const Tensors& outputs) { return Tensors{outputs[0], outputs[0]}; });
  CHECK(error_of<gradus::ValueError>([&] { nn::call(layer, gradus::ones(1)); }) ==
        "Dropout: a forward hook gave 2 tensors in place of 1; give all of them, or none to keep them");
  CHECK_FALSE(nn::clone(layer).has_hooks());
}

TEST_CASE("an empty hook, or an empty function to checkpoint, is refused where it is given") {
  const nn::Linear layer(2, 2);
  CHECK(error_of<gradus::ValueError>([&] { layer.register_forward_hook({}); }) == "register_forward_hook: the hook is empty");
  CHECK_THROWS_AS(layer.register_forward_pre_hook({}), gradus::ValueError);
  CHECK_THROWS_AS(layer.register_full_backward_hook({}), gradus::ValueError);
  CHECK_THROWS_AS(gradus::autograd::checkpoint({}, {gradus::ones(2)}), gradus::ValueError);
}
