#include "gradus/nn/normalization.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/init.h"
#include "gradus/ops/normalization.h"
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

TEST_CASE("BatchNorm keeps running numbers while training and uses them in evaluation") {
  const nn::BatchNorm1d layer(2);
  CHECK(names(layer.state_dict()) == std::vector<std::string>{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  CHECK(names(layer.named_parameters()) == std::vector<std::string>{"weight", "bias"});
  const Tensor x = gradus::tensor({{0.0, 10.0}, {2.0, 30.0}});
  layer(x);
  check_close(layer.running_mean, gradus::tensor({0.1, 2.0}), 1e-6);
  check_close(layer.running_var, gradus::tensor({1.1, 20.9}), 1e-6);
  CHECK(layer.num_batches_tracked.item<int64_t>() == 1);
  layer.eval();
  check_same(layer(x), gradus::batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias));
  CHECK(layer.num_batches_tracked.item<int64_t>() == 1);
}

TEST_CASE("BatchNorm without momentum keeps the mean of all batches") {
  const nn::BatchNorm1d layer(1, {.momentum = std::nullopt});
  layer(gradus::tensor({{0.0}, {2.0}}));
  layer(gradus::tensor({{4.0}, {6.0}}));
  CHECK(values(layer.running_mean) == Values{3});
  CHECK(values(layer.running_var) == Values{2});
}

TEST_CASE("BatchNorm without running numbers takes those of the batch in evaluation too") {
  const nn::BatchNorm1d layer(3, {.affine = false, .track_running_stats = false});
  CHECK(layer.state_dict().empty());
  layer.eval();
  const Tensor x = gradus::randn({4, 3});
  check_same(layer(x), gradus::batch_norm(x, {}, {}, {}, {}, true));
}

TEST_CASE("a BatchNorm that refuses its input has counted nothing") {
  const nn::BatchNorm2d layer(3);
  CHECK_THROWS_AS(layer(gradus::zeros({1, 3, 1, 1})), gradus::ValueError);
  CHECK(layer.num_batches_tracked.item<int64_t>() == 0);
  CHECK(error_of<gradus::ShapeError>([&] {
          layer(gradus::zeros({2, 3, 4}));
        }) == "BatchNorm2d: x has shape [2, 3, 4], expected 4 dimensions: (batch, channels, …)");
  CHECK(error_of<gradus::ShapeError>([] {
          nn::BatchNorm1d(3)(gradus::zeros({2, 4}));
        }) == "BatchNorm1d: x of shape [2, 4] has 4 channels, expected 3");
  CHECK_THROWS_AS(nn::BatchNorm1d{-1}, gradus::ValueError);
}

TEST_CASE("a cloned BatchNorm has running numbers of its own, and converts with them") {
  const nn::BatchNorm1d layer(2), twin = nn::clone(layer);
  twin(gradus::randn({4, 2}));
  CHECK(values(layer.running_mean) == Values{0, 0});
  CHECK(layer.num_batches_tracked.item<int64_t>() == 0);
  twin.to(gradus::float64);
  CHECK(twin.running_mean.dtype() == gradus::float64);
  CHECK(twin(gradus::randn({4, 2}, {.dtype = gradus::float64})).dtype() == gradus::float64);
}

TEST_CASE("GroupNorm is the function with its weights") {
  const nn::GroupNorm layer(2, 4);
  const Tensor x = gradus::randn({2, 4, 3});
  check_same(layer(x), gradus::group_norm(x, 2, layer.weight, layer.bias));
  CHECK(nn::GroupNorm(2, 4, {.affine = false}).parameters().empty());
  CHECK_THROWS_AS(nn::GroupNorm(3, 4), gradus::ValueError);
}

TEST_CASE("batch and group normalisations print as PyTorch prints them") {
  CHECK(nn::BatchNorm1d(3).str() == "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
  CHECK(nn::BatchNorm2d(3, {.eps = 0.001, .momentum = std::nullopt, .affine = false}).str() ==
        "BatchNorm2d(3, eps=0.001, momentum=None, affine=False, track_running_stats=True)");
  CHECK(nn::BatchNorm1d(3, {.momentum = 1}).str() == "BatchNorm1d(3, eps=1e-05, momentum=1.0, affine=True, track_running_stats=True)");
  CHECK(nn::GroupNorm(2, 4).str() == "GroupNorm(2, 4, eps=1e-05, affine=True)");
}
