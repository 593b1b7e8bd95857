#include "gradus/nn/convolution.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/ops/convolution.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;

TEST_CASE("Conv1d starts with PyTorch's numbers for the same seed") {
  gradus::manual_seed(0);
  const nn::Conv1d layer(2, 3, 2);
  check_close(layer.weight.flatten(),
              gradus::tensor({-0.00374341011, 0.268221796, -0.411522567, -0.367969513, -0.192577183, 0.134078681, -0.00990658998,
                              0.396444738, -0.0443720222, 0.132306278, -0.151106536, -0.0982826948}),
              1e-6);
  check_close(layer.bias, gradus::tensor({-0.477674246, -0.331141055, -0.20611155}), 1e-6);
}

TEST_CASE("convolution layers are the functions with their weights and options") {
  const nn::Conv1d layer(4, 6, 3, {.stride = 2, .padding = 1, .dilation = 2, .groups = 2});
  CHECK(layer.weight.shape() == Shape{6, 2, 3});
  const Tensor x = gradus::randn({2, 4, 9});
  check_same(layer(x), gradus::conv1d(x, layer.weight, layer.bias, 2, 1, 2, 2));
  const nn::Conv2d image(3, 2, {2, 3}, {.padding = "same", .bias = false});
  CHECK_FALSE(image.bias.defined());
  const Tensor y = gradus::randn({1, 3, 4, 4});
  check_same(image(y), gradus::conv2d(y, image.weight, {}, 1, "same"));
}

TEST_CASE("a convolution pads with elements of its input where it is told to") {
  const nn::Conv1d layer(1, 1, 2, {.padding = "same", .bias = false, .padding_mode = nn::PaddingMode::Circular});
  nn::init::ones_(layer.weight);
  CHECK(values(layer(gradus::tensor({{{1.0, 2.0, 4.0}}}))) == Values{3, 6, 5});
  const nn::Conv2d image(1, 1, 3, {.padding = {1, 0}, .bias = false, .padding_mode = nn::PaddingMode::Reflect});
  const Tensor x = gradus::randn({1, 1, 3, 3});
  check_same(image(x), gradus::conv2d(gradus::pad(x, {0, 0, 1, 1}, "reflect"), image.weight));
}

TEST_CASE("convolution layers print as PyTorch prints them") {
  CHECK(nn::Conv1d(3, 4, 2).str() == "Conv1d(3, 4, kernel_size=(2,), stride=(1,))");
  CHECK(nn::Conv2d(4, 4, {2, 3}, {.padding = {0, 1}, .dilation = 2, .groups = 2, .bias = false, .padding_mode = nn::PaddingMode::Reflect})
            .str() ==
        "Conv2d(4, 4, kernel_size=(2, 3), stride=(1, 1), padding=(0, 1), dilation=(2, 2), groups=2, bias=False, padding_mode=reflect)");
  CHECK(nn::Conv2d(4, 4, 3, {.padding = "same"}).str() == "Conv2d(4, 4, kernel_size=(3, 3), stride=(1, 1), padding=same)");
}

TEST_CASE("convolution layers refuse sizes that make no sense") {
  CHECK(error_of<gradus::ValueError>([] { nn::Conv1d(4, 4, 3, {.groups = 3}); }) ==
        "Conv1d: 4 input and 4 output channels do not divide into 3 groups");
  CHECK_THROWS_AS(nn::Conv1d(4, 4, 3, {.groups = 0}), gradus::ValueError);
  CHECK_THROWS_AS(nn::Conv1d(0, 4, 3), gradus::ValueError);
  CHECK_THROWS_AS(nn::Conv1d(4, 4, 0), gradus::ValueError);
  CHECK_THROWS_AS(nn::Conv1d(4, 4, {2, 2}), gradus::ValueError);
  CHECK_THROWS_AS(nn::Conv1d(4, 4, 2, {.stride = 0}), gradus::ValueError);
  CHECK_THROWS_AS(nn::Conv1d(4, 4, 2, {.padding = -1}), gradus::ValueError);
  CHECK_THROWS_AS(nn::Conv1d(4, 4, 2, {.stride = 2, .padding = "same"}), gradus::ValueError);
}

TEST_CASE("Bilinear is the function with its weights") {
  const nn::Bilinear layer(2, 3, 4);
  const Tensor x1 = gradus::randn({5, 2}), x2 = gradus::randn({5, 3});
  check_same(layer(x1, x2), gradus::bilinear(x1, x2, layer.weight, layer.bias));
  check_close(layer(x1, x2), gradus::einsum("bi,oij,bj->bo", {x1, layer.weight, x2}) + layer.bias, 1e-5);
  CHECK(layer.str() == "Bilinear(in1_features=2, in2_features=3, out_features=4, bias=True)");
  CHECK_THROWS_AS(nn::Bilinear(0, 1, 1), gradus::ValueError);
}
