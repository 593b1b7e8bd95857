#include <doctest/doctest.h>

#include <cmath>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/random.h"
#include "ops/op_test.h"

using gradus::Tensor;
namespace autograd = gradus::autograd;
using autograd::Context;
using autograd::gradcheck;
using autograd::gradgradcheck;
using op_test::error_of;
using op_test::input;
using op_test::Tensors;

namespace {

/// x -> f(x) with a derivative of the test's choice.
Tensor with_backward(const Tensor& x, const autograd::ContextFunction& backward) {
  return autograd::apply_function(
      {x}, "test",
      [](Context& ctx, const Tensors& in) {
        ctx.save_for_backward(in);
        return Tensors{in[0] * in[0]};
      },
      backward)[0];
}

}  // namespace

TEST_CASE("gradcheck and gradgradcheck pass right derivatives, of all inputs and outputs") {
  gradus::manual_seed(1);
  const auto f = [](const Tensors& in) { return Tensors{in[0] * in[1].exp(), (in[0] * in[0]).sum() * in[1]}; };
  CHECK(gradcheck(f, {input({2, 3}), input({3})}));
  CHECK(gradgradcheck(f, {input({2, 3}), input({3})}));
}

TEST_CASE("gradcheck leaves inputs and their gradients alone, and takes integer inputs and constants along") {
  gradus::manual_seed(2);
  const Tensor x = input({3}), fixed = gradus::randn({3}), indices = gradus::tensor({2, 0});
  const auto before = x.to_vector<double>();
  CHECK(gradcheck([&](const Tensors& in) { return Tensors{in[0] * in[1] + in[2].sum()}; }, {x, fixed, indices}));
  CHECK(x.to_vector<double>() == before);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("gradcheck works inside a NoGradGuard") {
  gradus::NoGradGuard no_grad;
  CHECK(gradcheck([](const Tensors& in) { return Tensors{in[0] * in[0]}; }, {input({2})}));
}

TEST_CASE("gradcheck refuses a wrong derivative and names input, place and both values") {
  const Tensor x = gradus::from_vector(std::vector<double>{1, 2, 3, 4}, {2, 2}, {.requires_grad = true});
  const autograd::ContextFunction wrong_at_one = [](Context& ctx, const Tensors& dy) {
    const Tensor factor = gradus::from_vector(std::vector<double>{2, 2, 3, 2}, {2, 2});
    return Tensors{dy[0] * ctx.saved_tensors()[0] * factor};
  };
  const std::string text = error_of<gradus::Error>([&] {
    gradcheck([&](const Tensors& in) { return Tensors{in[0] * 1, with_backward(in[1], wrong_at_one)}; }, {x, x});
  });
  CAPTURE(text);
  CHECK(text.find("gradcheck: the gradient of input 1 at [1, 0] is ") == 0);
  CHECK(text.find("central differences give") != std::string::npos);
  CHECK(text.find("contiguous inputs, all outputs") != std::string::npos);
}

TEST_CASE("gradcheck sees a gradient that is right only in sum, or only for a symmetric cotangent") {
  const autograd::ContextFunction swapped = [](Context& ctx, const Tensors& dy) { return Tensors{dy[0].t() * 2 * ctx.saved_tensors()[0]}; };
  CHECK_THROWS_AS(gradcheck([&](const Tensors& in) { return Tensors{with_backward(in[0], swapped)}; }, {input({2, 2})}),
                  gradus::AutogradError);
}

TEST_CASE("gradcheck sees a derivative that is wrong only for strided inputs") {
  const autograd::ContextFunction contiguous_only = [](Context& ctx, const Tensors& dy) {
    const Tensor x = ctx.saved_tensors()[0];
    return Tensors{dy[0] * x * (x.is_contiguous() ? 2 : 3)};
  };
  const auto f = [&](const Tensors& in) { return Tensors{with_backward(in[0], contiguous_only)}; };
  CHECK(error_of<gradus::Error>([&] { gradcheck(f, {input({2, 3})}); }).find("(transposed inputs") != std::string::npos);
  CHECK(error_of<gradus::Error>([&] { gradcheck(f, {input({3})}); }).find("(step-2 inputs") != std::string::npos);
}

TEST_CASE("gradcheck sees a derivative that is wrong only for overlapping inputs") {
  const autograd::ContextFunction dense_only = [](Context& ctx, const Tensors& dy) {
    const Tensor x = ctx.saved_tensors()[0];
    return Tensors{dy[0] * x * (x.stride(0) == 0 ? 3 : 2)};
  };
  const auto f = [&](const Tensors& in) { return Tensors{with_backward(in[0], dense_only)}; };
  CHECK(error_of<gradus::Error>([&] { gradcheck(f, {input({2, 3})}); }).find("(overlapping inputs") != std::string::npos);
  CHECK(error_of<gradus::Error>([&] { gradcheck(f, {input({3})}); }).find("(overlapping inputs") != std::string::npos);
  CHECK(gradcheck(f, {input({1})}));
}

TEST_CASE("gradcheck passes a function that has no derivative where rows repeat") {
  CHECK(gradcheck([](const Tensors& in) { return Tensors{in[0].std({0})}; }, {input({4, 2})}));
  CHECK(gradgradcheck([](const Tensors& in) { return Tensors{in[0].std({0})}; }, {input({4, 2})}));
}

TEST_CASE("gradcheck sees an operation that forgets an output which alone is used") {
  const auto both = [](Context&, const Tensors& in) { return Tensors{in[0] * 1, in[0] * 2}; };
  const auto careless = [](Context&, const Tensors& dy) {
    return Tensors{dy[0].defined() && dy[1].defined() ? dy[0] + dy[1] * 2 : gradus::zeros({2}, {.dtype = gradus::float64})};
  };
  const auto f = [&](const Tensors& in) { return autograd::apply_function(in, "both", both, careless); };
  CHECK(error_of<gradus::Error>([&] { gradcheck(f, {input({2})}); }).find("output 0 alone") != std::string::npos);
}

TEST_CASE("gradcheck treats NaN and a missing gradient as wrong") {
  const autograd::ContextFunction nan = [](Context&, const Tensors& dy) { return Tensors{dy[0] * std::nan("")}; };
  const autograd::ContextFunction none = [](Context&, const Tensors&) { return Tensors{Tensor()}; };
  CHECK_THROWS_AS(gradcheck([&](const Tensors& in) { return Tensors{with_backward(in[0], nan)}; }, {input({2})}), gradus::AutogradError);
  CHECK_THROWS_AS(gradcheck([&](const Tensors& in) { return Tensors{with_backward(in[0], none)}; }, {input({2})}), gradus::AutogradError);
}

TEST_CASE("gradgradcheck sees a backward that cannot be differentiated") {
  const autograd::ContextFunction detached = [](Context& ctx, const Tensors& dy) {
    return Tensors{dy[0] * 2 * ctx.saved_tensors()[0].detach()};
  };
  const auto f = [&](const Tensors& in) { return Tensors{with_backward(in[0], detached)}; };
  CHECK(gradcheck(f, {input({2})}));
  CHECK(error_of<gradus::Error>([&] { gradgradcheck(f, {input({2})}); }).find("gradgradcheck: the gradient of input 0 at [0]") == 0);
}

TEST_CASE("gradcheck refuses what it cannot check") {
  const auto square = [](const Tensors& in) { return Tensors{in[0] * in[0]}; };
  CHECK_THROWS_AS(gradcheck(square, {gradus::ones({2}, {.requires_grad = true})}), gradus::DTypeError);
  CHECK_THROWS_AS(gradcheck(square, {gradus::ones({2}, {.dtype = gradus::float64})}), gradus::ValueError);
  CHECK_THROWS_AS(gradcheck(square, {}), gradus::ValueError);
  CHECK_THROWS_AS(gradcheck({}, {input({2})}), gradus::ValueError);
  CHECK_THROWS_AS(gradcheck(square, {input({2})}, {.eps = 0}), gradus::ValueError);
  CHECK_THROWS_AS(gradcheck([](const Tensors& in) { return Tensors{in[0].detach()}; }, {input({2})}), gradus::AutogradError);
  CHECK_THROWS_AS(gradcheck([](const Tensors& in) { return Tensors{in[0].to(gradus::float32)}; }, {input({2})}), gradus::DTypeError);
  const auto random = [](const Tensors& in) { return Tensors{in[0] * gradus::rand({2})}; };
  CHECK(error_of<gradus::Error>([&] { gradcheck(random, {input({2})}); }).find("take what is random out of it") != std::string::npos);
  CHECK_THROWS_AS(gradgradcheck([](const Tensors& in) { return Tensors{in[0].detach()}; }, {input({2})}), gradus::AutogradError);
}
