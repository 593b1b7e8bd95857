#include "gradus/ops/product.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

}  // namespace

std::vector<Row> product_rows() {
  return {
      {"matmul", "input, other", [](const A& a) { return Outputs(matmul(a.tensor("input"), a.tensor("other"))); }},
      {"mm", "input, mat2", [](const A& a) { return Outputs(mm(a.tensor("input"), a.tensor("mat2"))); }},
      {"bmm", "input, mat2", [](const A& a) { return Outputs(bmm(a.tensor("input"), a.tensor("mat2"))); }},
      {"mv", "input, vec", [](const A& a) { return Outputs(mv(a.tensor("input"), a.tensor("vec"))); }},
      {"dot", "input, other", [](const A& a) { return Outputs(dot(a.tensor("input"), a.tensor("other"))); }},
      {"outer", "input, vec2", [](const A& a) { return Outputs(outer(a.tensor("input"), a.tensor("vec2"))); }},
      {"addmm", "input, mat1, mat2, *, beta, alpha",
       [](const A& a) {
         return Outputs(addmm(a.tensor("input"), a.tensor("mat1"), a.tensor("mat2"), a.optional_number("beta").value_or(1),
                              a.optional_number("alpha").value_or(1)));
       }},
      {"baddbmm", "input, batch1, batch2, *, beta, alpha",
       [](const A& a) {
         return Outputs(baddbmm(a.tensor("input"), a.tensor("batch1"), a.tensor("batch2"), a.optional_number("beta").value_or(1),
                                a.optional_number("alpha").value_or(1)));
       }},
      {"einsum", "equation, operands", [](const A& a) { return Outputs(einsum(a.text("equation", ""), a.tensors("operands"))); }},
      {"nn.functional.linear", "input, weight, bias",
       [](const A& a) { return Outputs(linear(a.tensor("input"), a.tensor("weight"), a.optional_tensor("bias"))); }},
      {"nn.functional.bilinear", "input1, input2, weight, bias",
       [](const A& a) { return Outputs(bilinear(a.tensor("input1"), a.tensor("input2"), a.tensor("weight"), a.optional_tensor("bias"))); }},
  };
}

}  // namespace gradus::parity
