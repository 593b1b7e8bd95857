#include <doctest/doctest.h>

#include <thread>

#include "autograd/leaf.h"
#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/memory.h"
#include "gradus/nn/rnn.h"

using gradus::NoGradGuard;
using gradus::Tensor;
using testing::error_of;
namespace autograd = gradus::autograd;
using namespace autograd_test;

namespace {

Tensor scalar(double value) { return gradus::from_vector(Values{value}, {}, {.requires_grad = true}); }

}  // namespace

TEST_CASE("backward gives each leaf the derivative of the output") {
  const Tensor x = leaf({1, 2, 3}), y = leaf({4, 5, 6});
  ((x * y).sum() + (x * x).sum()).backward();
  CHECK(grad_of(x) == Values{6, 9, 12});
  CHECK(grad_of(y) == Values{1, 2, 3});
}

TEST_CASE("backward takes a gradient for an output of several elements, and asks for one") {
  const Tensor x = leaf({1, 2, 3});
  const Tensor y = x * x;
  CHECK_THROWS_AS(y.backward(), gradus::AutogradError);
  CHECK_THROWS_AS(y.backward(gradus::ones({2}, {.dtype = gradus::float64})), gradus::ShapeError);
  CHECK_THROWS_AS(y.backward(gradus::ones({3})), gradus::DTypeError);
  CHECK_FALSE(x.grad().defined());
  y.backward(gradus::from_vector(Values{1, 10, 100}, {3}));
  CHECK(grad_of(x) == Values{2, 40, 600});
}

TEST_CASE("backward of what needs no gradient, and of an undefined tensor, says so") {
  CHECK(error_of<gradus::Error>([] { gradus::ones({}).backward(); }).find("does not depend on anything that requires a gradient") !=
        std::string::npos);
  CHECK_THROWS_AS(Tensor().backward(), gradus::StateError);
  CHECK_THROWS_AS(autograd::backward({}), gradus::ValueError);
  CHECK_THROWS_AS(autograd::backward({scalar(1)}, {Tensor(), Tensor()}), gradus::ValueError);
}

TEST_CASE("gradients accumulate until they are taken away") {
  const Tensor x = scalar(3);
  (x * 2).backward();
  (x * 5).backward();
  CHECK(grad_of(x) == Values{7});
  x.set_grad({});
  CHECK_FALSE(x.grad().defined());
  (x * 5).backward();
  CHECK(grad_of(x) == Values{5});
}

TEST_CASE("accumulating does not change the tensor that was given as gradient, nor gradients of others") {
  const Tensor x = leaf({1, 2}), y = leaf({1, 2});
  const Tensor seed = gradus::from_vector(Values{1, 1}, {2});
  for (int i = 0; i < 2; ++i) (x + y).backward(seed);
  CHECK(seed.to_vector<double>() == Values{1, 1});
  CHECK(grad_of(x) == Values{2, 2});
  CHECK(grad_of(y) == Values{2, 2});
  CHECK_FALSE(x.grad().shares_storage_with(y.grad()));
}

TEST_CASE("a leaf may itself be the output") {
  const Tensor x = scalar(3);
  x.backward();
  CHECK(grad_of(x) == Values{1});
}

TEST_CASE("broadcast operands get gradients of their own shape, converted operands of their own dtype") {
  const Tensor row = leaf({1, 2, 3});
  const Tensor column = gradus::from_vector(Values{1, 2}, {2, 1}, {.requires_grad = true});
  const Tensor single = gradus::ones({2, 3}, {.requires_grad = true});
  (row * column * single).sum().backward();
  CHECK(grad_of(row) == Values{3, 3, 3});
  CHECK(grad_of(column) == Values{6, 6});
  CHECK(column.grad().shape() == gradus::Shape{2, 1});
  CHECK(single.grad().dtype() == gradus::float32);
  CHECK(single.grad().to_vector<double>() == Values{1, 2, 3, 2, 4, 6});
}

