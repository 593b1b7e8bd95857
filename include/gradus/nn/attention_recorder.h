#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// While it lives, every attention layer inside `model` that is called on this thread leaves its weights here, whoever calls it: the layers
/// of a Transformer too, which keep them to themselves otherwise, and steps with a cache. What the layers give stays the same.
///
///     const nn::AttentionRecorder seen(transformer);
///     transformer(source, target, masks);
///     Tensor weights = seen.of("decoder.layers.0.multihead_attn")[0];   // (N, H, T, S)
///
/// The weights are as attention used them, without history: (N, H, L, S) of a MultiheadAttention, for each head (`weights.mean(1)` is what
/// PyTorch's need_weights gives) and with N = 1 for one sequence; (N, L, S) of an AdditiveAttention or DotProductAttention. They take
/// memory until it goes or is cleared. Several may live at a time; each goes on the thread that made it.
class GRADUS_API AttentionRecorder {
 public:
  /// One call of one layer.
  struct Record {
    std::string name;  ///< of the layer in the model, as in named_modules()
    Tensor weights;
  };

  explicit AttentionRecorder(const Module& model);
  ~AttentionRecorder();
  AttentionRecorder(const AttentionRecorder&) = delete;
  AttentionRecorder& operator=(const AttentionRecorder&) = delete;

  /// All that was recorded, in the order of the calls.
  const std::vector<Record>& records() const noexcept { return records_; }
  /// The weights of one layer, call by call. Throws ValueError when the model has no module of this name.
  std::vector<Tensor> of(std::string_view name) const;
  void clear() noexcept { records_.clear(); }

 private:
  friend void record_attention(const Module& layer, const Tensor& weights);

  std::vector<std::pair<std::string, Module>> modules_;
  mutable std::vector<Record> records_;  // of a const recorder too
  AttentionRecorder* outer_;
};

}  // namespace gradus::nn
