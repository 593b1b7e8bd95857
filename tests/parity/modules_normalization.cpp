#include "gradus/nn/normalization.h"
#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Built layer_norm_layer(const A& a) {
  return built(
      nn::LayerNorm(a.dims("normalized_shape"), {.eps = a.real("eps", 1e-5), .elementwise_affine = a.flag("elementwise_affine", true)}),
      [](const nn::LayerNorm& m, const A& call) { return m(call.tensor("input")); });
}

template <class Layer>
Built batch_norm_layer(const A& a) {
  const bool cumulative = a.given("momentum") && !a.has("momentum");
  return built(Layer(a.integer("num_features"), {.eps = a.real("eps", 1e-5),
                                                 .momentum = cumulative ? std::nullopt : std::optional(a.real("momentum", 0.1)),
                                                 .affine = a.flag("affine", true),
                                                 .track_running_stats = a.flag("track_running_stats", true)}),
               [](const Layer& m, const A& call) { return m(call.tensor("input")); });
}

Built group_norm_layer(const A& a) {
  return built(
      nn::GroupNorm(a.integer("num_groups"), a.integer("num_channels"), {.eps = a.real("eps", 1e-5), .affine = a.flag("affine", true)}),
      [](const nn::GroupNorm& m, const A& call) { return m(call.tensor("input")); });
}

}  // namespace

std::vector<ModuleRow> normalization_modules() {
  constexpr const char* batch = "num_features, eps, momentum, affine, track_running_stats";
  return {
      {"LayerNorm", "normalized_shape, eps, elementwise_affine", "input", layer_norm_layer},
      {"BatchNorm1d", batch, "input", batch_norm_layer<nn::BatchNorm1d>},
      {"BatchNorm2d", batch, "input", batch_norm_layer<nn::BatchNorm2d>},
      {"GroupNorm", "num_groups, num_channels, eps, affine", "input", group_norm_layer},
  };
}

}  // namespace gradus::parity
