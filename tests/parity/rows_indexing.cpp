#include <algorithm>

#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "parity/embedding_options.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

bool is_plain_list(const json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_number() || v.is_boolean(); });
}

/// A list of integers or booleans is one index of many elements.
Index list_index(const json& list) {
  if (!list.empty() && list[0].is_boolean()) return from_vector(list.get<std::vector<int64_t>>(), Shape(list.size())).to(DType::Bool);
  return from_vector(list.get<std::vector<int64_t>>(), Shape(list.size()));
}

/// One entry of x[…].
Index index_of(const json& value, const std::vector<Tensor>& all) {
  if (value.is_null()) return None;
  if (value.is_array()) return list_index(value);
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.contains("$ellipsis")) return Ellipsis;
  if (value.contains("$t")) return all.at(value["$t"].get<size_t>());
  if (value.contains("$slice")) {
    const json& s = value["$slice"];
    const auto bound = [&](size_t i) { return s[i].is_null() ? std::optional<int64_t>() : std::optional(s[i].get<int64_t>()); };
    return Slice{bound(0), bound(1), s[2].is_null() ? 1 : s[2].get<int64_t>()};
  }
  throw NoSuchCall("index " + value.dump());
}

Outputs scattered(const A& a) {
  const Tensor x = a.tensor("input"), index = a.tensor("index");
  const int64_t dim = a.integer("dim");
  const char* source = a.has("value") ? "value" : "src";
  if (!a.has("reduce")) return a.is_tensor(source) ? scatter(x, dim, index, a.tensor(source)) : scatter(x, dim, index, a.number(source));
  const std::string reduce = a.text("reduce", "");
  return a.is_tensor(source) ? scatter(x, dim, index, a.tensor(source), reduce) : scatter(x, dim, index, a.number(source), reduce);
}

Outputs bags(const A& a) {
  // PyTorch's own samples name the weight first, as its function once did.
  Tensor indices = a.tensor("input"), weight = a.tensor("weight");
  if (is_floating_point(indices.dtype()) && weight.dtype() == DType::Int64) std::swap(indices, weight);
  return embedding_bag(indices, weight, a.optional_tensor("offsets"), bag_options(a), a.optional_tensor("per_sample_weights"));
}

}  // namespace

std::vector<Row> indexing_rows() {
  return {
      {"__getitem__", "input, index",
       [](const A& a) {
         std::vector<Index> indices;
         const json& index = a.raw("index");
         // A tuple indexes dimension by dimension; a list of integers is one index of many elements.
         if (is_plain_list(index)) indices.push_back(list_index(index));
         else if (const json* list = list_of(index))
           for (const json& entry : *list) indices.push_back(index_of(entry, a.all_tensors()));
         else indices.push_back(index_of(index, a.all_tensors()));
         return Outputs(gradus::index(a.tensor("input"), indices));
       },
       "index"},
      {"index_select", "input, dim, index",
       [](const A& a) { return Outputs(index_select(a.tensor("input"), a.integer("dim"), a.tensor("index"))); }},
      {"gather", "input, dim, index", [](const A& a) { return Outputs(gather(a.tensor("input"), a.integer("dim"), a.tensor("index"))); }},
      {"scatter", "input, dim, index, src, *, value, reduce", scattered},
      {"scatter_add", "input, dim, index, src",
       [](const A& a) { return Outputs(scatter_add(a.tensor("input"), a.integer("dim"), a.tensor("index"), a.tensor("src"))); }},
      {"index_add", "input, dim, index, source, *, alpha",
       [](const A& a) {
         return Outputs(
             index_add(a.tensor("input"), a.integer("dim"), a.tensor("index"), a.tensor("source"), a.optional_number("alpha").value_or(1)));
       }},
      {"index_copy", "input, dim, index, source",
       [](const A& a) { return Outputs(index_copy(a.tensor("input"), a.integer("dim"), a.tensor("index"), a.tensor("source"))); }},
      {"index_fill", "input, dim, index, value",
       [](const A& a) {
         const Scalar value = a.is_tensor("value") ? Scalar(a.tensor("value").item()) : a.number("value");
         return Outputs(index_fill(a.tensor("input"), a.integer("dim"), a.tensor("index"), value));
       }},
      {"take_along_dim", "input, indices, dim",
       [](const A& a) { return Outputs(take_along_dim(a.tensor("input"), a.tensor("indices"), a.optional_integer("dim"))); }},
      {"masked_select", "input, mask", [](const A& a) { return Outputs(masked_select(a.tensor("input"), a.tensor("mask"))); }},
      {"nonzero", "input, *, as_tuple",
       [](const A& a) {
         const Tensor x = a.tensor("input");
         if (!a.flag("as_tuple", false)) return Outputs(nonzero(x));
         return Outputs(nonzero(x.dim() == 0 ? x.unsqueeze(0) : x).unbind(1));
       }},
      {"index_put", "input, indices, values, accumulate",
       [](const A& a) {
         std::vector<Index> indices;
         for (const json& entry : *list_of(a.raw("indices"))) indices.push_back(index_of(entry, a.all_tensors()));
         return Outputs(index_put(a.tensor("input"), indices, a.tensor("values"), a.flag("accumulate", false)));
       }},
      {"nn.functional.one_hot", "input, num_classes",
       [](const A& a) { return Outputs(one_hot(a.tensor("input"), a.integer("num_classes", -1))); }},
      {"nn.functional.embedding", "input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse",
       [](const A& a) { return Outputs(embedding(a.tensor("input"), a.tensor("weight"), embedding_options(a))); }},
      {"nn.functional.embedding_bag",
       "input, weight, offsets, max_norm, norm_type, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, "
       "padding_idx",
       bags},
  };
}

}  // namespace gradus::parity
