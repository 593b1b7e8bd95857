#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn.h"
#include "gradus/optim.h"

/// What becomes of everything that keeps tensors beside a parameter when Module::to changes the parameter's dtype.
using gradus::DType;
using gradus::Tensor;
namespace nn = gradus::nn;
namespace optim = gradus::optim;

namespace {

using Values = std::vector<double>;
using Parameters = std::vector<Tensor>;

/// One way of training: an optimizer, and whether the table's gradient is row-sparse.
struct Case {
  const char* name;
  std::function<std::unique_ptr<optim::Optimizer>(const Parameters&)> make;
  bool sparse = false;
};

template <class Optimizer, class Options>
Case one(const char* name, const Options& options, bool sparse = false) {
  return {name, [options](const Parameters& p) { return std::make_unique<Optimizer>(p, options); }, sparse};
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      one<optim::SGD>("SGD", optim::SGDOptions{.lr = 0.1}),
      one<optim::SGD>("SGD, momentum", optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.1}),
      one<optim::SGD>("SGD, nesterov", optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true}),
      one<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.1}),
      one<optim::Adam>("Adam, amsgrad", optim::AdamOptions{.lr = 0.1, .weight_decay = 0.1, .amsgrad = true}),
      one<optim::AdamW>("AdamW", optim::AdamWOptions{.lr = 0.1}),
      one<optim::AdamW>("AdamW, amsgrad", optim::AdamWOptions{.lr = 0.1, .amsgrad = true}),
      one<optim::Adamax>("Adamax", optim::AdamaxOptions{.lr = 0.1}),
      one<optim::NAdam>("NAdam", optim::NAdamOptions{.lr = 0.1}),
      one<optim::RAdam>("RAdam", optim::RAdamOptions{.lr = 0.1}),
      one<optim::RMSprop>("RMSprop", optim::RMSpropOptions{.lr = 0.1}),
      one<optim::RMSprop>("RMSprop, centered", optim::RMSpropOptions{.lr = 0.1, .momentum = 0.9, .centered = true}),
      one<optim::Adagrad>("Adagrad", optim::AdagradOptions{.lr = 0.1}),
      one<optim::Adadelta>("Adadelta", optim::AdadeltaOptions{.lr = 0.1}),
      one<optim::ASGD>("ASGD", optim::ASGDOptions{.lr = 0.1, .t0 = 1}),
      one<optim::Rprop>("Rprop", optim::RpropOptions{.lr = 0.1}),
      one<optim::SGD>("SGD by rows", optim::SGDOptions{.lr = 0.1}, true),
      one<optim::SGD>("SGD, momentum, of rows", optim::SGDOptions{.lr = 0.1, .momentum = 0.9}, true),
      one<optim::Adam>("Adam of rows", optim::AdamOptions{.lr = 0.1}, true),
      one<optim::Adagrad>("Adagrad by rows", optim::AdagradOptions{.lr = 0.1}, true),
      one<optim::SparseAdam>("SparseAdam", optim::SparseAdamOptions{.lr = 0.1}, true),
  };
  return all;
}

struct Table : nn::Module {
  nn::Embedding embedding;
  explicit Table(bool sparse) : embedding(register_module("embedding", nn::Embedding(5, 3, {.sparse = sparse}))) {}
};

Table table_of(bool sparse) {
  Table t(sparse);
  gradus::NoGradGuard no_grad;
  for (const Tensor& p : t.parameters()) p.copy_(gradus::arange(15).to(p.dtype()).reshape({5, 3}) / 7.0 - 1.0);
  return t;
}

void step(const Table& t, optim::Optimizer& optimizer, int number) {
  optimizer.zero_grad();
  const Tensor looked_up = t.embedding(gradus::tensor({number % 5, 3, (2 * number + 1) % 5}));
  (looked_up * looked_up * (looked_up + static_cast<double>(number)).sin()).sum().backward();
  optimizer.step();
}

Values values_of(const nn::Module& module) {
  Values all;
  for (const Tensor& p : module.parameters())
    for (const double v : p.to(gradus::float64).to_vector<double>()) all.push_back(v);
  return all;
}

/// The state with its buffers, floating-point and with elements, in another dtype.
optim::State converted(optim::State state, DType dtype) {
  for (auto& [name, tensor] : state)
    if (name.starts_with("state.") && tensor.dim() > 0) tensor = tensor.to(dtype);
  return state;
}

DType dtype_of(const nn::Module& module) { return module.parameters()[0].dtype(); }

}  // namespace

