#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Built layer_norm_layer(const A& a) {
  return built(
      nn::LayerNorm(a.dims("normalized_shape"), {.eps = a.real("eps", 1e-5), .elementwise_affine = a.flag("elementwise_affine", true)}),
      [](const nn::LayerNorm& m, const A& call) { return m(call.tensor("input")); });
}

}  // namespace

std::vector<ModuleRow> normalization_rows() {
  return {
      {"LayerNorm", "normalized_shape, eps, elementwise_affine", "input", layer_norm_layer},
  };
}

}  // namespace gradus::parity