TEST_CASE("grad gives gradients without adding to any leaf") {
  const Tensor x = leaf({1, 2}), y = leaf({3, 4});
  const Tensor middle = x * y;
  const auto d = autograd::grad({(middle * middle).sum()}, {middle, x});
  CHECK(d[0].to_vector<double>() == Values{6, 16});
  CHECK(d[1].to_vector<double>() == Values{18, 64});
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("grad sums over several outputs, each with its weight") {
  const Tensor x = leaf({1, 2});
  const auto d = autograd::grad({x * 2, (x * x).sum()}, {x}, {gradus::from_vector(Values{1, 10}, {2}), {}});
  CHECK(d[0].to_vector<double>() == Values{4, 24});
}

TEST_CASE("grad with respect to an output itself is the weight, also when the output stands above another input") {
  const Tensor x = scalar(2);
  const Tensor y = x * x;
  const auto d = autograd::grad({y}, {y, x});
  CHECK(d[0].item() == 1);
  CHECK(d[1].item() == 4);
}

TEST_CASE("grad names an input that the outputs do not depend on, unless allow_unused") {
  const Tensor x = scalar(2), unused = leaf({1, 2});
  const std::string text = error_of<gradus::Error>([&] { autograd::grad({x * x}, {x, unused}); });
  CHECK(text.find("do not depend on input 1 of shape [2]; set allow_unused") != std::string::npos);
  const auto d = autograd::grad({x * x}, {x, unused}, {}, {.allow_unused = true});
  CHECK(d[0].item() == 4);
  CHECK_FALSE(d[1].defined());
  CHECK_THROWS_AS(autograd::grad({x * x}, {gradus::ones({})}), gradus::AutogradError);
  CHECK_THROWS_AS(autograd::grad({x * x}, {}), gradus::ValueError);
}

TEST_CASE("grad does not walk what leads to none of its inputs") {
  const Tensor x = scalar(2), other = scalar(3);
  const Tensor side = other * 2;
  int calls = 0;
  side.register_hook([&](const Tensor&) { return ++calls, Tensor(); });
  autograd::grad({x * x * side}, {x});
  CHECK(calls == 0);
}

TEST_CASE("a second backward through freed history is an error that names the operation and the remedy") {
  const Tensor x = scalar(2);
  const Tensor y = (x * x).exp();
  y.backward();
  const std::string text = error_of<gradus::Error>([&] { y.backward(); });
  CHECK(text.find("ExpBackward0") != std::string::npos);
  CHECK(text.find("retain_graph = true") != std::string::npos);
  CHECK_THROWS_AS(y.backward(), gradus::AutogradError);
}

TEST_CASE("retain_graph lets backward run again") {
  const Tensor x = scalar(3);
  const Tensor y = x * x;
  y.backward({}, true);
  y.backward();
  CHECK(grad_of(x) == Values{12});
  CHECK_THROWS_AS(y.backward(), gradus::AutogradError);
}

TEST_CASE("create_graph gives derivatives of derivatives") {
  const Tensor x = scalar(2);
  const Tensor y = x * x * x * x;
  const Tensor d1 = autograd::grad({y}, {x}, {}, {.create_graph = true})[0];
  const Tensor d2 = autograd::grad({d1}, {x}, {}, {.create_graph = true})[0];
  const Tensor d3 = autograd::grad({d2}, {x})[0];
  CHECK(d1.item() == 32);
  CHECK(d2.item() == 48);
  CHECK(d3.item() == 48);
  CHECK_FALSE(d3.requires_grad());
}

TEST_CASE("backward with create_graph leaves a gradient that can be differentiated") {
  const Tensor x = scalar(3);
  (x * x * x).backward({}, false, true);
  const Tensor g = x.grad();
  CHECK(g.requires_grad());
  CHECK(autograd::grad({g}, {x})[0].item() == 18);
  x.set_grad({});
}

TEST_CASE("detach cuts the graph and shares the elements") {
  const Tensor x = scalar(3);
  const Tensor constant = (x * x).detach();
  CHECK_FALSE(constant.requires_grad());
  CHECK(constant.is_leaf());
  (constant * x).backward();
  CHECK(grad_of(x) == Values{9});
  CHECK(x.detach().shares_storage_with(x));
}

TEST_CASE("nothing is recorded under NoGradGuard; EnableGradGuard records inside one") {
  const Tensor x = scalar(3);
  {
    NoGradGuard no_grad;
    CHECK_FALSE(gradus::is_grad_enabled());
    CHECK_FALSE((x * x).requires_grad());
    {
      gradus::EnableGradGuard recording;
      CHECK((x * x).requires_grad());
    }
    CHECK_FALSE(gradus::is_grad_enabled());
  }
  CHECK(gradus::is_grad_enabled());
  try {
    NoGradGuard no_grad;
    gradus::ones({2}).backward();
  } catch (const gradus::Error&) {
  }
  CHECK(gradus::is_grad_enabled());
}

TEST_CASE("NoGradGuard belongs to one thread") {
  NoGradGuard no_grad;
  bool enabled = false;
  std::thread([&] { enabled = gradus::is_grad_enabled(); }).join();
  CHECK(enabled);
}

TEST_CASE("requires_grad_ is for floating-point leaves") {
  const Tensor x = gradus::ones({2});
  CHECK(x.is_leaf());
  CHECK_FALSE(x.requires_grad());
  x.requires_grad_();
  CHECK(x.requires_grad());
  CHECK_THROWS_AS((x * 2).requires_grad_(false), gradus::AutogradError);
  x.requires_grad_(false);
  CHECK_FALSE((x * 2).requires_grad());
  CHECK_THROWS_AS(gradus::tensor({1, 2}).requires_grad_(), gradus::DTypeError);
}

TEST_CASE("grad_fn is named as in PyTorch") {
  const Tensor x = leaf({1, 2});
  CHECK(x.grad_fn() == "");
  CHECK((x * 2).grad_fn() == "MulBackward0");
  CHECK(x.exp().grad_fn() == "ExpBackward0");
  CHECK(x.select(0, 0).grad_fn() == "SelectBackward0");
}

TEST_CASE("set_grad refuses what does not fit") {
  const Tensor x = leaf({1, 2});
  CHECK_THROWS_AS(x.set_grad(gradus::ones({3}, {.dtype = gradus::float64})), gradus::ShapeError);
  CHECK_THROWS_AS(x.set_grad(gradus::ones({2})), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::ones({2}).set_grad(gradus::ones({2})), gradus::AutogradError);
  x.set_grad(gradus::ones({2}, {.dtype = gradus::float64}));
  x.sum().backward();
  CHECK(grad_of(x) == Values{2, 2});
}

TEST_CASE("a hook sees the whole gradient once, may replace it, and can be removed: on a leaf") {
  const Tensor x = scalar(3);
  std::vector<double> seen;
  const int64_t id = x.register_hook([&](const Tensor& g) {
    seen.push_back(g.item());
    return g * 10;
  });
  (x * 2 + x * x).backward();
  CHECK(seen == Values{8});
  CHECK(grad_of(x) == Values{80});
  x.remove_hook(id);
  (x * 2).backward();
  CHECK(grad_of(x) == Values{82});
  CHECK_THROWS_AS(x.remove_hook(id), gradus::ValueError);
}

TEST_CASE("a hook on an inner tensor changes what flows below it") {
  const Tensor x = scalar(3);
  const Tensor y = x * 2;
  double seen = 0;
  y.register_hook([&](const Tensor& g) {
    seen = g.item();
    return Tensor();
  });
  const int64_t id = y.register_hook([](const Tensor& g) { return g * 100; });
  const Tensor z = y * y;
  z.backward({}, true);
  CHECK(seen == 12);
  CHECK(grad_of(x) == Values{2400});
  y.remove_hook(id);
  x.set_grad({});
  z.backward();
  CHECK(grad_of(x) == Values{24});
}

TEST_CASE("a hook must keep shape and dtype, and needs a tensor with a gradient") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 2;
  y.register_hook([](const Tensor&) { return gradus::ones({3}, {.dtype = gradus::float64}); });
  CHECK_THROWS_AS(y.sum().backward(), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::ones({2}).register_hook([](const Tensor& g) { return g; }), gradus::AutogradError);
  CHECK_THROWS_AS(x.register_hook({}), gradus::ValueError);
}

