#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// A function of two operands, each a tensor or a number, given as one generic lambda.
template <class F>
Outputs either(const A& a, F f) {
  const Tensor x = a.is_tensor("input") ? a.tensor("input") : Tensor();
  if (!x.defined()) {
    if constexpr (std::is_invocable_v<F, Scalar, Tensor>) return f(a.number("input"), a.tensor("other"));
    else return f(full({}, a.number("input"), {.dtype = a.number("input").dtype()}), a.tensor("other"));
  }
  if (a.is_tensor("other")) return f(x, a.tensor("other"));
  if constexpr (std::is_invocable_v<F, Tensor, Scalar>) return f(x, a.number("other"));
  else return f(x, full({}, a.number("other"), {.dtype = a.number("other").dtype()}));
}

}  // namespace

std::vector<Row> elementwise_rows() {
  return {
      {"add", "input, other, *, alpha",
       [](const A& a) {
         const Scalar alpha = a.optional_number("alpha").value_or(1);
         if (!a.is_tensor("other"))
           return Outputs(add(a.tensor("input"),
                              alpha.to<double>() == 1 ? a.number("other") : Scalar(a.number("other").to<double>() * alpha.to<double>())));
         return Outputs(add(a.tensor("input"), a.tensor("other"), alpha));
       }},
      {"sub", "input, other, *, alpha",
       [](const A& a) {
         if (!a.is_tensor("other")) return Outputs(sub(a.tensor("input"), a.number("other")));
         return Outputs(sub(a.tensor("input"), a.tensor("other"), a.optional_number("alpha").value_or(1)));
       }},
      {"rsub", "input, other, *, alpha",
       [](const A& a) {
         if (!a.is_tensor("other")) return Outputs(sub(a.number("other"), mul(a.tensor("input"), a.optional_number("alpha").value_or(1))));
         return Outputs(rsub(a.tensor("input"), a.tensor("other"), a.optional_number("alpha").value_or(1)));
       }},
      {"mul", "input, other", [](const A& a) { return either(a, [](const auto& x, const auto& y) { return x * y; }); }},
      {"true_divide", "input, other", [](const A& a) { return either(a, [](const auto& x, const auto& y) { return x / y; }); }},
      {"div", "input, other, *, rounding_mode",
       [](const A& a) {
         if (!a.has("rounding_mode")) return either(a, [](const auto& x, const auto& y) { return x / y; });
         const std::string mode = a.text("rounding_mode", "");
         if (!a.is_tensor("other")) return Outputs(div(a.tensor("input"), a.number("other"), mode));
         return Outputs(div(a.tensor("input"), a.tensor("other"), mode));
       }},
      {"pow", "input, other",
       [](const A& a) { return either(a, [](const auto& x, const auto& y) -> decltype(pow(x, y)) { return pow(x, y); }); }},
      {"remainder", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return remainder(x, y); }); }},
      {"fmod", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return fmod(x, y); }); }},
      {"floor_divide", "input, other",
       [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return floor_divide(x, y); }); }},
      {"maximum", "input, other", [](const A& a) { return Outputs(maximum(a.tensor("input"), a.tensor("other"))); }},
      {"minimum", "input, other", [](const A& a) { return Outputs(minimum(a.tensor("input"), a.tensor("other"))); }},
      {"atan2", "input, other", [](const A& a) { return Outputs(atan2(a.tensor("input"), a.tensor("other"))); }},
      {"lerp", "input, end, weight",
       [](const A& a) {
         if (a.is_tensor("weight")) return Outputs(lerp(a.tensor("input"), a.tensor("end"), a.tensor("weight")));
         return Outputs(lerp(a.tensor("input"), a.tensor("end"), a.real("weight", 0)));
       }},
      {"addcmul", "input, tensor1, tensor2, *, value",
       [](const A& a) {
         return Outputs(addcmul(a.tensor("input"), a.tensor("tensor1"), a.tensor("tensor2"), a.optional_number("value").value_or(1)));
       }},
      {"addcdiv", "input, tensor1, tensor2, *, value",
       [](const A& a) {
         return Outputs(addcdiv(a.tensor("input"), a.tensor("tensor1"), a.tensor("tensor2"), a.optional_number("value").value_or(1)));
       }},
      {"clamp", "input, min, max",
       [](const A& a) {
         if (a.is_tensor("min") || a.is_tensor("max"))
           return Outputs(clamp(a.tensor("input"), a.optional_tensor("min"), a.optional_tensor("max")));
         return Outputs(clamp(a.tensor("input"), a.optional_number("min"), a.optional_number("max")));
       }},
      {"clamp_min", "input, min",
       [](const A& a) {
         return a.is_tensor("min") ? Outputs(clamp(a.tensor("input"), a.tensor("min")))
                                   : Outputs(clamp(a.tensor("input"), a.number("min")));
       }},
      {"clamp_max", "input, max",
       [](const A& a) {
         return a.is_tensor("max") ? Outputs(clamp(a.tensor("input"), Tensor(), a.tensor("max")))
                                   : Outputs(clamp(a.tensor("input"), {}, a.number("max")));
       }},
      {"where", "condition, input, other",
       [](const A& a) {
         if (a.is_tensor("input") && a.is_tensor("other"))
           return Outputs(where(a.tensor("condition"), a.tensor("input"), a.tensor("other")));
         if (a.is_tensor("input")) return Outputs(where(a.tensor("condition"), a.tensor("input"), a.number("other")));
         return Outputs(where(a.tensor("condition"), a.number("input"), a.tensor("other")));
       }},
      {"masked_fill", "input, mask, value",
       [](const A& a) {
         if (a.is_tensor("value")) return Outputs(masked_fill(a.tensor("input"), a.tensor("mask"), a.tensor("value")));
         return Outputs(masked_fill(a.tensor("input"), a.tensor("mask"), a.number("value")));
       }},
      {"eq", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return eq(x, y); }); }},
      {"ne", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return ne(x, y); }); }},
      {"lt", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return lt(x, y); }); }},
      {"le", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return le(x, y); }); }},
      {"gt", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return gt(x, y); }); }},
      {"ge", "input, other", [](const A& a) { return either(a, [](const Tensor& x, const auto& y) { return ge(x, y); }); }},
      {"logical_and", "input, other", [](const A& a) { return Outputs(logical_and(a.tensor("input"), a.tensor("other"))); }},
      {"logical_or", "input, other", [](const A& a) { return Outputs(logical_or(a.tensor("input"), a.tensor("other"))); }},
      {"logical_xor", "input, other", [](const A& a) { return Outputs(logical_xor(a.tensor("input"), a.tensor("other"))); }},
      {"logical_not", "input", [](const A& a) { return Outputs(logical_not(a.tensor("input"))); }},
      {"isnan", "input", [](const A& a) { return Outputs(isnan(a.tensor("input"))); }},
      {"isinf", "input", [](const A& a) { return Outputs(isinf(a.tensor("input"))); }},
      {"isfinite", "input", [](const A& a) { return Outputs(isfinite(a.tensor("input"))); }},
      {"neg", "input", [](const A& a) { return Outputs(neg(a.tensor("input"))); }},
      {"abs", "input", [](const A& a) { return Outputs(abs(a.tensor("input"))); }},
      {"exp", "input", [](const A& a) { return Outputs(exp(a.tensor("input"))); }},
      {"log", "input", [](const A& a) { return Outputs(log(a.tensor("input"))); }},
      {"sqrt", "input", [](const A& a) { return Outputs(sqrt(a.tensor("input"))); }},
      {"rsqrt", "input", [](const A& a) { return Outputs(rsqrt(a.tensor("input"))); }},
      {"square", "input", [](const A& a) { return Outputs(square(a.tensor("input"))); }},
      {"reciprocal", "input", [](const A& a) { return Outputs(reciprocal(a.tensor("input"))); }},
      {"sin", "input", [](const A& a) { return Outputs(sin(a.tensor("input"))); }},
      {"cos", "input", [](const A& a) { return Outputs(cos(a.tensor("input"))); }},
      {"erf", "input", [](const A& a) { return Outputs(erf(a.tensor("input"))); }},
      {"expm1", "input", [](const A& a) { return Outputs(expm1(a.tensor("input"))); }},
      {"log1p", "input", [](const A& a) { return Outputs(log1p(a.tensor("input"))); }},
      {"sign", "input", [](const A& a) { return Outputs(sign(a.tensor("input"))); }},
      {"floor", "input", [](const A& a) { return Outputs(floor(a.tensor("input"))); }},
      {"ceil", "input", [](const A& a) { return Outputs(ceil(a.tensor("input"))); }},
      {"trunc", "input", [](const A& a) { return Outputs(trunc(a.tensor("input"))); }},
      {"round", "input", [](const A& a) { return Outputs(round(a.tensor("input"))); }},
      {"nan_to_num", "input, nan, posinf, neginf",
       [](const A& a) {
         const auto limit = [&](const char* name) { return a.has(name) ? std::optional(a.real(name, 0)) : std::nullopt; };
         return Outputs(nan_to_num(a.tensor("input"), a.real("nan", 0), limit("posinf"), limit("neginf")));
       }},
      {"tanh", "input", [](const A& a) { return Outputs(tanh(a.tensor("input"))); }},
      {"sigmoid", "input", [](const A& a) { return Outputs(sigmoid(a.tensor("input"))); }},
      {"sinc", "input", [](const A& a) { return Outputs(sinc(a.tensor("input"))); }},
  };
}

}  // namespace gradus::parity
