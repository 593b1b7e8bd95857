#pragma once

#include <functional>
#include <optional>

#include "gradus/tensor.h"

/// Losses: how far a prediction is from its target.
namespace gradus {

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
/// logits (N, C), (N, C, d1, …) or (C); target int64 class indices (N), (N, d1, …) or (), or probabilities of the logits' shape.
/// `Mean` divides by the sum of the weights of the targets that count; when none counts the loss is 0, with zero gradient
/// (PyTorch gives NaN). Throws IndexError for a target outside [0, C), ValueError for probabilities with an ignore_index of 0 or more.
GRADUS_API Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options = {});

/// How nll_loss counts.
struct NLLLossOptions {
  Tensor weight = {};           ///< (C): a factor per class; undefined: 1
  int64_t ignore_index = -100;  ///< targets with this value do not count
  Reduction reduction = Reduction::Mean;
};

/// -weight[target] * input[target]: the negative log-likelihood of class indices under log-probabilities, as log_softmax gives them.
/// Shapes, the mean and what is thrown are cross_entropy's.
GRADUS_API Tensor nll_loss(const Tensor& input, const Tensor& target, const NLLLossOptions& options = {});

/// The losses below compare a prediction with a target, which have one shape, element by element; the dtypes are promoted. Where PyTorch
/// broadcasts other shapes with a warning, these throw ShapeError.

/// How a loss without further options counts.
struct LossOptions {
  Reduction reduction = Reduction::Mean;
};
/// (input - target)^2
GRADUS_API Tensor mse_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});
/// |input - target|
GRADUS_API Tensor l1_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});

/// How smooth_l1_loss counts.
struct SmoothL1LossOptions {
  Reduction reduction = Reduction::Mean;
  double beta = 1;  ///< where the parabola ends; not negative, 0 is l1_loss
};
/// d^2 / (2 beta) where d = |input - target| < beta, d - beta / 2 elsewhere. Throws ValueError on a negative beta.
GRADUS_API Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossOptions& options = {});

/// How huber_loss counts.
struct HuberLossOptions {
  Reduction reduction = Reduction::Mean;
  double delta = 1;  ///< where the parabola ends; positive
};
/// d^2 / 2 where d = |input - target| < delta, delta * (d - delta / 2) elsewhere (Huber 1964), in the input's dtype.
/// Throws ValueError unless delta is positive.
GRADUS_API Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossOptions& options = {});

/// How binary_cross_entropy and multilabel_soft_margin_loss count.
struct WeightedLossOptions {
  Tensor weight = {};  ///< a factor for each element; it broadcasts to the input's shape. Undefined: 1
  Reduction reduction = Reduction::Mean;
};
/// -(t ln x + (1 - t) ln(1 - x)) of probabilities x and targets t of one dtype, the logarithms not below -100.
/// Throws ValueError for an x outside [0, 1], with its place.
GRADUS_API Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const WeightedLossOptions& options = {});

/// How binary_cross_entropy_with_logits counts.
struct BCEWithLogitsLossOptions {
  Tensor weight = {};  ///< a factor for each element; it broadcasts to the input's shape. Undefined: 1
  Reduction reduction = Reduction::Mean;
  Tensor pos_weight = {};  ///< a factor for the first term; it broadcasts to the input's shape. Undefined: 1
};
/// -(pos_weight t ln s + (1 - t) ln(1 - s)) with s = sigmoid(input), in a form that is exact for large logits; in the target's dtype.
GRADUS_API Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const BCEWithLogitsLossOptions& options = {});

/// The losses below broadcast, as PyTorch's do.

/// What kl_div gives: one value per element, their mean, their sum, or their sum divided by the size of the first dimension, which is the
/// divergence as defined.
enum class KLDivReduction { None, Mean, Sum, BatchMean };
/// How kl_div counts.
struct KLDivLossOptions {
  KLDivReduction reduction = KLDivReduction::Mean;
  bool log_target = false;  ///< the target holds logarithms of probabilities
};
/// t (ln t - input): the terms of the Kullback-Leibler divergence of a distribution, given as logarithms, from the target t.
GRADUS_API Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivLossOptions& options = {});

/// How poisson_nll_loss counts.
struct PoissonNLLLossOptions {
  bool log_input = true;  ///< the input is the logarithm of the rate
  bool full = false;      ///< adds Stirling's approximation of ln(t!) for targets t > 1
  double eps = 1e-8;      ///< added to the rate before its logarithm is taken
  Reduction reduction = Reduction::Mean;
};
/// e^input - t * input, or input - t * ln(input + eps): the negative log-likelihood of counts t under a Poisson distribution.
GRADUS_API Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNLLLossOptions& options = {});

