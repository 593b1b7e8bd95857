#include "nn/nn_test.h"

using namespace nn_test;

TEST_CASE("LayerNorm starts as the function without weight and bias, which it has under PyTorch's names") {
  const nn::LayerNorm layer({2, 3});
  const Tensor x = gradus::randn({4, 2, 3});
  check_same(layer(x), gradus::layer_norm(x, {2, 3}));
  CHECK(names(layer.state_dict()) == std::vector<std::string>{"weight", "bias"});
  nn::init::constant_(layer.bias, 2);
  check_close(layer(x), gradus::layer_norm(x, {2, 3}) + 2, 1e-6);
  const nn::LayerNorm plain(3, {.eps = 0.5, .elementwise_affine = false});
  CHECK(plain.parameters().empty());
  check_same(plain(x), gradus::layer_norm(x, 3, {}, {}, 0.5));
}

TEST_CASE("LayerNorm prints as PyTorch prints it") {
  CHECK(nn::LayerNorm(3).str() == "LayerNorm((3,), eps=1e-05, elementwise_affine=True)");
  CHECK(nn::LayerNorm({2, 3}, {.eps = 0.1, .elementwise_affine = false}).str() == "LayerNorm((2, 3), eps=0.1, elementwise_affine=False)");
}

TEST_CASE("LayerNorm refuses a shape without sizes and an input of another width") {
  CHECK_THROWS_AS(nn::LayerNorm{Shape()}, gradus::ShapeError);
  CHECK_THROWS_AS(nn::LayerNorm(-1), gradus::ShapeError);
  CHECK_THROWS_AS(nn::LayerNorm(3)(gradus::zeros({2, 4})), gradus::ShapeError);
  CHECK_THROWS_AS(nn::LayerNorm(3)(gradus::zeros({2, 3}, {.dtype = gradus::float64})), gradus::DTypeError);
}
