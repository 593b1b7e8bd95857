#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Built linear_layer(const A& a) {
  return built(nn::Linear(a.integer("in_features"), a.integer("out_features"), a.flag("bias", true)),
               [](const nn::Linear& m, const A& call) { return m(call.tensor("input")); });
}

}  // namespace

std::vector<ModuleRow> layer_rows() {
  return {
      {"Linear", "in_features, out_features, bias", "input", linear_layer},
  };
}

}  // namespace gradus::parity