TEST_CASE("retain_grad keeps the gradient of an inner tensor, adding up as a leaf's does") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 2;
  CHECK_FALSE(y.grad().defined());
  y.retain_grad();
  y.retain_grad();
  const Tensor z = (y * y).sum();
  z.backward({}, true);
  CHECK(grad_of(y) == Values{4, 8});
  z.backward();
  CHECK(grad_of(y) == Values{8, 16});
  CHECK(grad_of(x) == Values{16, 32});
  CHECK_FALSE(y.is_leaf());
  CHECK_THROWS_AS(gradus::ones({2}).retain_grad(), gradus::AutogradError);
}

TEST_CASE("paths that meet again add up, however many there are") {
  const Tensor x = scalar(1);
  Tensor y = x;
  for (int i = 0; i < 50; ++i) y = y + y;  // 2^50 paths
  y.backward();
  CHECK(x.grad().item() == 0x1p50);
}

TEST_CASE("a wide fan into one leaf adds up") {
  const Tensor x = scalar(1);
  Tensor total = x * 0;
  double expected = 0;
  for (int i = 1; i <= 500; ++i) {
    total = total + x * i;
    expected += i;
  }
  total.backward();
  CHECK(x.grad().item() == expected);
}

TEST_CASE("an output of an operation with several that nobody uses counts as zero") {
  const Tensor x = leaf({1, 2, 3, 4});
  const auto halves = x.split(2);
  (halves[1] * halves[1]).sum().backward();
  CHECK(grad_of(x) == Values{0, 0, 6, 8});
}

