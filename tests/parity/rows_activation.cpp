#include "gradus/ops/activation.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// The call of a function of the input alone.
template <Tensor (*f)(const Tensor&)>
Outputs of_input(const A& a) {
  return f(a.tensor("input"));
}

}  // namespace

std::vector<Row> activation_rows() {
  return {
      {"nn.functional.relu", "input, inplace", of_input<relu>},
      {"nn.functional.gelu", "input, *, approximate",
       [](const A& a) { return Outputs(gelu(a.tensor("input"), a.text("approximate", "none"))); }},
      {"nn.functional.silu", "input, inplace", of_input<silu>},
      {"nn.functional.mish", "input, inplace", of_input<mish>},
      {"nn.functional.leaky_relu", "input, negative_slope, inplace",
       [](const A& a) { return Outputs(leaky_relu(a.tensor("input"), a.real("negative_slope", 0.01))); }},
      {"nn.functional.elu", "input, alpha, inplace", [](const A& a) { return Outputs(elu(a.tensor("input"), a.real("alpha", 1))); }},
      {"nn.functional.celu", "input, alpha, inplace", [](const A& a) { return Outputs(celu(a.tensor("input"), a.real("alpha", 1))); }},
      {"nn.functional.selu", "input, inplace", of_input<selu>},
      {"nn.functional.softplus", "input, beta, threshold",
       [](const A& a) { return Outputs(softplus(a.tensor("input"), a.real("beta", 1), a.real("threshold", 20))); }},
      {"nn.functional.logsigmoid", "input", of_input<logsigmoid>},
      {"nn.functional.softsign", "input", of_input<softsign>},
      {"nn.functional.tanhshrink", "input", of_input<tanhshrink>},
      {"nn.functional.hardtanh", "input, min_val, max_val, inplace",
       [](const A& a) { return Outputs(hardtanh(a.tensor("input"), a.real("min_val", -1), a.real("max_val", 1))); }},
      {"nn.functional.relu6", "input, inplace", of_input<relu6>},
      {"nn.functional.hardsigmoid", "input, inplace", of_input<hardsigmoid>},
      {"nn.functional.hardswish", "input, inplace", of_input<hardswish>},
      {"nn.functional.hardshrink", "input, lambd", [](const A& a) { return Outputs(hardshrink(a.tensor("input"), a.real("lambd", 0.5))); }},
      {"nn.functional.softshrink", "input, lambd", [](const A& a) { return Outputs(softshrink(a.tensor("input"), a.real("lambd", 0.5))); }},
      {"nn.functional.threshold", "input, threshold, value, inplace",
       [](const A& a) {
         return Outputs(threshold(a.tensor("input"), a.number("threshold").to<double>(), a.number("value").to<double>()));
       }},
      {"nn.functional.prelu", "input, weight", [](const A& a) { return Outputs(prelu(a.tensor("input"), a.tensor("weight"))); }},
      {"nn.functional.rrelu", "input, lower, upper, training, inplace",
       [](const A& a) {
         return Outputs(rrelu(a.tensor("input"), a.real("lower", 1.0 / 8), a.real("upper", 1.0 / 3), a.flag("training", false)));
       }},
      {"nn.functional.glu", "input, dim", [](const A& a) { return Outputs(glu(a.tensor("input"), a.integer("dim", -1))); }},
      {"softmax", "input, dim, *, dtype",
       [](const A& a) {
         const Tensor x = a.tensor("input");
         return Outputs(softmax(x, a.integer("dim"), a.dtype("dtype")));
       }},
      {"log_softmax", "input, dim, *, dtype",
       [](const A& a) { return Outputs(log_softmax(a.tensor("input"), a.integer("dim"), a.dtype("dtype"))); }},
      {"nn.functional.softmin", "input, dim, _stacklevel, dtype",
       [](const A& a) { return Outputs(softmin(a.tensor("input"), a.integer("dim"), a.dtype("dtype"))); }},
      {"masked.softmax", "input, dim, *, dtype, mask",
       [](const A& a) { return Outputs(masked_softmax(a.tensor("input"), a.tensor("mask"), a.integer("dim"))); }, "masked_softmax"},
  };
}

}  // namespace gradus::parity
