#include "gradus/nn/loss.h"

#include "core/check.h"
#include "gradus/nn/layers.h"
#include "gradus/ops/product.h"
#include "nn/python_text.h"

namespace gradus::nn {

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyOptions& options) : Criterion("CrossEntropyLoss", options) {
  check<ValueError>(options.label_smoothing >= 0 && options.label_smoothing <= 1, "CrossEntropyLoss: label_smoothing {} is not in 0 to 1",
                    options.label_smoothing);
}

NLLLoss::NLLLoss(const NLLLossOptions& options) : Criterion("NLLLoss", options) {}
MSELoss::MSELoss(const LossOptions& options) : Criterion("MSELoss", options) {}
L1Loss::L1Loss(const LossOptions& options) : Criterion("L1Loss", options) {}

SmoothL1Loss::SmoothL1Loss(const SmoothL1LossOptions& options) : Criterion("SmoothL1Loss", options) {
  check<ValueError>(options.beta >= 0, "SmoothL1Loss: beta is {}, but must not be negative", options.beta);
}

HuberLoss::HuberLoss(const HuberLossOptions& options) : Criterion("HuberLoss", options) {
  check<ValueError>(options.delta > 0, "HuberLoss: delta is {}, but must be positive", options.delta);
}

BCELoss::BCELoss(const WeightedLossOptions& options) : Criterion("BCELoss", options) {}
BCEWithLogitsLoss::BCEWithLogitsLoss(const BCEWithLogitsLossOptions& options) : Criterion("BCEWithLogitsLoss", options) {}
KLDivLoss::KLDivLoss(const KLDivLossOptions& options) : Criterion("KLDivLoss", options) {}
PoissonNLLLoss::PoissonNLLLoss(const PoissonNLLLossOptions& options) : Criterion("PoissonNLLLoss", options) {}
GaussianNLLLoss::GaussianNLLLoss(const GaussianNLLLossOptions& options) : Criterion("GaussianNLLLoss", options) {}
HingeEmbeddingLoss::HingeEmbeddingLoss(const HingeEmbeddingLossOptions& options) : Criterion("HingeEmbeddingLoss", options) {}
MarginRankingLoss::MarginRankingLoss(const MarginLossOptions& options) : Criterion("MarginRankingLoss", options) {}
CosineEmbeddingLoss::CosineEmbeddingLoss(const MarginLossOptions& options) : Criterion("CosineEmbeddingLoss", options) {}
SoftMarginLoss::SoftMarginLoss(const LossOptions& options) : Criterion("SoftMarginLoss", options) {}

MultiMarginLoss::MultiMarginLoss(const MultiMarginLossOptions& options) : Criterion("MultiMarginLoss", options) {
  check<ValueError>(options.p == 1 || options.p == 2, "MultiMarginLoss: p is {}; it must be 1 or 2", options.p);
}

MultiLabelMarginLoss::MultiLabelMarginLoss(const LossOptions& options) : Criterion("MultiLabelMarginLoss", options) {}
MultiLabelSoftMarginLoss::MultiLabelSoftMarginLoss(const WeightedLossOptions& options) : Criterion("MultiLabelSoftMarginLoss", options) {}
TripletMarginLoss::TripletMarginLoss(const TripletMarginLossOptions& options) : Criterion("TripletMarginLoss", options) {}
TripletMarginWithDistanceLoss::TripletMarginWithDistanceLoss(const TripletMarginWithDistanceLossOptions& options)
    : Criterion("TripletMarginWithDistanceLoss", options) {}

LinearCrossEntropy::LinearCrossEntropy(int64_t in_features, int64_t num_classes, bool with_bias, const CrossEntropyOptions& options)
    : Module("LinearCrossEntropy", linear_details(in_features, num_classes, with_bias)), options_(options) {
  check<ValueError>(options.label_smoothing >= 0 && options.label_smoothing <= 1, "LinearCrossEntropy: label_smoothing {} is not in 0 to 1",
                    options.label_smoothing);
  const Linear linear(in_features, num_classes, with_bias);
  weight = register_parameter("weight", linear.weight);
  if (with_bias) bias = register_parameter("bias", linear.bias);
  if (options.weight.defined()) class_weight_ = register_buffer("class_weight", options.weight);
}

Tensor LinearCrossEntropy::operator()(const Tensor& input, const Tensor& target) const {
  const ForwardScope here(*this);
  CrossEntropyOptions options = options_;
  options.weight = class_weight_;
  return here.gives(gradus::linear_cross_entropy(input, weight, bias, target, options));
}

Tensor LinearCrossEntropy::logits(const Tensor& input) const {
  const ForwardScope here(*this);
  return here.gives(gradus::linear(input, weight, bias));
}

}  // namespace gradus::nn
