#pragma once

#include <concepts>
#include <string>
#include <utility>

#include "gradus/nn/module.h"
#include "gradus/ops/loss.h"

/// Losses as modules: each keeps the options of the function that it is named after, and calls it. See gradus/ops/loss.h for equations,
/// shapes and what is thrown.
namespace gradus::nn {

/// What they have in common. Weights among the options are buffers: they move with `to`, and stand in the state.
template <auto loss, class Options>
class Criterion : public Module {
 public:
  Criterion(std::string name, const Options& options) : Module(std::move(name)), options_(options) {
    if constexpr (requires { options_.weight; }) weight_ = moved_to_buffer("weight", options_.weight);
    if constexpr (requires { options_.pos_weight; }) pos_weight_ = moved_to_buffer("pos_weight", options_.pos_weight);
  }

  /// The loss of as many tensors as the function takes: (input, target) for most.
  template <std::convertible_to<Tensor>... Tensors>
  requires std::invocable<decltype(loss), const Tensors&..., const Options&> Tensor operator()(const Tensors&... tensors) const {
    const ForwardScope here(*this);
    Options options = options_;
    if constexpr (requires { options.weight; }) options.weight = weight_;
    if constexpr (requires { options.pos_weight; }) options.pos_weight = pos_weight_;
    return here.gives(loss(tensors..., options));
  }

 private:
  Parameter moved_to_buffer(const std::string& name, Tensor& given) {
    const Tensor tensor = std::exchange(given, Tensor());
    return tensor.defined() ? register_buffer(name, tensor) : Parameter();
  }

