#include <limits>

#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// var and std under all their signatures: (input, dim, unbiased, keepdim), (input, unbiased), with correction by keyword.
template <class F>
auto moment(const A& a, F f) {
  Dims dims;
  bool keepdim = a.flag("keepdim", false);
  int64_t correction = a.integer("correction", 1);
  if (a.has("unbiased")) correction = a.flag("unbiased", true) ? 1 : 0;
  if (a.has("dim")) {
    if (a.raw("dim").is_boolean()) correction = a.flag("dim", true) ? 1 : 0;
    else dims = a.dims("dim");
  }
  return f(a.tensor("input"), dims, correction, keepdim);
}

/// max and min under all their signatures: of the tensor, along a dimension, of two tensors.
template <class Full, class Along, class Both>
Outputs extremum(const A& a, Full full, Along along, Both both) {
  if (a.is_tensor("dim")) return both(a.tensor("input"), a.tensor("dim"));
  if (a.has("other")) return both(a.tensor("input"), a.tensor("other"));
  if (!a.has("dim")) return full(a.tensor("input"));
  return along(a.tensor("input"), a.integer("dim"), a.flag("keepdim", false));
}

/// The order of a norm: a number, "fro", or none.
double order(const A& a, const char* name) {
  if (!a.has(name)) return 2;
  if (!a.is_text(name)) return a.real(name, 2);
  if (a.text(name, "") != "fro") throw NoSuchCall("norm of order " + a.text(name, ""));
  return 2;
}

}  // namespace

