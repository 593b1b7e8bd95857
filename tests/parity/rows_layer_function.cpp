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

}  // namespace

std::vector<Row> layer_function_rows() {
  return {
      {"nn.functional.layer_norm", "input, normalized_shape, weight, bias, eps",
       [](const A& a) {
         return Outputs(layer_norm(a.tensor("input"), a.dims("normalized_shape"), a.optional_tensor("weight"), a.optional_tensor("bias"),
                                   a.real("eps", 1e-5)));
       }},
      {"native_layer_norm", "input, normalized_shape, weight, bias, eps",
       [](const A& a) {
         const LayerNormOutput y = native_layer_norm(a.tensor("input"), a.dims("normalized_shape"), a.optional_tensor("weight"),
                                                     a.optional_tensor("bias"), a.real("eps", 1e-5));
         return Outputs(std::vector<Tensor>{y.output, y.mean, y.rstd});
       }},
      {"nn.functional.batch_norm", "input, running_mean, running_var, weight, bias, training, momentum, eps",
       [](const A& a) {
         return Outputs(batch_norm(a.tensor("input"), a.optional_tensor("running_mean"), a.optional_tensor("running_var"),
                                   a.optional_tensor("weight"), a.optional_tensor("bias"), a.flag("training", false),
                                   a.real("momentum", 0.1), a.real("eps", 1e-5)));
       }},
      {"nn.functional.group_norm", "input, num_groups, weight, bias, eps",
       [](const A& a) {
         return Outputs(group_norm(a.tensor("input"), a.integer("num_groups"), a.optional_tensor("weight"), a.optional_tensor("bias"),
                                   a.real("eps", 1e-5)));
       }},
      {"nn.functional.conv1d", "input, weight, bias, stride, padding, dilation, groups", [](const A& a) { return convolution(conv1d, a); }},
      {"nn.functional.conv2d", "input, weight, bias, stride, padding, dilation, groups", [](const A& a) { return convolution(conv2d, a); }},
      {"nn.functional.bilinear", "input1, input2, weight, bias",
       [](const A& a) { return Outputs(bilinear(a.tensor("input1"), a.tensor("input2"), a.tensor("weight"), a.optional_tensor("bias"))); }},
  };
}

}  // namespace gradus::parity
