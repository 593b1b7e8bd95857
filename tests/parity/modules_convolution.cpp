#include "gradus/nn/convolution.h"
#include "gradus/nn/pooling.h"
#include "parity/modules.h"
#include "parity/pooling_arguments.h"

namespace gradus::parity {
namespace {

using A = Arguments;

nn::PaddingMode padding_mode(const A& a) {
  const std::string name = a.text("padding_mode", "zeros");
  if (name == "reflect") return nn::PaddingMode::Reflect;
  if (name == "replicate") return nn::PaddingMode::Replicate;
  if (name == "circular") return nn::PaddingMode::Circular;
  if (name != "zeros") throw NoSuchCall("padding_mode " + name);
  return nn::PaddingMode::Zeros;
}

nn::ConvOptions options(const A& a) {
  return {.stride = a.dims("stride", 1),
          .padding = a.is_text("padding") ? Padding(a.text("padding", "")) : Padding(a.dims("padding", 0)),
          .dilation = a.dims("dilation", 1),
          .groups = a.integer("groups", 1),
          .bias = a.flag("bias", true),
          .padding_mode = padding_mode(a)};
}

template <class Layer>
Built convolution(const A& a) {
  return built(Layer(a.integer("in_channels"), a.integer("out_channels"), a.dims("kernel_size"), options(a)),
               [](const Layer& m, const A& call) { return m(call.tensor("input")); });
}

nn::MaxPoolOptions max_options(const A& a) {
  if (a.flag("return_indices", false)) throw NoSuchCall("return_indices");
  return {.stride = a.dims("stride", {}),
          .padding = a.dims("padding", 0),
          .dilation = a.dims("dilation", 1),
          .ceil_mode = a.flag("ceil_mode", false)};
}

template <class Layer>
Built built_layer(Layer layer) {
  return built(std::move(layer), [](const Layer& m, const A& call) { return m(call.tensor("input")); });
}

template <class Layer>
Built max_pool_layer(const A& a) {
  return built_layer(Layer(a.dims("kernel_size"), max_options(a)));
}

Built avg_pool1d_layer(const A& a) {
  return built_layer(nn::AvgPool1d(a.dims("kernel_size"), {.stride = a.dims("stride", {}),
                                                           .padding = a.dims("padding", 0),
                                                           .ceil_mode = a.flag("ceil_mode", false),
                                                           .count_include_pad = a.flag("count_include_pad", true)}));
}

Built avg_pool2d_layer(const A& a) {
  return built_layer(nn::AvgPool2d(a.dims("kernel_size"), {.stride = a.dims("stride", {}),
                                                           .padding = a.dims("padding", 0),
                                                           .ceil_mode = a.flag("ceil_mode", false),
                                                           .count_include_pad = a.flag("count_include_pad", true),
                                                           .divisor_override = a.optional_integer("divisor_override")}));
}

}  // namespace

std::vector<ModuleRow> convolution_modules() {
  constexpr const char* constructor = "in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode";
  constexpr const char* max = "kernel_size, stride, padding, dilation, return_indices, ceil_mode";
  return {
      {"Conv1d", constructor, "input", convolution<nn::Conv1d>},
      {"Conv2d", constructor, "input", convolution<nn::Conv2d>},
      {"MaxPool1d", max, "input", max_pool_layer<nn::MaxPool1d>},
      {"MaxPool2d", max, "input", max_pool_layer<nn::MaxPool2d>},
      {"AvgPool1d", "kernel_size, stride, padding, ceil_mode, count_include_pad", "input", avg_pool1d_layer},
      {"AvgPool2d", "kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override", "input", avg_pool2d_layer},
      {"AdaptiveAvgPool1d", "output_size", "input", [](const A& a) { return built_layer(nn::AdaptiveAvgPool1d(only_size(a))); }},
      {"AdaptiveAvgPool2d", "output_size", "input", [](const A& a) { return built_layer(nn::AdaptiveAvgPool2d(output_size(a))); }},
      {"AdaptiveMaxPool1d", "output_size, return_indices", "input",
       [](const A& a) { return built_layer(nn::AdaptiveMaxPool1d(only_size(a))); }},
      {"AdaptiveMaxPool2d", "output_size, return_indices", "input",
       [](const A& a) { return built_layer(nn::AdaptiveMaxPool2d(output_size(a))); }},
  };
}

}  // namespace gradus::parity
