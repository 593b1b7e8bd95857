#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "ops/op_test.h"

using namespace op_test;

TEST_CASE("rrelu draws PyTorch's slopes for the same seed, only where x <= 0") {
  const Tensor x = gradus::tensor({-1.0, 2.0, -3.0, -4.0, 0.0, 5.0});
  gradus::manual_seed(0);
  CHECK(values(rrelu(x, 1.0 / 8, 1.0 / 3, true)) == Values{-0.3270943760871887, 2, -0.8173874616622925, -0.8828191161155701, 0, 5});
  gradus::manual_seed(0);
  CHECK(values(rrelu(x.to(gradus::float64), 0.1, 0.9, true)) ==
        Values{-0.8760424014452425, 2, -1.998767674559491, -1.870025418007843, 0, 5});
}

TEST_CASE("the gradient of rrelu has the slopes that were drawn") {
  gradus::manual_seed(1);
  const Tensor x = input({20});
  const Tensor y = rrelu(x, 0.2, 0.8, true);
  check_equal(gradient(y, x, gradus::ones_like(y)) * x.detach(), y.detach());
}

TEST_CASE("activations are exact far from 0") {
  const Tensor x = gradus::tensor({-1e4, -100.0, 100.0, 1e4});
  CHECK(values(mish(x)) == Values{-0.0, mish(x)[1].item(), 100, 1e4});
  CHECK(mish(x)[1].item() == doctest::Approx(-100 * std::exp(-100.0)).epsilon(1e-4));
  CHECK(values(hardswish(x)) == Values{0, 0, 100, 1e4});
  CHECK(values(softsign(x))[3] == doctest::Approx(1).epsilon(1e-3));
  CHECK(values(celu(x, 2)) == Values{-2, -2, 100, 1e4});
}

TEST_CASE("gelu of float32 and its gradient are as good as those of float64, also where little is left") {
  const Tensor x = gradus::linspace(-12, 12, 200001, {.dtype = gradus::float64}).to(gradus::float32).requires_grad_();
  const Tensor wide = x.detach().to(gradus::float64).requires_grad_();
  const Tensor y = gelu(x), exact = gelu(wide);
  CHECK(y.detach().to(gradus::float64).allclose(exact.detach(), 3e-7, 6e-8));
  CHECK(gradient(y, x, gradus::ones_like(y)).to(gradus::float64).allclose(gradient(exact, wide, gradus::ones_like(exact)), 3e-7, 2e-7));
  CHECK(gelu(gradus::tensor({-6.0}, {.dtype = gradus::float32})).item() ==
        doctest::Approx(-3 * std::erfc(6 * std::sqrt(0.5))).epsilon(1e-5));
  CHECK(values(gelu(gradus::tensor({-1e30, -20.0, 0.0, 20.0, 1e30}, {.dtype = gradus::float32}))) == Values{-0.0, -0.0, 0, 20, 1e30F});
}

TEST_CASE("activations of integers stay integers where PyTorch's do") {
  const Tensor x = gradus::tensor({-7, 0, 9});
  CHECK(ints(relu6(x)) == Ints{0, 0, 6});
  CHECK(ints(hardtanh(x, -2.5, 1.5)) == Ints{-2, 0, 1});
  CHECK(ints(threshold(x, 0, 4)) == Ints{4, 4, 9});
  CHECK(softsign(x).dtype() == gradus::float32);
  CHECK_THROWS_AS(mish(x), gradus::DTypeError);
  CHECK_THROWS_AS(relu6(gradus::tensor({true})), gradus::DTypeError);
}

TEST_CASE("activations refuse options that make no sense") {
  const Tensor x = gradus::zeros({2, 3});
  CHECK(error_of<gradus::ValueError>([&] { softshrink(x, -1); }) == "softshrink: lambd is -1, but must not be negative");
  CHECK(error_of<gradus::ShapeError>([&] { prelu(x, gradus::zeros(2)); }) ==
        "prelu: weight has shape [2], but x of shape [2, 3] has 3 channels (dimension 1); give 1 slope or as many");
  CHECK_THROWS_AS(prelu(x, gradus::zeros({1, 3})), gradus::ShapeError);
  CHECK_THROWS_AS(prelu(x, gradus::zeros(3, {.dtype = gradus::float64})), gradus::DTypeError);
  CHECK_THROWS_AS(rrelu(x, 0.5, 0.1), gradus::ValueError);
  CHECK_THROWS_AS(celu(x, 0), gradus::ValueError);
  CHECK_THROWS_AS(hardswish(Tensor()), gradus::StateError);
}