TEST_CASE("every optimizer goes on after the parameters have become float64, and float32 again, with its state converted") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Table trained = table_of(c.sparse);
    const auto optimizer = c.make(trained.parameters());
    for (int i = 1; i <= 3; ++i) step(trained, *optimizer, i);
    int at = 3;
    for (const DType dtype : {DType::Float64, DType::Float32}) {
      // A second training starts from the same numbers, converted before.
      Table expected = nn::clone(trained);
      const auto second = c.make(expected.parameters());
      expected.to(dtype);
      second->load_state_dict(converted(optimizer->state_dict(), dtype));
      trained.to(dtype);
      for (const auto& [name, tensor] : optimizer->state_dict())
        if (name.starts_with("state.") && tensor.dim() > 0) CHECK(tensor.dtype() == dtype);
      for (int i = at + 1; i <= at + 3; ++i) {
        step(trained, *optimizer, i);
        step(expected, *second, i);
      }
      at += 3;
      CHECK(dtype_of(trained) == dtype);
      CHECK(values_of(trained) == values_of(expected));
      for (const double v : values_of(trained)) CHECK(std::isfinite(v));
      const auto mine = optimizer->state_dict(), its = second->state_dict();
      REQUIRE(mine.size() == its.size());
      for (size_t i = 0; i < mine.size(); ++i) CHECK(mine[i].second.to_vector<double>() == its[i].second.to_vector<double>());
    }
  }
}

TEST_CASE("an optimizer steps with gradients that were there before the parameters became float64") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    if (std::string(c.name) == "SparseAdam") continue;  // the conversion makes the gradient dense, which it refuses
    Table t = table_of(c.sparse);
    const auto optimizer = c.make(t.parameters());
    step(t, *optimizer, 1);
    const Values before = values_of(t);
    t.to(DType::Float64);
    optimizer->step();
    CHECK(dtype_of(t) == DType::Float64);
    CHECK(values_of(t) != before);
  }
}

TEST_CASE("an EMA goes on after the parameters have become float64, and gives them back what they had") {
  nn::Linear layer(2, 2);
  optim::EMA ema(layer.parameters(), {.decay = 0.5, .use_num_updates = false});
  const Values start = values_of(layer);
  layer.to(DType::Float64);
  for (const auto& [name, tensor] : ema.state_dict())
    if (name != "num_updates") CHECK(tensor.dtype() == DType::Float64);
  {
    gradus::NoGradGuard no_grad;
    for (const Tensor& p : layer.parameters()) p.add_(1);
  }
  const Values later = values_of(layer);
  ema.update();
  CHECK(ema.shadow_params()[0].dtype() == DType::Float64);
  {
    const auto averaged = ema.average_parameters();
    const Values now = values_of(layer);
    for (size_t i = 0; i < now.size(); ++i) CHECK(now[i] == doctest::Approx((start[i] + later[i]) / 2).epsilon(1e-12));
    layer.to(DType::Float32);
  }
  CHECK(dtype_of(layer) == DType::Float32);
  const Values after = values_of(layer);
  for (size_t i = 0; i < after.size(); ++i) CHECK(after[i] == doctest::Approx(later[i]).epsilon(1e-6));
  ema.copy_to();
  CHECK(values_of(layer)[0] == doctest::Approx((start[0] + later[0]) / 2).epsilon(1e-6));
}

TEST_CASE("schedulers go on after the parameters have become float64") {
  nn::Linear layer(2, 2);
  optim::SGD sgd(layer.parameters(), {.lr = 1, .momentum = 0.9});
  optim::ExponentialLR scheduler(sgd, 0.5);
  layer.to(DType::Float64);
  layer(gradus::ones({1, 2}, {.dtype = gradus::float64})).sum().backward();
  sgd.step();
  scheduler.step();
  CHECK(sgd.lr() == 0.5);
}

TEST_CASE("a graph recorded before the parameters became float64 brings its gradient, or says that what it saved has changed") {
  nn::Linear layer(3, 2);
  int calls = 0;
  layer.weight.register_hook([&](const Tensor& grad) {
    ++calls;
    return grad;
  });
  const Tensor x = gradus::ones({4, 3}), needs_gradient = gradus::ones({4, 3}, {.requires_grad = true});
  const Tensor loss = layer(x).sum(), saving = layer(needs_gradient).sum();
  layer.to(DType::Float64);
  loss.backward();
  REQUIRE(layer.weight.grad().defined());
  CHECK(layer.weight.grad().dtype() == DType::Float64);
  CHECK(layer.weight.grad().to_vector<double>() == Values(6, 4));
  CHECK(layer.bias.grad().to_vector<double>() == Values(2, 4));
  CHECK(calls == 1);
  optim::SGD({layer.weight, layer.bias}, {.lr = 1}).step();
  CHECK_THROWS_AS(saving.backward(), gradus::AutogradError);

  nn::GRU gru(3, 2);
  const Tensor output = gru(gradus::ones({5, 1, 3})).output.sum();
  gru.to(DType::Float64);
  CHECK_THROWS_AS(output.backward(), gradus::AutogradError);
  gru(gradus::ones({5, 1, 3}, {.dtype = gradus::float64})).output.sum().backward();
  for (const Tensor& p : gru.parameters()) CHECK(p.grad().dtype() == DType::Float64);
}