TEST_CASE("an exception in a hook leaves the engine and the leaves usable") {
  const Tensor x = scalar(2);
  const Tensor bad = x * 3;
  bad.register_hook([](const Tensor&) -> Tensor { throw std::runtime_error("from the hook"); });
  CHECK_THROWS_WITH_AS((bad * 2).backward(), "from the hook", std::runtime_error);
  CHECK(gradus::is_grad_enabled());
  (x * 5).backward();
  CHECK(grad_of(x) == Values{5});
}

TEST_CASE("a hook may itself run backward") {
  const Tensor x = scalar(2), inner = scalar(3);
  const Tensor y = x * 3;
  y.register_hook([&](const Tensor& g) {
    gradus::EnableGradGuard recording;
    (inner * inner).backward();
    return g;
  });
  y.backward();
  CHECK(grad_of(x) == Values{3});
  CHECK(grad_of(inner) == Values{6});
}

TEST_CASE("gradients left by create_graph are tensors of their own, so that adding to one changes no other") {
  const Tensor x = leaf({1, 2}), y = leaf({3, 4});
  const Tensor seed = gradus::from_vector(Values{1, 1}, {2});
  (x + y).backward(seed, false, true);
  (x * 10).backward(seed);
  CHECK(grad_of(x) == Values{11, 11});
  CHECK(grad_of(y) == Values{1, 1});
  CHECK(seed.to_vector<double>() == Values{1, 1});
}

TEST_CASE("with leaves_early a leaf has its gradient, all of it, before the nodes behind it are visited") {
  const Tensor first = leaf({1, 2, 3}), last = leaf({4, 5, 6}), twice = leaf({7, 8, 9});
  const auto run = [&](bool early) {
    std::string order;
    for (const Tensor& x : {first, last, twice}) x.set_grad({});
    const Tensor hidden = first * 2 + twice;
    const int64_t hook = hidden.register_hook([&](const Tensor& dy) {
      order += last.grad().defined() ? "last " : "";
      order += twice.grad().defined() ? "twice " : "";
      return dy;
    });
    autograd::backward({(hidden * last * twice).sum()}, {}, {.leaves_early = early});
    hidden.remove_hook(hook);
    return order;
  };
  CHECK(run(false).empty());
  const Values of_first = grad_of(first), of_last = grad_of(last), of_twice = grad_of(twice);
  CHECK(run(true) == "last ");
  CHECK(grad_of(first) == of_first);
  CHECK(grad_of(last) == of_last);
  CHECK(grad_of(twice) == of_twice);
}

