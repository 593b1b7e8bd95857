#include <doctest/doctest.h>

#include "autograd/leaf.h"
#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/memory.h"
#include "gradus/ops/shape.h"

using gradus::Tensor;
namespace autograd = gradus::autograd;
using autograd::Context;
using testing::error_of;
using namespace autograd_test;

namespace {

using Tensors = std::vector<Tensor>;

struct Cube : autograd::Function<Cube> {
  static constexpr const char* name = "cube";
  static Tensors forward(Context& ctx, const Tensors& in) {
    ctx.save_for_backward({in[0]});
    return {in[0] * in[0] * in[0]};
  }
  static Tensors backward(Context& ctx, const Tensors& dy) {
    const Tensor x = ctx.saved_tensors()[0];
    return {dy[0] * 3 * x * x};
  }
};

/// Saves its own output.
struct Exp : autograd::Function<Exp> {
  static constexpr const char* name = "my_exp";
  static Tensors forward(Context& ctx, const Tensors& in) {
    const Tensor y = in[0].exp();
    ctx.save_for_backward({y});
    return {y};
  }
  static Tensors backward(Context& ctx, const Tensors& dy) { return {dy[0] * ctx.saved_tensors()[0]}; }
};

/// x + y and x - y, and how many gradients arrived.
struct SumDifference : autograd::Function<SumDifference> {
  static constexpr const char* name = "sum_difference";
  static Tensors forward(Context& ctx, const Tensors& in) {
    ctx.state = std::make_shared<double>(2);
    return {in[0] + in[1], in[0] - in[1], gradus::tensor({7})};
  }
  static Tensors backward(Context& ctx, const Tensors& dy) {
    CHECK(dy.size() == 3);
    const double factor = *std::static_pointer_cast<double>(ctx.state) / 2;
    const Tensor zero = gradus::zeros({2}, {.dtype = gradus::float64});
    const Tensor s = dy[0].defined() ? dy[0] : zero, d = dy[1].defined() ? dy[1] : zero;
    return {ctx.needs_input_grad(0) ? (s + d) * factor : Tensor(), ctx.needs_input_grad(1) ? s - d : Tensor()};
  }
};

}  // namespace

TEST_CASE("a custom function uses its own backward, and its name") {
  const Tensor x = leaf({1, 2});
  const Tensor y = Cube::apply({x})[0];
  CHECK(y.grad_fn() == "CubeBackward0");
  CHECK(y.to_vector<double>() == Values{1, 8});
  y.sum().backward();
  CHECK(x.grad().to_vector<double>() == Values{3, 12});
}

TEST_CASE("custom functions are differentiated twice through saved inputs and saved outputs") {
  const auto f = [](const Tensors& in) { return Cube::apply({Exp::apply({in[0] * 0.5})[0]}); };
  CHECK(autograd::gradcheck(f, {leaf({0.3, -0.4})}));
  CHECK(autograd::gradgradcheck(f, {leaf({0.3, -0.4})}));
}

TEST_CASE("a function that saves its output does not keep itself alive") {
  const size_t before = gradus::memory_stats().live_bytes;
  {
    const Tensor x = leaf({1, 2});
    Tensor y = Exp::apply({x})[0];
    y = Exp::apply({y})[0];
  }
  CHECK(gradus::memory_stats().live_bytes == before);
}

TEST_CASE("a function may have several inputs and outputs, integer outputs among them") {
  const Tensor x = leaf({1, 2}), y = leaf({3, 5});
  const auto out = SumDifference::apply({x, y});
  CHECK(out[0].requires_grad());
  CHECK_FALSE(out[2].requires_grad());
  (out[1] * 10).sum().backward();
  CHECK(x.grad().to_vector<double>() == Values{10, 10});
  CHECK(y.grad().to_vector<double>() == Values{-10, -10});

  const Tensor fixed = y.detach();
  x.set_grad({});
  const auto half = SumDifference::apply({x, fixed});
  (half[0] * half[1]).sum().backward();
  CHECK(x.grad().to_vector<double>() == Values{2, 4});
}

TEST_CASE("nothing is recorded when no input needs a gradient or under NoGradGuard") {
  CHECK_FALSE(Cube::apply({gradus::ones({2})})[0].requires_grad());
  gradus::NoGradGuard no_grad;
  CHECK_FALSE(Cube::apply({leaf({1})})[0].requires_grad());
}

TEST_CASE("a second backward through a function that saved something is an error") {
  const Tensor x = leaf({1, 2});
  const Tensor y = Cube::apply({x})[0].sum();
  y.backward();
  CHECK(error_of<gradus::Error>([&] { y.backward(); }).find("retain_graph = true") != std::string::npos);
  const Tensor z = Cube::apply({x})[0].sum();
  z.backward({}, true);
  z.backward();
  CHECK(x.grad().to_vector<double>() == Values{9, 36});
}

