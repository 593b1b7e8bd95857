#include <unistd.h>

#include <cstdio>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/nn/activation.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/sequential.h"
#include "gradus/optim/sgd.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::randn;
using gradus::optim::SGD;

namespace {

/// What f prints on stderr.
std::string stderr_of(const std::function<void()>& f) {
  std::fflush(stderr);
  std::FILE* file = std::tmpfile();
  const int before = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  f();
  std::fflush(stderr);
  dup2(before, STDERR_FILENO);
  close(before);
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

/// One layer is registered, the other is forgotten.
template <class Forgotten>
struct Model : nn::Module {
  nn::Linear in;
  Forgotten out;
  explicit Model(const Forgotten& forgotten) : in(register_module("in", nn::Linear(2, 3))), out(forgotten) {}
  Tensor operator()(const Tensor& x) const { return out(in(x)); }
};

struct Decoder : nn::Module {
  nn::Linear layer;
  Decoder() : layer(register_module("layer", nn::Linear(3, 4))) {}
  Tensor operator()(const Tensor& x) const { return layer(x); }
};

template <class M>
std::string warning_of(const M& model, int steps = 3) {
  return stderr_of([&] {
    SGD sgd(model.parameters(), {.lr = 0.1});
    for (int i = 0; i < steps; ++i) {
      sgd.zero_grad();
      model(randn({5, 2})).sum().backward();
      sgd.step();
    }
  });
}

void train_by_hand(const nn::Module& module, const Tensor& loss) {
  loss.backward();
  gradus::NoGradGuard no_grad;
  for (const Tensor& p : module.parameters()) p.sub_(p.grad() * 0.1);
  module.zero_grad();
}

}  // namespace

TEST_CASE("the first step warns once of a layer that takes part and is neither registered nor in an optimizer") {
  CHECK(warning_of(Model(nn::Linear(3, 4))) ==
        "gradus: warning: Linear(in_features=3, out_features=4, bias=True) took part in a backward pass, but is not in a registered module "
        "and no optimizer has its parameters, so SGD does not train it. Pass it through register_module in the module that it belongs to, "
        "or give its parameters to an optimizer, or freeze it with requires_grad_(false).\n");
}

TEST_CASE("a forgotten container or module of one's own is named with the layer inside it") {
  CHECK(warning_of(Model(nn::Sequential(nn::Tanh(), nn::Linear(3, 4))))
            .starts_with("gradus: warning: Sequential(…) (its 1, Linear(in_features=3, out_features=4, bias=True)) took part"));
  CHECK(warning_of(Model(Decoder()))
            .starts_with("gradus: warning: Decoder(…) (its layer, Linear(in_features=3, out_features=4, bias=True)) took part"));
}

TEST_CASE("there is no warning of what is registered, frozen, or without parameters") {
  struct Whole : nn::Module {
    nn::Linear a, b;
    Whole() : a(register_module("a", nn::Linear(2, 3))), b(register_module("b", nn::Linear(3, 4))) {}
    Tensor operator()(const Tensor& x) const { return b(a(x)); }
  };
  CHECK(warning_of(Whole()).empty());
  CHECK(warning_of(Model(nn::Tanh())).empty());
  const nn::Linear frozen(3, 4);
  frozen.requires_grad_(false);
  CHECK(warning_of(Model(frozen)).empty());
}

TEST_CASE("there is no warning of layers that another optimizer trains, or another group, or of which one parameter is trained") {
  const nn::Linear generator(2, 3), discriminator(3, 1);
  CHECK(stderr_of([&] {
          SGD first(generator.parameters(), {.lr = 0.1}), second(discriminator.parameters(), {.lr = 0.1});
          discriminator(generator(randn({4, 2}))).sum().backward();
          first.step();
          second.step();
        }).empty());
  const nn::Linear a(2, 3), b(3, 1), c(3, 1);
  CHECK(stderr_of([&] {
          SGD sgd(a.parameters(), {.lr = 0.1});
          sgd.add_param_group({.params = b.parameters()});
          sgd.add_param_group({.params = {c.bias}});
          (b(a(randn({4, 2}))) + c(a(randn({4, 2})))).sum().backward();
          sgd.step();
        }).empty());
}

TEST_CASE("there is no warning of layers in a vector whose parameters the optimizer has, or of those trained by hand") {
  std::vector<nn::Linear> layers(3, nn::Linear(2, 2));
  for (nn::Linear& layer : layers) layer = nn::clone(layer);
  CHECK(stderr_of([&] {
          std::vector<Tensor> all;
          for (const nn::Linear& layer : layers)
            for (const Tensor& p : layer.parameters()) all.push_back(p);
          SGD sgd(all, {.lr = 0.1});
          Tensor x = randn({4, 2});
          for (const nn::Linear& layer : layers) x = layer(x);
          x.sum().backward();
          sgd.step();
        }).empty());
  const nn::Linear by_hand(2, 2), other(2, 2);
  CHECK(stderr_of([&] {
          train_by_hand(by_hand, by_hand(randn({4, 2})).sum());
          by_hand(randn({4, 2})).sum().backward();
          SGD sgd(other.parameters(), {.lr = 0.1});
          other(randn({4, 2})).sum().backward();
          sgd.step();
        }).empty());
}

TEST_CASE("there is no warning where an optimizer changes an input, not a model") {
  const nn::Linear model(2, 1);
  CHECK(stderr_of([&] {
          const Tensor x = randn({1, 2}, {.requires_grad = true});
          SGD sgd({x}, {.lr = 0.1});
          model(x).sum().backward();
          sgd.step();
        }).empty());
}