TEST_CASE("arrived is called once a leaf's grad holds the gradient, which may be taken from there") {
  const Tensor first = leaf({1, 2, 3}), last = leaf({4, 5, 6}), other = leaf({7, 8, 9}), unused = leaf({1, 1, 1});
  std::vector<Values> taken(3);
  const auto arrived = [&](size_t i) {
    const Tensor& x = i == 0 ? first : i == 1 ? last : unused;
    taken[i] = grad_of(x);
    x.set_grad({});
  };
  const std::vector<Tensor> leaves{first, last, unused};
  autograd::backward({(first * 2 * last + other + last).sum()}, {}, {.leaves_early = true, .leaves = leaves, .arrived = arrived});
  CHECK(taken == std::vector<Values>{{8, 10, 12}, {3, 5, 7}, {}});
  CHECK_FALSE(first.grad().defined());
  CHECK_FALSE(last.grad().defined());
  CHECK(grad_of(other) == Values{1, 1, 1});
  SUBCASE("more than once, where a pass runs inside") {
    int calls = 0;
    const auto square = [&](const std::vector<Tensor>& in) { return in[0] * first; };
    autograd::backward({(autograd::checkpoint(square, {last}) * first).sum()}, {},
                       {.leaves = {first}, .arrived = [&](size_t) { ++calls; }});
    CHECK(calls == 2);
    CHECK(grad_of(first) == Values{8, 20, 36});
  }
  SUBCASE("not after the pass") {
    taken.assign(3, {});
    (first * 2).sum().backward();
    CHECK(taken[0].empty());
  }
  SUBCASE("what it throws ends the pass") {
    const auto stop = [](size_t) { throw std::runtime_error("enough"); };
    CHECK_THROWS_WITH_AS(autograd::backward({(first * last).sum()}, {}, {.leaves = {last}, .arrived = stop}), "enough", std::runtime_error);
    (first * 2).sum().backward();
    CHECK(grad_of(first).size() == 3);
  }
}

TEST_CASE("meanwhile is called between the operations of a backward pass and inside long ones, on this thread, and not afterwards") {
  int calls = 0;
  const auto count = [&] { ++calls; };
  const Tensor x = gradus::ones({4}).requires_grad_();
  const auto calls_of = [&](const Tensor& y) {
    calls = 0;
    autograd::backward({y.sum()}, {}, {.meanwhile = count});
    return calls;
  };
  const int few = calls_of(x * 2), more = calls_of((x * 2).tanh().exp() * 3);
  CHECK(few > 0);
  CHECK(more >= few + 3);
  gradus::nn::GRU rnn(8, 8);
  CHECK(calls_of(rnn(gradus::ones({40, 2, 8})).output) >= 40);
  const auto stop = [&] {
    if (++calls == 20) throw std::runtime_error("enough");
  };
  calls = 0;
  const Tensor y = rnn(gradus::ones({40, 2, 8})).output.sum();
  CHECK_THROWS_WITH_AS(autograd::backward({y}, {}, {.meanwhile = stop}), "enough", std::runtime_error);
  CHECK(calls == 20);
  calls = 0;
  (x * 2).tanh().sum().backward();
  CHECK(calls == 0);
}

TEST_CASE("leaves_early: a leaf that is itself the output, one that gets nothing, and hooks that run once") {
  const Tensor x = leaf({1, 2, 3}), unused = leaf({1, 2, 3});
  int calls = 0;
  x.register_hook([&](const Tensor& dy) {
    ++calls;
    return dy;
  });
  autograd::backward({x, x * 3, unused.detach() * x}, {gradus::ones_like(x), gradus::ones_like(x), gradus::ones_like(x)},
                     {.leaves_early = true});
  CHECK(calls == 1);
  CHECK(grad_of(x) == Values{5, 6, 7});
  CHECK_FALSE(unused.grad().defined());
}