TEST_CASE("a tensor that a function saved and that was changed in place is reported") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 1;
  const Tensor z = Cube::apply({y})[0].sum();
  y.add_(1);
  CHECK_THROWS_AS(z.backward(), gradus::AutogradError);
  const Tensor e = Exp::apply({x})[0];
  e.add_(1);
  CHECK_THROWS_AS(e.sum().backward(), gradus::AutogradError);
}

TEST_CASE("an exception in forward or backward passes through and leaves the engine usable") {
  const auto identity = [](Context&, const Tensors& in) { return Tensors{in[0] * 1}; };
  const auto fails = [](Context&, const Tensors&) -> Tensors { throw std::runtime_error("no"); };
  const Tensor x = leaf({1, 2});
  CHECK_THROWS_WITH_AS(autograd::apply_function({x}, "bad", fails, identity), "no", std::runtime_error);
  CHECK(gradus::is_grad_enabled());
  const Tensor y = autograd::apply_function({x}, "bad", identity, fails)[0];
  CHECK_THROWS_WITH_AS(y.sum().backward(), "no", std::runtime_error);
  CHECK(gradus::is_grad_enabled());
  (x * 2).sum().backward();
  CHECK(x.grad().to_vector<double>() == Values{2, 2});
}

TEST_CASE("backward must give one gradient per input, of its shape") {
  const auto identity = [](Context&, const Tensors& in) { return Tensors{in[0] * 1}; };
  const Tensor x = leaf({1, 2});
  const auto run = [&](const autograd::ContextFunction& backward) {
    return error_of<gradus::Error>([&] { autograd::apply_function({x, x}, "pair", identity, backward)[0].sum().backward(); });
  };
  CHECK(run([](Context&, const Tensors& dy) { return dy; }).find("pair: backward gave 1 gradients for 2 inputs") == 0);
  CHECK(run([](Context&, const Tensors& dy) {
          return Tensors{dy[0], gradus::ones({3})};
        }) == "pair: backward gave a gradient of shape [3] for input 1 of shape [2]");
  CHECK(run([](Context&, const Tensors& dy) {
          return Tensors{dy[0], gradus::tensor({1, 2})};
        }) == "pair: backward gave a gradient of dtype int64 for input 1, which is float64");
  CHECK(run([](Context&, const Tensors& dy) { return Tensors{dy[0], dy[0].expand({4, 2})}; }) == "");
}

TEST_CASE("forward must give tensors and leave its inputs alone") {
  const auto backward = [](Context&, const Tensors& dy) { return dy; };
  const Tensor x = leaf({1, 2});
  CHECK_THROWS_AS(autograd::apply_function(
                      {x}, "none", [](Context&, const Tensors&) { return Tensors{}; }, backward),
                  gradus::AutogradError);
  CHECK_THROWS_AS(autograd::apply_function(
                      {x}, "undefined", [](Context&, const Tensors&) { return Tensors{Tensor()}; }, backward),
                  gradus::AutogradError);
  const auto careless = [](Context&, const Tensors& in) { return Tensors{in[0].add_(1)}; };
  CHECK(error_of<gradus::Error>([&] { autograd::apply_function({x}, "careless", careless, backward); }) ==
        "careless: forward changed an input in place; work on a clone() of it");
  CHECK_THROWS_AS(autograd::apply_function({x}, "empty", {}, backward), gradus::ValueError);
}

TEST_CASE("a function that hands its input through gives a tensor of its own") {
  const auto through = [](Context&, const Tensors& in) { return in; };
  const auto reversed = [](Context&, const Tensors& dy) { return Tensors{-dy[0]}; };
  const Tensor x = leaf({1, 2});
  const Tensor y = autograd::apply_function({x}, "reverse", through, reversed)[0];
  CHECK_FALSE(y.is_same(x));
  y.mul_(3);
  CHECK(x.to_vector<double>() == Values{1, 2});
  const Tensor z = y.sum();
  z.backward({}, true);
  z.backward();
  CHECK(x.grad().to_vector<double>() == Values{-6, -6});
}

TEST_CASE("a view that forward returns is written to in place with the right history") {
  const auto rows = [](Context&, const Tensors& in) { return Tensors{(in[0] * 2).view({2, 2})[1]}; };
  const auto back = [](Context&, const Tensors& dy) {
    return Tensors{gradus::cat({gradus::zeros({2}, {.dtype = gradus::float64}), dy[0] * 2})};
  };
  const Tensor x = leaf({1, 2, 3, 4});
  const Tensor y = autograd::apply_function({x}, "rows", rows, back)[0];
  y[0].mul_(10);
  y.sum().backward();
  CHECK(x.grad().to_vector<double>() == Values{0, 0, 20, 2});
}
