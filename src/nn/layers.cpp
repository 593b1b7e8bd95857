#include "gradus/nn/layers.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/nn/init.h"
#include "gradus/ops.h"

namespace gradus::nn {

namespace {

void check_positive(const char* module, const char* what, int64_t value) {
  check<ValueError>(value > 0, "{}: {} is {}, but must be positive", module, what, value);
}

Tensor new_table(int64_t rows, int64_t width) {
  check_positive("Embedding", "num_embeddings", rows);
  check_positive("Embedding", "embedding_dim", width);
  return randn({rows, width});
}

std::string embedding_details(const Tensor& weight, const EmbeddingOptions& options) {
  std::string text = fmt::format("{}, {}", weight.size(0), weight.size(1));
  if (options.padding_idx)
    text += fmt::format(", padding_idx={}", *options.padding_idx < 0 ? *options.padding_idx + weight.size(0) : *options.padding_idx);
  return text;
}

Tensor new_weight(int64_t out, int64_t in) {
  check_positive("Linear", "in_features", in);
  check_positive("Linear", "out_features", out);
  return init::kaiming_uniform_(empty({out, in}), std::sqrt(5.0));
}

}  // namespace

Embedding::Embedding(int64_t num_embeddings, int64_t embedding_dim, const EmbeddingOptions& options)
    : Embedding(new_table(num_embeddings, embedding_dim), options) {
  if (!options_.padding_idx) return;
  NoGradGuard no_grad;
  weight[*options_.padding_idx].zero_();
}

Embedding::Embedding(const Tensor& table, const EmbeddingOptions& options)
    : Module("Embedding", embedding_details(table, options)), weight(register_parameter("weight", table)), options_(options) {
  const int64_t rows = table.size(0);
  check<IndexError>(!options.padding_idx || (*options.padding_idx >= -rows && *options.padding_idx < rows),
                    "Embedding: padding_idx {} is out of range for {} rows", options.padding_idx.value_or(0), rows);
}

Embedding Embedding::from_pretrained(const Tensor& weight, bool freeze, const EmbeddingOptions& options) {
  check<ShapeError>(weight.dim() == 2, "Embedding: weight has shape {}, expected (rows, features)", weight.shape());
  Embedding embedding(weight.detach(), options);
  embedding.requires_grad_(!freeze);
  return embedding;
}

Tensor Embedding::operator()(const Tensor& indices) const { return gradus::embedding(indices, weight, options_.padding_idx); }

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias)
    : Module("Linear", fmt::format("in_features={}, out_features={}, bias={}", in_features, out_features, with_bias ? "True" : "False")),
      weight(register_parameter("weight", new_weight(out_features, in_features))) {
  if (!with_bias) return;
  const double bound = 1 / std::sqrt(static_cast<double>(in_features));
  bias = register_parameter("bias", init::uniform_(empty(out_features), -bound, bound));
}

Tensor Linear::operator()(const Tensor& x) const { return gradus::linear(x, weight, bias); }

Dropout::Dropout(double p) : Module("Dropout", fmt::format("p={}, inplace=False", p)), p_(p) {
  check<ValueError>(p >= 0 && p <= 1, "Dropout: p {} is not a probability; give 0 to 1", p);
}

Tensor Dropout::operator()(const Tensor& x) const { return gradus::dropout(x, p_, is_training()); }

}  // namespace gradus::nn
