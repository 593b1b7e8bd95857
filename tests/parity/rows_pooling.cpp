#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// Both sizes of an output, of which None is that of the input.
OutputSize2d output_size(const A& a) {
  const json* list = list_of(a.raw("output_size"));
  if (!list) return {a.integer("output_size"), a.integer("output_size")};
  if (list->size() != 2) throw NoSuchCall("output_size of " + std::to_string(list->size()) + " numbers");
  const auto one = [&](size_t i) { return (*list)[i].is_null() ? std::nullopt : std::optional((*list)[i].get<int64_t>()); };
  return {one(0), one(1)};
}

int64_t only_size(const A& a) {
  const Dims size = a.dims("output_size");
  if (size.size() != 1) throw NoSuchCall("output_size of " + std::to_string(size.size()) + " numbers");
  return size[0];
}

// ---- operations

template <class F>
Outputs max_pool(F f, const A& a) {
  return f(a.tensor("input"), a.dims("kernel_size"), a.dims("stride", {}), a.dims("padding", 0), a.dims("dilation", 1),
           a.flag("ceil_mode", false));
}

// ---- modules

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

std::vector<Row> pooling_rows() {
  constexpr const char* max = "input, kernel_size, stride, padding, dilation, ceil_mode, return_indices";
  return {
      {"nn.functional.max_pool1d", max,
       [](const A& a) { return a.flag("return_indices", false) ? max_pool(max_pool1d_with_indices, a) : max_pool(max_pool1d, a); }},
      {"nn.functional.max_pool2d", max,
       [](const A& a) { return a.flag("return_indices", false) ? max_pool(max_pool2d_with_indices, a) : max_pool(max_pool2d, a); }},
      {"nn.functional.max_pool1d_with_indices", max, [](const A& a) { return max_pool(max_pool1d_with_indices, a); }},
      {"nn.functional.max_pool2d_with_indices", max, [](const A& a) { return max_pool(max_pool2d_with_indices, a); }},
      {"nn.functional.avg_pool1d", "input, kernel_size, stride, padding, ceil_mode, count_include_pad",
       [](const A& a) {
         return Outputs(avg_pool1d(a.tensor("input"), a.dims("kernel_size"), a.dims("stride", {}), a.dims("padding", 0),
                                   a.flag("ceil_mode", false), a.flag("count_include_pad", true)));
       }},
      {"nn.functional.avg_pool2d", "input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override",
       [](const A& a) {
         return Outputs(avg_pool2d(a.tensor("input"), a.dims("kernel_size"), a.dims("stride", {}), a.dims("padding", 0),
                                   a.flag("ceil_mode", false), a.flag("count_include_pad", true), a.optional_integer("divisor_override")));
       }},
      {"nn.functional.adaptive_avg_pool1d", "input, output_size",
       [](const A& a) { return Outputs(adaptive_avg_pool1d(a.tensor("input"), only_size(a))); }},
      {"nn.functional.adaptive_avg_pool2d", "input, output_size",
       [](const A& a) { return Outputs(adaptive_avg_pool2d(a.tensor("input"), output_size(a))); }},
      {"nn.functional.adaptive_max_pool1d", "input, output_size, return_indices",
       [](const A& a) {
         return a.flag("return_indices", false) ? Outputs(adaptive_max_pool1d_with_indices(a.tensor("input"), only_size(a)))
                                                : Outputs(adaptive_max_pool1d(a.tensor("input"), only_size(a)));
       }},
      {"nn.functional.adaptive_max_pool2d", "input, output_size, return_indices",
       [](const A& a) {
         return a.flag("return_indices", false) ? Outputs(adaptive_max_pool2d_with_indices(a.tensor("input"), output_size(a)))
                                                : Outputs(adaptive_max_pool2d(a.tensor("input"), output_size(a)));
       }},
      {"nn.functional.adaptive_max_pool1d_with_indices", "input, output_size",
       [](const A& a) { return Outputs(adaptive_max_pool1d_with_indices(a.tensor("input"), only_size(a))); }},
      {"nn.functional.adaptive_max_pool2d_with_indices", "input, output_size",
       [](const A& a) { return Outputs(adaptive_max_pool2d_with_indices(a.tensor("input"), output_size(a))); }},
  };
}

std::vector<ModuleRow> pooling_module_rows() {
  constexpr const char* max = "kernel_size, stride, padding, dilation, return_indices, ceil_mode";
  return {
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
