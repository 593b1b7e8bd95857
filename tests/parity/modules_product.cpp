#include "gradus/nn/layers.h"
#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Built linear_layer(const A& a) {
  return built(nn::Linear(a.integer("in_features"), a.integer("out_features"), a.flag("bias", true)),
               [](const nn::Linear& m, const A& call) { return m(call.tensor("input")); });
}

Built bilinear_layer(const A& a) {
  return built(nn::Bilinear(a.integer("in1_features"), a.integer("in2_features"), a.integer("out_features"), a.flag("bias", true)),
               [](const nn::Bilinear& m, const A& call) { return m(call.tensor("input1"), call.tensor("input2")); });
}

}  // namespace

std::vector<ModuleRow> product_modules() {
  return {
      {"Linear", "in_features, out_features, bias", "input", linear_layer},
      {"Bilinear", "in1_features, in2_features, out_features, bias", "input1, input2", bilinear_layer},
  };
}

}  // namespace gradus::parity
