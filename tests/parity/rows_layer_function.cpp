#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

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
  };
}

}  // namespace gradus::parity
