#pragma once

#include <optional>

#include "gradus/tensor.h"

namespace gradus {

/// e^x_i / sum_j e^x_j along dim, computed from x - max(x). With dtype, elements are converted first.
GRADUS_API Tensor softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// log(softmax(x)) along dim: x - max(x) - log(sum(e^(x - max(x)))).
GRADUS_API Tensor log_softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});

/// What a loss gives: one value per element, their mean or their sum.
enum class Reduction { None, Mean, Sum };

/// How cross_entropy counts.
struct CrossEntropyOptions {
  Tensor weight = {};           ///< (C): a factor per class; undefined: 1
  int64_t ignore_index = -100;  ///< targets with this value do not count
  Reduction reduction = Reduction::Mean;
  double label_smoothing = 0;  ///< in [0, 1]: this share of each target is spread evenly over the classes
};

/// -log softmax(logits)[target], one fused operation over float32 or float64 logits.
/// logits (N, C), (N, C, d1, …) or (C); target int64 class indices (N), (N, d1, …) or (), or probabilities of the logits' shape and dtype.
/// `Mean` divides by the sum of the weights of the targets that count; when none counts the loss is 0, with zero gradient
/// (PyTorch gives NaN). Throws IndexError for a target outside [0, C).
GRADUS_API Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options = {});

/// cross_entropy(linear(input, weight, bias), target) without ever holding all logits: they are made for a few rows at a time, at most
/// 8 MiB or 16 rows, so that a large vocabulary V costs little memory. For a mean or a sum the forward pass makes the gradients as well.
/// input (…, I), weight (V, I), bias (V) or undefined, target (…) int64 class indices; one float dtype. Options are cross_entropy's.
/// Losses are (…), their mean or their sum. A recorded backward pass (create_graph) makes all logits. Throws as linear and cross_entropy
/// do.
GRADUS_API Tensor linear_cross_entropy(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& target,
                                       const CrossEntropyOptions& options = {});

/// x / (1 - p), with each element set to 0 with probability p, when training; x itself otherwise. p in [0, 1].
GRADUS_API Tensor dropout(const Tensor& x, double p = 0.5, bool training = true);

}  // namespace gradus
