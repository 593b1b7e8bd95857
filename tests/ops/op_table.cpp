#include "ops/op_table.h"

namespace gradus::test {
namespace {

Shape shape_of(const Arguments& list) { return Shape(list.get<std::vector<int64_t>>()); }

Scalar number(const Arguments& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>();
  return value.get<double>();
}

std::optional<Scalar> optional_number(const Arguments& a, const char* key) {
  return a.contains(key) && !a[key].is_null() ? std::optional(number(a[key])) : std::nullopt;
}

std::optional<int64_t> optional_int(const Arguments& a, const char* key) {
  return a.contains(key) && !a[key].is_null() ? std::optional(a[key].get<int64_t>()) : std::nullopt;
}

Dims dims_of(const Arguments& a) { return a.contains("dim") ? shape_of(a["dim"]) : Dims(); }
bool keepdim(const Arguments& a) { return a.value("keepdim", false); }
int64_t dim_or(const Arguments& a, int64_t otherwise) { return a.value("dim", otherwise); }

std::optional<DType> dtype_of_argument(const Arguments& a) {
  if (!a.contains("dtype")) return {};
  return a["dtype"] == "float64" ? DType::Float64 : DType::Float32;
}

/// An operation of one tensor.
Op unary(const char* name, Tensor (*f)(const Tensor&)) {
  return {name, [f](const Inputs& x, const Arguments&) { return Outputs{f(x[0])}; }};
}

/// An operation of two tensors, or of a tensor and a number: "other" on the right, "self" on the left.
template <class F>
Op binary(const char* name, F f) {
  return {name, [f](const Inputs& x, const Arguments& a) -> Outputs {
            if constexpr (requires { f(x[0], Scalar(0)); })
              if (a.contains("other")) return {f(x[0], number(a["other"]))};
            if constexpr (requires { f(Scalar(0), x[0]); })
              if (a.contains("self")) return {f(number(a["self"]), x[0])};
            return {f(x[0], x[1])};
          }};
}

/// A maximum or minimum: of all elements, or along a dimension with its places.
template <class Full, class Along>
Op extremum(const char* name, Full full, Along along) {
  return {name, [=](const Inputs& x, const Arguments& a) -> Outputs {
            if (!a.contains("dim")) return {full(x[0])};
            const ValuesIndices y = along(x[0], a["dim"].get<int64_t>(), keepdim(a));
            return {y.values, y.indices};
          }};
}

#define GRADUS_BINARY(op) binary(#op, [](const auto& x, const auto& y) -> decltype(op(x, y)) { return op(x, y); })

std::vector<Op> arithmetic() {
  const auto with_alpha = [](const char* name, auto f) {
    return Op{name, [f](const Inputs& x, const Arguments& a) -> Outputs {
                if (a.contains("alpha")) return {f(x[0], x[1], number(a["alpha"]))};
                if (a.contains("other")) return {f(x[0], number(a["other"]))};
                if (a.contains("self")) return {f(number(a["self"]), x[0])};
                return {f(x[0], x[1])};
              }};
  };
  struct Add {
    Tensor operator()(const Tensor& x, const Tensor& y, Scalar alpha = 1) const { return add(x, y, alpha); }
    Tensor operator()(const Tensor& x, Scalar y) const { return add(x, y); }
    Tensor operator()(Scalar x, const Tensor& y) const { return x + y; }
  };
  struct Sub {
    Tensor operator()(const Tensor& x, const Tensor& y, Scalar alpha = 1) const { return sub(x, y, alpha); }
    Tensor operator()(const Tensor& x, Scalar y) const { return sub(x, y); }
    Tensor operator()(Scalar x, const Tensor& y) const { return sub(x, y); }
  };
  struct Mul {
    Tensor operator()(const Tensor& x, const Tensor& y) const { return mul(x, y); }
    Tensor operator()(const Tensor& x, Scalar y) const { return mul(x, y); }
    Tensor operator()(Scalar x, const Tensor& y) const { return x * y; }
  };
  return {
      with_alpha("add", Add()),
      with_alpha("sub", Sub()),
      binary("mul", Mul()),
      GRADUS_BINARY(div),
      {"pow",
       [](const Inputs& x, const Arguments& a) -> Outputs {
         if (a.contains("exponent")) return {pow(x[0], number(a["exponent"]))};
         if (a.contains("self")) return {pow(number(a["self"]), x[0])};
         return {pow(x[0], x[1])};
       }},
      unary("neg", neg),
      unary("abs", abs),
      unary("exp", exp),
      unary("log", log),
      unary("sqrt", sqrt),
      unary("tanh", tanh),
      unary("sigmoid", sigmoid),
      unary("relu", relu),
      {"clamp",
       [](const Inputs& x, const Arguments& a) { return Outputs{clamp(x[0], optional_number(a, "min"), optional_number(a, "max"))}; }},
      {"where",
       [](const Inputs& x, const Arguments& a) -> Outputs {
         if (a.contains("other")) return {where(x[0], x[1], number(a["other"]))};
         if (a.contains("self")) return {where(x[0], number(a["self"]), x[1])};
         return {where(x[0], x[1], x[2])};
       }},
      {"masked_fill", [](const Inputs& x, const Arguments& a) { return Outputs{masked_fill(x[0], x[1], number(a["value"]))}; }},
      GRADUS_BINARY(eq),
      GRADUS_BINARY(ne),
      GRADUS_BINARY(lt),
      GRADUS_BINARY(le),
      GRADUS_BINARY(gt),
      GRADUS_BINARY(ge),
      GRADUS_BINARY(logical_and),
      GRADUS_BINARY(logical_or),
      unary("logical_not", logical_not),
      unary("isnan", isnan),
      unary("isfinite", isfinite),
  };
}

std::vector<Op> reductions() {
  return {
      {"sum", [](const Inputs& x, const Arguments& a) { return Outputs{sum(x[0], dims_of(a), keepdim(a), dtype_of_argument(a))}; }},
      {"mean", [](const Inputs& x, const Arguments& a) { return Outputs{mean(x[0], dims_of(a), keepdim(a), dtype_of_argument(a))}; }},
      {"var",
       [](const Inputs& x, const Arguments& a) {
         const int64_t correction = a.contains("unbiased") ? (a["unbiased"].get<bool>() ? 1 : 0) : a.value("correction", int64_t{1});
         return Outputs{var(x[0], dims_of(a), correction, keepdim(a))};
       }},
      extremum(
          "max", [](const Tensor& x) { return max(x); }, [](const Tensor& x, int64_t d, bool k) { return max(x, d, k); }),
      extremum(
          "min", [](const Tensor& x) { return min(x); }, [](const Tensor& x, int64_t d, bool k) { return min(x, d, k); }),
      {"argmax", [](const Inputs& x, const Arguments& a) { return Outputs{argmax(x[0], optional_int(a, "dim"), keepdim(a))}; }},
      {"argmin", [](const Inputs& x, const Arguments& a) { return Outputs{argmin(x[0], optional_int(a, "dim"), keepdim(a))}; }},
      {"any", [](const Inputs& x, const Arguments&) { return Outputs{any(x[0])}; }},
      {"all", [](const Inputs& x, const Arguments&) { return Outputs{all(x[0])}; }},
      {"matmul", [](const Inputs& x, const Arguments&) { return Outputs{matmul(x[0], x[1])}; }},
      {"linear", [](const Inputs& x, const Arguments&) { return Outputs{linear(x[0], x[1], x.size() > 2 ? x[2] : Tensor())}; }},
      {"softmax", [](const Inputs& x, const Arguments& a) { return Outputs{softmax(x[0], a["dim"])}; }},
      {"log_softmax", [](const Inputs& x, const Arguments& a) { return Outputs{log_softmax(x[0], a["dim"])}; }},
      {"cross_entropy",
       [](const Inputs& x, const Arguments& a) {
         CrossEntropyOptions o;
         if (x.size() > 2) o.weight = x[2];
         o.ignore_index = a.value("ignore_index", int64_t{-100});
         o.label_smoothing = a.value("label_smoothing", 0.0);
         const std::string reduction = a.value("reduction", "mean");
         o.reduction = reduction == "none" ? Reduction::None : reduction == "sum" ? Reduction::Sum : Reduction::Mean;
         return Outputs{cross_entropy(x[0], x[1], o)};
       }},
  };
}

std::vector<Op> views() {
  return {
      {"permute", [](const Inputs& x, const Arguments& a) { return Outputs{permute(x[0], shape_of(a["dims"]))}; }},
      {"transpose", [](const Inputs& x, const Arguments& a) { return Outputs{transpose(x[0], a["dim0"], a["dim1"])}; }},
      unary("t", t),
      {"reshape", [](const Inputs& x, const Arguments& a) { return Outputs{reshape(x[0], shape_of(a["shape"]))}; }},
      {"expand", [](const Inputs& x, const Arguments& a) { return Outputs{expand(x[0], shape_of(a["size"]))}; }},
      {"squeeze", [](const Inputs& x,
                     const Arguments& a) { return Outputs{a.contains("dim") ? squeeze(x[0], a["dim"].get<int64_t>()) : squeeze(x[0])}; }},
      {"unsqueeze", [](const Inputs& x, const Arguments& a) { return Outputs{unsqueeze(x[0], a["dim"])}; }},
      {"flatten",
       [](const Inputs& x, const Arguments& a) { return Outputs{flatten(x[0], a.value("start_dim", 0), a.value("end_dim", -1))}; }},
      {"slice",
       [](const Inputs& x, const Arguments& a) {
         return Outputs{slice(x[0], a["dim"], optional_int(a, "start"), optional_int(a, "end"), a.value("step", int64_t{1}))};
       }},
      {"select", [](const Inputs& x, const Arguments& a) { return Outputs{select(x[0], a["dim"], a["index"])}; }},
      {"narrow", [](const Inputs& x, const Arguments& a) { return Outputs{narrow(x[0], a["dim"], a["start"], a["length"])}; }},
      {"cat", [](const Inputs& x, const Arguments& a) { return Outputs{cat(x, dim_or(a, 0))}; }},
      {"stack", [](const Inputs& x, const Arguments& a) { return Outputs{stack(x, dim_or(a, 0))}; }},
      {"split",
       [](const Inputs& x, const Arguments& a) {
         const Arguments& sizes = a["split_size_or_sections"];
         if (sizes.is_array()) return split(x[0], sizes.get<std::vector<int64_t>>(), dim_or(a, 0));
         return split(x[0], sizes.get<int64_t>(), dim_or(a, 0));
       }},
      {"chunk", [](const Inputs& x, const Arguments& a) { return chunk(x[0], a["chunks"], dim_or(a, 0)); }},
      {"unbind", [](const Inputs& x, const Arguments& a) { return unbind(x[0], dim_or(a, 0)); }},
      {"index_select", [](const Inputs& x, const Arguments& a) { return Outputs{index_select(x[0], a["dim"], x[1])}; }},
      {"gather", [](const Inputs& x, const Arguments& a) { return Outputs{gather(x[0], a["dim"], x[1])}; }},
      {"scatter_add", [](const Inputs& x, const Arguments& a) { return Outputs{scatter_add(x[0], a["dim"], x[1], x[2])}; }},
      {"index_add",
       [](const Inputs& x, const Arguments& a) {
         return Outputs{index_add(x[0], a["dim"], x[1], x[2], a.contains("alpha") ? number(a["alpha"]) : Scalar(1))};
       }},
      {"embedding", [](const Inputs& x, const Arguments& a) { return Outputs{embedding(x[0], x[1], optional_int(a, "padding_idx"))}; }},
      {"one_hot", [](const Inputs& x, const Arguments& a) { return Outputs{one_hot(x[0], a.value("num_classes", int64_t{-1}))}; }},
  };
}

#undef GRADUS_BINARY

}  // namespace

const std::vector<Op>& op_table() {
  static const std::vector<Op> table = [] {
    std::vector<Op> all = arithmetic();
    for (const auto& part : {reductions(), views()}) all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return table;
}

const std::vector<std::pair<std::string, std::string>>& ops_without_a_row() {
  static const std::vector<std::pair<std::string, std::string>> list = {
      {"view", "is reshape where no copy is needed; tests/ops/views_test.cpp checks that it refuses otherwise"},
      {"as_strided", "depends on strides, which the gradient checks change; tests/autograd/in_place_test.cpp and views_test.cpp"},
      {"clone", "copies; tests/ops/views_test.cpp"},
      {"contiguous", "copies or does nothing; tests/ops/views_test.cpp"},
      {"to", "changes the dtype, so float64 finite differences do not apply; tests/ops/views_test.cpp"},
      {"sum_to", "PyTorch has no such function; tests/ops/reduce_test.cpp"},
      {"equal", "gives a bool"},
      {"allclose", "gives a bool"},
      {"dropout", "is random; tests/ops/dropout_test.cpp"},
      {"index", "takes a list of indices; tests/ops/advanced_index_test.cpp"},
      {"gru_layer", "is checked against PyTorch's GRU in tests/nn/rnn_test.cpp and gradcheck in tests/ops/gru_test.cpp"},
      {"gru_cell", "is checked against PyTorch's GRUCell in tests/nn/rnn_test.cpp and gradcheck in tests/ops/gru_test.cpp"},
  };
  return list;
}

}  // namespace gradus::test
