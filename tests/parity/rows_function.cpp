#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Reduction reduction(const A& a) {
  const std::string name = a.text("reduction", "mean");
  if (name == "none") return Reduction::None;
  if (name == "sum") return Reduction::Sum;
  if (name != "mean") throw NoSuchCall("reduction " + name);
  return Reduction::Mean;
}

}  // namespace

std::vector<Row> function_rows() {
  return {
      {"nn.functional.glu", "input, dim", [](const A& a) { return Outputs(glu(a.tensor("input"), a.integer("dim", -1))); }},
      {"nn.functional.softmin", "input, dim, _stacklevel, dtype",
       [](const A& a) { return Outputs(softmin(a.tensor("input"), a.integer("dim"), a.dtype("dtype"))); }},
      {"nn.functional.normalize", "input, p, dim, eps",
       [](const A& a) {
         return Outputs(normalize(a.tensor("input"), a.real("p", 2), a.has("dim") ? a.dims("dim") : Dims{1}, a.real("eps", 1e-12)));
       }},
      {"nn.functional.cosine_similarity", "x1, x2, dim, eps",
       [](const A& a) { return Outputs(cosine_similarity(a.tensor("x1"), a.tensor("x2"), a.integer("dim", 1), a.real("eps", 1e-8))); }},
      {"nn.functional.pad", "input, pad, mode, value",
       [](const A& a) {
         return Outputs(pad(a.tensor("input"), a.dims("pad"), a.text("mode", "constant"), a.optional_number("value").value_or(0)));
       }},
      {"nn.functional.relu", "input, inplace", [](const A& a) { return Outputs(relu(a.tensor("input"))); }},
      {"nn.functional.gelu", "input, *, approximate",
       [](const A& a) { return Outputs(gelu(a.tensor("input"), a.text("approximate", "none"))); }},
      {"nn.functional.silu", "input, inplace", [](const A& a) { return Outputs(silu(a.tensor("input"))); }},
      {"nn.functional.leaky_relu", "input, negative_slope, inplace",
       [](const A& a) { return Outputs(leaky_relu(a.tensor("input"), a.real("negative_slope", 0.01))); }},
      {"nn.functional.elu", "input, alpha, inplace", [](const A& a) { return Outputs(elu(a.tensor("input"), a.real("alpha", 1))); }},
      {"nn.functional.softplus", "input, beta, threshold",
       [](const A& a) { return Outputs(softplus(a.tensor("input"), a.real("beta", 1), a.real("threshold", 20))); }},
      {"nn.functional.logsigmoid", "input", [](const A& a) { return Outputs(logsigmoid(a.tensor("input"))); }},
      {"nn.functional.linear", "input, weight, bias",
       [](const A& a) { return Outputs(linear(a.tensor("input"), a.tensor("weight"), a.optional_tensor("bias"))); }},
      {"nn.functional.dropout", "input, p, training, inplace",
       [](const A& a) { return Outputs(dropout(a.tensor("input"), a.real("p", 0.5), a.flag("training", true))); }},
      {"nn.functional.cross_entropy", "input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing",
       [](const A& a) {
         return Outputs(cross_entropy(a.tensor("input"), a.tensor("target"),
                                      {.weight = a.optional_tensor("weight"),
                                       .ignore_index = a.integer("ignore_index", -100),
                                       .reduction = reduction(a),
                                       .label_smoothing = a.real("label_smoothing", 0)}));
       }},
  };
}

}  // namespace gradus::parity
