#include "gradus/nn/embedding.h"
#include "parity/embedding_options.h"
#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

Built embedding_layer(const A& a) {
  return built(nn::Embedding(a.integer("num_embeddings"), a.integer("embedding_dim"), embedding_options(a)),
               [](const nn::Embedding& m, const A& call) { return m(call.tensor("input")); });
}

Built bag_layer(const A& a) {
  return built(nn::EmbeddingBag(a.integer("num_embeddings"), a.integer("embedding_dim"), bag_options(a)),
               [](const nn::EmbeddingBag& m, const A& call) {
                 return m(call.tensor("input"), call.optional_tensor("offsets"), call.optional_tensor("per_sample_weights"));
               });
}

}  // namespace

std::vector<ModuleRow> indexing_modules() {
  return {
      {"Embedding", "num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse", "input",
       embedding_layer},
      {"EmbeddingBag",
       "num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx",
       "input, offsets, per_sample_weights", bag_layer},
  };
}

}  // namespace gradus::parity
