#include "gradus/ops/normalization.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

}  // namespace

std::vector<Row> normalization_rows() {
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
      {"nn.functional.normalize", "input, p, dim, eps",
       [](const A& a) {
         return Outputs(normalize(a.tensor("input"), a.real("p", 2), a.has("dim") ? a.dims("dim") : Dims{1}, a.real("eps", 1e-12)));
       }},
      {"nn.functional.dropout", "input, p, training, inplace",
       [](const A& a) { return Outputs(dropout(a.tensor("input"), a.real("p", 0.5), a.flag("training", true))); }},
  };
}

}  // namespace gradus::parity
