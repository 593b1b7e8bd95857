#include "gradus/creation.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// What the keywords of a new tensor ask for; there is one device.
Options options(const A& a) { return {.dtype = a.dtype("dtype"), .requires_grad = a.flag("requires_grad", false)}; }

Outputs range(const A& a) {
  if (!a.has("end")) return arange(a.number("start"), options(a));
  return arange(a.number("start"), a.number("end"), a.optional_number("step").value_or(1), options(a));
}

}  // namespace

std::vector<Row> creation_rows() {
  return {
      {"zeros", "...size, *, dtype, device, requires_grad", [](const A& a) { return Outputs(zeros(a.dims("size"), options(a))); }},
      {"ones", "...size, *, dtype, device, requires_grad", [](const A& a) { return Outputs(ones(a.dims("size"), options(a))); }},
      {"empty", "...size, *, dtype, device, requires_grad", [](const A& a) { return Outputs(empty(a.dims("size"), options(a))); }},
      {"full", "size, fill_value, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(full(a.dims("size"), a.number("fill_value"), options(a))); }},
      {"eye", "n, m, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(eye(a.integer("n"), a.optional_integer("m"), options(a))); }},
      {"arange", "start, end, step, *, dtype, device, requires_grad", [](const A& a) { return range(a); }},
      {"linspace", "start, end, steps, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(linspace(a.real("start", 0), a.real("end", 0), a.integer("steps"), options(a))); }},
      {"rand", "...size, *, dtype, device, requires_grad", [](const A& a) { return Outputs(rand(a.dims("size"), options(a))); }},
      {"randn", "...size, *, dtype, device, requires_grad", [](const A& a) { return Outputs(randn(a.dims("size"), options(a))); }},
      {"randint", "low, high, size", [](const A& a) { return Outputs(randint(a.integer("low"), a.integer("high"), a.dims("size"))); }},
      {"randperm", "n", [](const A& a) { return Outputs(randperm(a.integer("n"))); }},
      {"bernoulli", "input", [](const A& a) { return Outputs(bernoulli(a.tensor("input"))); }},
      {"multinomial", "input, num_samples, replacement",
       [](const A& a) { return Outputs(multinomial(a.tensor("input"), a.integer("num_samples"), a.flag("replacement", false))); }},
      {"zeros_like", "input, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(zeros_like(a.tensor("input"), options(a))); }},
      {"ones_like", "input, *, dtype, device, requires_grad", [](const A& a) { return Outputs(ones_like(a.tensor("input"), options(a))); }},
      {"full_like", "input, fill_value, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(full_like(a.tensor("input"), a.number("fill_value"), options(a))); }},
      {"empty_like", "input, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(empty_like(a.tensor("input"), options(a))); }},
      {"rand_like", "input, *, dtype, device, requires_grad", [](const A& a) { return Outputs(rand_like(a.tensor("input"), options(a))); }},
      {"randn_like", "input, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(randn_like(a.tensor("input"), options(a))); }},
      {"randint_like", "input, low, high, *, dtype, device, requires_grad",
       [](const A& a) { return Outputs(randint_like(a.tensor("input"), a.integer("low"), a.integer("high"), options(a))); }},
  };
}

}  // namespace gradus::parity