/// How gaussian_nll_loss counts.
struct GaussianNLLLossOptions {
  bool full = false;  ///< adds ln(2 pi) / 2
  double eps = 1e-6;  ///< the least variance
  Reduction reduction = Reduction::Mean;
};
/// (ln v + (input - target)^2 / v) / 2 with v = max(var, eps): the negative log-likelihood under normal distributions. var has the
/// input's shape, or lacks its last dimension, or has 1 there. Throws ValueError on a negative variance.
GRADUS_API Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var,
                                    const GaussianNLLLossOptions& options = {});

/// How hinge_embedding_loss counts.
struct HingeEmbeddingLossOptions {
  double margin = 1;
  Reduction reduction = Reduction::Mean;
};
/// input where the target is 1, max(0, margin - input) where it is -1; the sum of both elsewhere.
GRADUS_API Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, const HingeEmbeddingLossOptions& options = {});

/// How margin_ranking_loss and cosine_embedding_loss count.
struct MarginLossOptions {
  double margin = 0;
  Reduction reduction = Reduction::Mean;
};
/// max(0, -target * (input1 - input2) + margin), where a target of 1 asks for a larger input1, -1 for a larger input2.
/// Throws ShapeError unless all have as many dimensions.
GRADUS_API Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                                      const MarginLossOptions& options = {});
/// With the cosine c of the angle between vectors: 1 - c where the target is 1, max(0, c - margin) where it is -1, 0 elsewhere.
/// Inputs (N, F) and target (N), or inputs (F) and a scalar; others throw ShapeError.
GRADUS_API Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                                        const MarginLossOptions& options = {});
/// ln(1 + e^(-target * input)) for targets of 1 and -1, which broadcast to the input's shape and are converted to its dtype.
GRADUS_API Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});

/// How multi_margin_loss counts.
struct MultiMarginLossOptions {
  int64_t p = 1;  ///< 1 or 2
  double margin = 1;
  Tensor weight = {};  ///< (C): a factor per class; undefined: 1
  Reduction reduction = Reduction::Mean;
};
/// weight[t] / C * sum over c != t of max(0, margin - input[t] + input[c])^p, of scores (N, C) and classes (N), or (C) and one class.
/// Throws IndexError for a target outside [0, C), ValueError on another p.
GRADUS_API Tensor multi_margin_loss(const Tensor& input, const Tensor& target, const MultiMarginLossOptions& options = {});
/// 1 / C * sum over targets t and other classes c of max(0, 1 - input[t] + input[c]), of scores (N, C) or (C) and as many targets, which
/// in each row end at the first -1. Throws IndexError for a target outside [-1, C).
GRADUS_API Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});
/// -1 / C * sum over classes of weight * (t ln s + (1 - t) ln(1 - s)) with s = sigmoid(input): scores (…, C) and targets to (…).
GRADUS_API Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const WeightedLossOptions& options = {});

/// How triplet_margin_loss counts.
struct TripletMarginLossOptions {
  double margin = 1;
  double p = 2;  ///< of pairwise_distance, as eps
  double eps = 1e-6;
  bool swap = false;  ///< where the positive is nearer to the negative than the anchor is, that distance counts
  Reduction reduction = Reduction::Mean;
};
/// max(0, d(anchor, positive) - d(anchor, negative) + margin) with d = pairwise_distance (Balntas et al. 2016).
/// Throws ShapeError unless all have as many dimensions.
GRADUS_API Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                      const TripletMarginLossOptions& options = {});

/// A distance between two batches of vectors.
using Distance = std::function<Tensor(const Tensor&, const Tensor&)>;
/// How triplet_margin_with_distance_loss counts.
struct TripletMarginWithDistanceLossOptions {
  Distance distance_function = {};  ///< pairwise_distance where it is not given
  double margin = 1;
  bool swap = false;
  Reduction reduction = Reduction::Mean;
};
/// triplet_margin_loss with any distance.
GRADUS_API Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                                    const TripletMarginWithDistanceLossOptions& options = {});

/// cross_entropy(linear(input, weight, bias), target) without ever holding the logits of many rows: they are made in blocks, so that memory
/// does not grow with them. Where a block of 16 MiB holds 128 rows, or the weights have 128 features, whose blocks may take twice the
/// weights' memory, the gradients of a mean or a sum are made in the forward pass already, if any is wanted: evaluate under NoGradGuard.
/// Otherwise backward makes the logits again.
/// input (…, I), weight (V, I), bias (V) or undefined, target (…) int64 class indices; one float dtype. Options are cross_entropy's.
/// Losses are (…), their mean or their sum. A recorded backward pass (create_graph) makes all logits. Throws as linear and cross_entropy
/// do.
GRADUS_API Tensor linear_cross_entropy(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& target,
                                       const CrossEntropyOptions& options = {});

}  // namespace gradus
