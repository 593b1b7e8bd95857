#include "gradus/nn/pooling.h"
#include "gradus/creation.h"
#include "gradus/ops/convolution.h"
#include "nn/nn_test.h"

using namespace nn_test;

TEST_CASE("pooling layers are the functions with their options") {
  const Tensor x = gradus::randn({2, 3, 8}), image = gradus::randn({2, 3, 6, 8});
  check_same(nn::MaxPool1d(3, {.stride = 2, .padding = 1, .dilation = 2, .ceil_mode = true})(x), gradus::max_pool1d(x, 3, 2, 1, 2, true));
  check_same(nn::MaxPool2d({2, 3})(image), gradus::max_pool2d(image, {2, 3}));
  check_same(nn::AvgPool1d(3, {.padding = 1, .count_include_pad = false})(x), gradus::avg_pool1d(x, 3, {}, 1, false, false));
  check_same(nn::AvgPool2d(2, {.stride = 1, .divisor_override = 3})(image), gradus::avg_pool2d(image, 2, 1, 0, false, true, 3));
  check_same(nn::AdaptiveAvgPool1d(3)(x), gradus::adaptive_avg_pool1d(x, 3));
  check_same(nn::AdaptiveAvgPool2d({2, std::nullopt})(image), gradus::adaptive_avg_pool2d(image, {2, 8}));
  check_same(nn::AdaptiveMaxPool1d(3)(x), gradus::adaptive_max_pool1d(x, 3));
  check_same(nn::AdaptiveMaxPool2d(2)(image), gradus::adaptive_max_pool2d(image, {2, 2}));
}

TEST_CASE("pooling layers print as PyTorch prints them") {
  CHECK(nn::MaxPool1d(2).str() == "MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)");
  CHECK(nn::MaxPool2d({2, 3}, {.stride = {1, 2}, .padding = 1}).str() ==
        "MaxPool2d(kernel_size=(2, 3), stride=(1, 2), padding=1, dilation=1, ceil_mode=False)");
  CHECK(nn::AvgPool1d(2).str() == "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))");
  CHECK(nn::AvgPool2d(2, {.stride = 1}).str() == "AvgPool2d(kernel_size=2, stride=1, padding=0)");
  CHECK(nn::AdaptiveAvgPool1d(3).str() == "AdaptiveAvgPool1d(output_size=3)");
  CHECK(nn::AdaptiveAvgPool2d(3).str() == "AdaptiveAvgPool2d(output_size=3)");
  CHECK(nn::AdaptiveMaxPool2d({3, std::nullopt}).str() == "AdaptiveMaxPool2d(output_size=(3, None))");
}