  Options options_;
  Parameter weight_, pos_weight_;
};

/// gradus::cross_entropy.
class GRADUS_API CrossEntropyLoss : public Criterion<cross_entropy, CrossEntropyOptions> {
 public:
  /// Throws ValueError unless label_smoothing is in [0, 1].
  explicit CrossEntropyLoss(const CrossEntropyOptions& options = {});
};

/// gradus::nll_loss.
class GRADUS_API NLLLoss : public Criterion<nll_loss, NLLLossOptions> {
 public:
  explicit NLLLoss(const NLLLossOptions& options = {});
};

/// gradus::mse_loss.
class GRADUS_API MSELoss : public Criterion<mse_loss, LossOptions> {
 public:
  explicit MSELoss(const LossOptions& options = {});
};

/// gradus::l1_loss.
class GRADUS_API L1Loss : public Criterion<l1_loss, LossOptions> {
 public:
  explicit L1Loss(const LossOptions& options = {});
};

/// gradus::smooth_l1_loss.
class GRADUS_API SmoothL1Loss : public Criterion<smooth_l1_loss, SmoothL1LossOptions> {
 public:
  /// Throws ValueError on a negative beta.
  explicit SmoothL1Loss(const SmoothL1LossOptions& options = {});
};

/// gradus::huber_loss.
class GRADUS_API HuberLoss : public Criterion<huber_loss, HuberLossOptions> {
 public:
  /// Throws ValueError unless delta is positive.
  explicit HuberLoss(const HuberLossOptions& options = {});
};

/// gradus::binary_cross_entropy.
class GRADUS_API BCELoss : public Criterion<binary_cross_entropy, WeightedLossOptions> {
 public:
  explicit BCELoss(const WeightedLossOptions& options = {});
};

/// gradus::binary_cross_entropy_with_logits.
class GRADUS_API BCEWithLogitsLoss : public Criterion<binary_cross_entropy_with_logits, BCEWithLogitsLossOptions> {
 public:
  explicit BCEWithLogitsLoss(const BCEWithLogitsLossOptions& options = {});
};

/// gradus::kl_div.
class GRADUS_API KLDivLoss : public Criterion<kl_div, KLDivLossOptions> {
 public:
  explicit KLDivLoss(const KLDivLossOptions& options = {});
};

/// gradus::poisson_nll_loss.
class GRADUS_API PoissonNLLLoss : public Criterion<poisson_nll_loss, PoissonNLLLossOptions> {
 public:
  explicit PoissonNLLLoss(const PoissonNLLLossOptions& options = {});
};

/// Of (input, target, var).
class GRADUS_API GaussianNLLLoss : public Criterion<gaussian_nll_loss, GaussianNLLLossOptions> {
 public:
  explicit GaussianNLLLoss(const GaussianNLLLossOptions& options = {});
};

/// gradus::hinge_embedding_loss.
class GRADUS_API HingeEmbeddingLoss : public Criterion<hinge_embedding_loss, HingeEmbeddingLossOptions> {
 public:
  explicit HingeEmbeddingLoss(const HingeEmbeddingLossOptions& options = {});
};

/// Of (input1, input2, target).
class GRADUS_API MarginRankingLoss : public Criterion<margin_ranking_loss, MarginLossOptions> {
 public:
  explicit MarginRankingLoss(const MarginLossOptions& options = {});
};

/// Of (input1, input2, target).
class GRADUS_API CosineEmbeddingLoss : public Criterion<cosine_embedding_loss, MarginLossOptions> {
 public:
  explicit CosineEmbeddingLoss(const MarginLossOptions& options = {});
};

/// gradus::soft_margin_loss.
class GRADUS_API SoftMarginLoss : public Criterion<soft_margin_loss, LossOptions> {
 public:
  explicit SoftMarginLoss(const LossOptions& options = {});
};

/// gradus::multi_margin_loss.
class GRADUS_API MultiMarginLoss : public Criterion<multi_margin_loss, MultiMarginLossOptions> {
 public:
  /// Throws ValueError unless p is 1 or 2.
  explicit MultiMarginLoss(const MultiMarginLossOptions& options = {});
};

/// gradus::multilabel_margin_loss.
class GRADUS_API MultiLabelMarginLoss : public Criterion<multilabel_margin_loss, LossOptions> {
 public:
  explicit MultiLabelMarginLoss(const LossOptions& options = {});
};

/// gradus::multilabel_soft_margin_loss.
class GRADUS_API MultiLabelSoftMarginLoss : public Criterion<multilabel_soft_margin_loss, WeightedLossOptions> {
 public:
  explicit MultiLabelSoftMarginLoss(const WeightedLossOptions& options = {});
};

/// Of (anchor, positive, negative).
class GRADUS_API TripletMarginLoss : public Criterion<triplet_margin_loss, TripletMarginLossOptions> {
 public:
  explicit TripletMarginLoss(const TripletMarginLossOptions& options = {});
};

/// Of (anchor, positive, negative). A distance that is itself a module shares its parameters with the loss, but is not registered in it.
class GRADUS_API TripletMarginWithDistanceLoss : public Criterion<triplet_margin_with_distance_loss, TripletMarginWithDistanceLossOptions> {
 public:
  explicit TripletMarginWithDistanceLoss(const TripletMarginWithDistanceLossOptions& options = {});
};

/// The output layer and its loss in one, for large vocabularies: CrossEntropyLoss(Linear(input), target) by gradus::linear_cross_entropy.
/// Weight and bias are those of a Linear; class weights are the buffer `class_weight`.
class GRADUS_API LinearCrossEntropy : public Module {
 public:
  /// Throws ValueError unless both sizes are positive and label_smoothing is in [0, 1].
  LinearCrossEntropy(int64_t in_features, int64_t num_classes, bool bias = true, const CrossEntropyOptions& options = {});
  /// input (..., I) and target (...) to the loss.
  Tensor operator()(const Tensor& input, const Tensor& target) const;
  /// The logits (..., V), to predict with.
  Tensor logits(const Tensor& input) const;

  Parameter weight;  ///< (V, I)
  Parameter bias;    ///< (V), or undefined

 private:
  CrossEntropyOptions options_;
  Parameter class_weight_;
};

}  // namespace gradus::nn