std::vector<Row> reduction_rows() {
  return {
      {"sum", "input, dim, keepdim, *, dtype",
       [](const A& a) { return Outputs(sum(a.tensor("input"), a.dims("dim"), a.flag("keepdim", false), a.dtype("dtype"))); }},
      {"mean", "input, dim, keepdim, *, dtype",
       [](const A& a) { return Outputs(mean(a.tensor("input"), a.dims("dim"), a.flag("keepdim", false), a.dtype("dtype"))); }},
      {"prod", "input, dim, keepdim, *, dtype",
       [](const A& a) {
         if (!a.has("dim")) return Outputs(prod(a.tensor("input"), a.dtype("dtype")));
         return Outputs(prod(a.tensor("input"), a.integer("dim"), a.flag("keepdim", false), a.dtype("dtype")));
       }},
      {"var", "input, dim, unbiased, keepdim, *, correction",
       [](const A& a) { return moment(a, [](auto&&... v) { return Outputs(var(v...)); }); }},
      {"std", "input, dim, unbiased, keepdim, *, correction",
       [](const A& a) { return moment(a, [](auto&&... v) { return Outputs(gradus::std(v...)); }); }},
      {"var_mean", "input, dim, unbiased, keepdim, *, correction",
       [](const A& a) { return moment(a, [](auto&&... v) { return Outputs(var_mean(v...)); }); }},
      {"std_mean", "input, dim, unbiased, keepdim, *, correction",
       [](const A& a) { return moment(a, [](auto&&... v) { return Outputs(std_mean(v...)); }); }},
      {"max", "input, dim, keepdim, *, other",
       [](const A& a) {
         return extremum(
             a, [](const Tensor& x) { return max(x); }, [](const Tensor& x, int64_t d, bool k) { return max(x, d, k); },
             [](const Tensor& x, const Tensor& y) { return max(x, y); });
       }},
      {"min", "input, dim, keepdim, *, other",
       [](const A& a) {
         return extremum(
             a, [](const Tensor& x) { return min(x); }, [](const Tensor& x, int64_t d, bool k) { return min(x, d, k); },
             [](const Tensor& x, const Tensor& y) { return min(x, y); });
       }},
      {"amax", "input, dim, keepdim", [](const A& a) { return Outputs(amax(a.tensor("input"), a.dims("dim"), a.flag("keepdim", false))); }},
      {"amin", "input, dim, keepdim", [](const A& a) { return Outputs(amin(a.tensor("input"), a.dims("dim"), a.flag("keepdim", false))); }},
      {"argmax", "input, dim, keepdim",
       [](const A& a) { return Outputs(argmax(a.tensor("input"), a.optional_integer("dim"), a.flag("keepdim", false))); }},
      {"argmin", "input, dim, keepdim",
       [](const A& a) { return Outputs(argmin(a.tensor("input"), a.optional_integer("dim"), a.flag("keepdim", false))); }},
      {"any", "input, dim, keepdim", [](const A& a) { return Outputs(any(a.tensor("input"), a.dims("dim"), a.flag("keepdim", false))); }},
      {"all", "input, dim, keepdim", [](const A& a) { return Outputs(all(a.tensor("input"), a.dims("dim"), a.flag("keepdim", false))); }},
      {"count_nonzero", "input, dim", [](const A& a) { return Outputs(count_nonzero(a.tensor("input"), a.dims("dim"))); }},
      {"norm", "input, p, dim, keepdim, *, dtype",
       [](const A& a) {
         return Outputs(norm(a.tensor("input"), order(a, "p"), a.dims("dim"), a.flag("keepdim", false), a.dtype("dtype")));
       }},
      {"linalg.vector_norm", "input, ord, dim, keepdim, *, dtype",
       [](const A& a) {
         return Outputs(norm(a.tensor("input"), order(a, "ord"), a.dims("dim"), a.flag("keepdim", false), a.dtype("dtype")));
       }},
      {"logsumexp", "input, dim, keepdim",
       [](const A& a) { return Outputs(logsumexp(a.tensor("input"), a.dims("dim"), a.flag("keepdim", false))); }},
      {"cumsum", "input, dim, *, dtype", [](const A& a) { return Outputs(cumsum(a.tensor("input"), a.integer("dim"), a.dtype("dtype"))); }},
      {"cumprod", "input, dim, *, dtype",
       [](const A& a) { return Outputs(cumprod(a.tensor("input"), a.integer("dim"), a.dtype("dtype"))); }},
      {"logcumsumexp", "input, dim", [](const A& a) { return Outputs(logcumsumexp(a.tensor("input"), a.integer("dim"))); }},
      {"sort", "input, dim, descending, *, stable",
       [](const A& a) { return Outputs(sort(a.tensor("input"), a.integer("dim", -1), a.flag("descending", false))); }},
      {"argsort", "input, dim, descending",
       [](const A& a) { return Outputs(argsort(a.tensor("input"), a.integer("dim", -1), a.flag("descending", false))); }},
      {"topk", "input, k, dim, largest, sorted",
       [](const A& a) { return Outputs(topk(a.tensor("input"), a.integer("k"), a.integer("dim", -1), a.flag("largest", true))); }, nullptr,
       true},
      {"sum_to_size", "input, ...size", [](const A& a) { return Outputs(sum_to(a.tensor("input"), a.dims("size"))); }, "sum_to"},
      {"nn.functional.cosine_similarity", "x1, x2, dim, eps",
       [](const A& a) { return Outputs(cosine_similarity(a.tensor("x1"), a.tensor("x2"), a.integer("dim", 1), a.real("eps", 1e-8))); }},
      {"nn.functional.pairwise_distance", "x1, x2, p, eps, keepdim",
       [](const A& a) {
         return Outputs(pairwise_distance(a.tensor("x1"), a.tensor("x2"), a.real("p", 2), a.real("eps", 1e-6), a.flag("keepdim", false)));
       }},
      {"equal", "input, other", [](const A& a) { return Outputs(equal(a.tensor("input"), a.tensor("other"))); }},
      {"allclose", "input, other, rtol, atol, equal_nan",
       [](const A& a) {
         return Outputs(
             allclose(a.tensor("input"), a.tensor("other"), a.real("rtol", 1e-5), a.real("atol", 1e-8), a.flag("equal_nan", false)));
       }},
  };
}

}  // namespace gradus::parity
