#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

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
      {"nn.functional.linear", "input, weight, bias",
       [](const A& a) { return Outputs(linear(a.tensor("input"), a.tensor("weight"), a.optional_tensor("bias"))); }},
      {"nn.functional.dropout", "input, p, training, inplace",
       [](const A& a) { return Outputs(dropout(a.tensor("input"), a.real("p", 0.5), a.flag("training", true))); }},
      {"nn.functional.embedding", "input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse",
       [](const A& a) { return Outputs(embedding(a.tensor("input"), a.tensor("weight"), a.optional_integer("padding_idx"))); }},
  };
}

}  // namespace gradus::parity
