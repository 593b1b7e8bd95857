#include "parity/modules.h"

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

}  // namespace

std::vector<ModuleRow> convolution_modules() {
  constexpr const char* constructor = "in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode";
  return {
      {"Conv1d", constructor, "input", convolution<nn::Conv1d>},
      {"Conv2d", constructor, "input", convolution<nn::Conv2d>},
  };
}

}  // namespace gradus::parity
