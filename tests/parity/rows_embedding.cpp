#include "parity/embedding_options.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

std::optional<double> max_norm(const A& a) { return a.has("max_norm") ? std::optional(a.real("max_norm", 0)) : std::nullopt; }

BagMode bag_mode(const std::string& name) {
  if (name == "sum") return BagMode::Sum;
  if (name == "mean") return BagMode::Mean;
  if (name == "max") return BagMode::Max;
  throw NoSuchCall("mode " + name);
}

Outputs bags(const A& a) {
  // PyTorch's own samples name the weight first, as its function once did.
  Tensor indices = a.tensor("input"), weight = a.tensor("weight");
  if (is_floating_point(indices.dtype()) && weight.dtype() == DType::Int64) std::swap(indices, weight);
  return embedding_bag(indices, weight, a.optional_tensor("offsets"), bag_options(a), a.optional_tensor("per_sample_weights"));
}

}  // namespace

EmbeddingOptions embedding_options(const A& a) {
  return {.padding_idx = a.optional_integer("padding_idx"),
          .max_norm = max_norm(a),
          .norm_type = a.real("norm_type", 2),
          .scale_grad_by_freq = a.flag("scale_grad_by_freq", false),
          .sparse = a.flag("sparse", false)};
}

EmbeddingBagOptions bag_options(const A& a) {
  return {.max_norm = max_norm(a),
          .norm_type = a.real("norm_type", 2),
          .scale_grad_by_freq = a.flag("scale_grad_by_freq", false),
          .mode = bag_mode(a.text("mode", "mean")),
          .sparse = a.flag("sparse", false),
          .include_last_offset = a.flag("include_last_offset", false),
          .padding_idx = a.optional_integer("padding_idx")};
}

std::vector<Row> embedding_rows() {
  return {
      {"nn.functional.embedding", "input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse",
       [](const A& a) { return Outputs(embedding(a.tensor("input"), a.tensor("weight"), embedding_options(a))); }},
      {"nn.functional.embedding_bag",
       "input, weight, offsets, max_norm, norm_type, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, "
       "padding_idx",
       bags},
  };
}

}  // namespace gradus::parity
