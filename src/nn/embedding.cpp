#include "gradus/nn/embedding.h"

#include <fmt/format.h>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "nn/python_text.h"

namespace gradus::nn {

namespace {

/// Standard normal numbers, the row of padding_idx zeros.
Tensor new_table(const char* module, int64_t rows, int64_t width, std::optional<int64_t> padding_idx) {
  check<ValueError>(rows > 0, "{}: num_embeddings is {}, but must be positive", module, rows);
  check<ValueError>(width > 0, "{}: embedding_dim is {}, but must be positive", module, width);
  const Tensor table = randn({rows, width});
  if (padding_idx && *padding_idx >= -rows && *padding_idx < rows) table[*padding_idx].zero_();
  return table;
}

/// A given table as one that has no history. Throws ShapeError unless it is (V, E).
Tensor pretrained(const char* module, const Tensor& weight) {
  check<ShapeError>(weight.dim() == 2, "{}: weight has shape {}, expected (rows, features)", module, weight.shape());
  return weight.detach();
}

template <class Options>
Options checked(const char* module, const Tensor& table, Options options) {
  const int64_t rows = table.size(0), padding = options.padding_idx.value_or(0);
  check<IndexError>(padding >= -rows && padding < rows, "{}: padding_idx {} is out of range for {} rows", module, padding, rows);
  if (padding < 0) options.padding_idx = padding + rows;
  return options;
}

std::string norm_details(std::optional<double> max_norm, double norm_type, bool by_frequency) {
  std::string text;
  if (max_norm) text += ", max_norm=" + python_float(*max_norm);
  if (norm_type != 2) text += ", norm_type=" + python_float(norm_type);
  if (by_frequency) text += ", scale_grad_by_freq=True";
  return text;
}

std::string padding_details(std::optional<int64_t> padding_idx) { return padding_idx ? fmt::format(", padding_idx={}", *padding_idx) : ""; }

std::string details(const Tensor& table, const EmbeddingOptions& o) {
  return fmt::format("{}, {}{}{}{}", table.size(0), table.size(1), padding_details(o.padding_idx),
                     norm_details(o.max_norm, o.norm_type, o.scale_grad_by_freq), o.sparse ? ", sparse=True" : "");
}

std::string details(const Tensor& table, const EmbeddingBagOptions& o) {
  const char* mode = o.mode == BagMode::Sum ? "sum" : o.mode == BagMode::Mean ? "mean" : "max";
  return fmt::format("{}, {}{}, mode={}{}", table.size(0), table.size(1), norm_details(o.max_norm, o.norm_type, o.scale_grad_by_freq), mode,
                     padding_details(o.padding_idx));
}

}  // namespace

Embedding::Embedding(int64_t num_embeddings, int64_t embedding_dim, const EmbeddingOptions& options)
    : Embedding(new_table("Embedding", num_embeddings, embedding_dim, options.padding_idx), options) {}

Embedding::Embedding(const Tensor& table, const EmbeddingOptions& options)
    : Module("Embedding", details(table, checked("Embedding", table, options))),
      weight(register_parameter("weight", table)),
      options_(checked("Embedding", table, options)) {}

Embedding Embedding::from_pretrained(const Tensor& weight, bool freeze, const EmbeddingOptions& options) {
  Embedding embedding(pretrained("Embedding", weight), options);
  embedding.requires_grad_(!freeze);
  return embedding;
}

Tensor Embedding::operator()(const Tensor& indices) const {
  const ForwardScope here(*this);
  return here.gives(gradus::embedding(indices, weight, options_));
}

EmbeddingBag::EmbeddingBag(int64_t num_embeddings, int64_t embedding_dim, const EmbeddingBagOptions& options)
    : EmbeddingBag(new_table("EmbeddingBag", num_embeddings, embedding_dim, options.padding_idx), options) {}

EmbeddingBag::EmbeddingBag(const Tensor& table, const EmbeddingBagOptions& options)
    : Module("EmbeddingBag", details(table, checked("EmbeddingBag", table, options))),
      weight(register_parameter("weight", table)),
      options_(checked("EmbeddingBag", table, options)) {}

EmbeddingBag EmbeddingBag::from_pretrained(const Tensor& weight, bool freeze, const EmbeddingBagOptions& options) {
  EmbeddingBag bag(pretrained("EmbeddingBag", weight), options);
  bag.requires_grad_(!freeze);
  return bag;
}

Tensor EmbeddingBag::operator()(const Tensor& indices, const Tensor& offsets, const Tensor& per_sample_weights) const {
  const ForwardScope here(*this);
  return here.gives(gradus::embedding_bag(indices, weight, offsets, options_, per_sample_weights));
}

}  // namespace gradus::nn
