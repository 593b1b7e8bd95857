#include "gradus/ops/convolution.h"
#include "parity/pooling_arguments.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Padding padding(const A& a) { return a.is_text("padding") ? Padding(a.text("padding", "")) : Padding(a.dims("padding", 0)); }

using Convolution = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const Dims&, const Padding&, const Dims&, int64_t);

Outputs convolution(Convolution f, const A& a) {
  return f(a.tensor("input"), a.tensor("weight"), a.optional_tensor("bias"), a.dims("stride", 1), padding(a), a.dims("dilation", 1),
           a.integer("groups", 1));
}

template <class F>
Outputs max_pool(F f, const A& a) {
  return f(a.tensor("input"), a.dims("kernel_size"), a.dims("stride", {}), a.dims("padding", 0), a.dims("dilation", 1),
           a.flag("ceil_mode", false));
}

}  // namespace

std::vector<Row> convolution_rows() {
  constexpr const char* max = "input, kernel_size, stride, padding, dilation, ceil_mode, return_indices";
  return {
      {"nn.functional.conv1d", "input, weight, bias, stride, padding, dilation, groups", [](const A& a) { return convolution(conv1d, a); }},
      {"nn.functional.conv2d", "input, weight, bias, stride, padding, dilation, groups", [](const A& a) { return convolution(conv2d, a); }},
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

}  // namespace gradus::parity
