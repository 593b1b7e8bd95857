#include "parity/loss_arguments.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// PyTorch's name of a reduction, also where it is told by the arguments that came before `reduction`: without `reduce` none, else without
/// `size_average` the sum.
std::string reduction_name(const A& a) {
  if (!a.has("size_average") && !a.has("reduce")) return a.text("reduction", "mean");
  if (!a.flag("reduce", true)) return "none";
  return a.flag("size_average", true) ? "mean" : "sum";
}

}  // namespace

Reduction reduction(const A& a) {
  const std::string name = reduction_name(a);
  if (name == "none") return Reduction::None;
  if (name == "sum") return Reduction::Sum;
  if (name != "mean") throw NoSuchCall("reduction " + name);
  return Reduction::Mean;
}

LossOptions loss_options(const A& a) { return {.reduction = reduction(a)}; }

CrossEntropyOptions cross_entropy_options(const A& a) {
  return {.weight = a.optional_tensor("weight"),
          .ignore_index = a.integer("ignore_index", -100),
          .reduction = reduction(a),
          .label_smoothing = a.real("label_smoothing", 0)};
}

NLLLossOptions nll_loss_options(const A& a) {
  return {.weight = a.optional_tensor("weight"), .ignore_index = a.integer("ignore_index", -100), .reduction = reduction(a)};
}

SmoothL1LossOptions smooth_l1_loss_options(const A& a) { return {.reduction = reduction(a), .beta = a.real("beta", 1)}; }

HuberLossOptions huber_loss_options(const A& a) { return {.reduction = reduction(a), .delta = a.real("delta", 1)}; }

WeightedLossOptions weighted_loss_options(const A& a) { return {.weight = a.optional_tensor("weight"), .reduction = reduction(a)}; }

BCEWithLogitsLossOptions bce_with_logits_loss_options(const A& a) {
  return {.weight = a.optional_tensor("weight"), .reduction = reduction(a), .pos_weight = a.optional_tensor("pos_weight")};
}

KLDivLossOptions kl_div_loss_options(const A& a) {
  const bool batchmean = a.text("reduction", "mean") == "batchmean";
  const Reduction plain = batchmean ? Reduction::Sum : reduction(a);
  const KLDivReduction how = batchmean                  ? KLDivReduction::BatchMean
                             : plain == Reduction::None ? KLDivReduction::None
                             : plain == Reduction::Sum  ? KLDivReduction::Sum
                                                        : KLDivReduction::Mean;
  return {.reduction = how, .log_target = a.flag("log_target", false)};
}

PoissonNLLLossOptions poisson_nll_loss_options(const A& a) {
  return {.log_input = a.flag("log_input", true), .full = a.flag("full", false), .eps = a.real("eps", 1e-8), .reduction = reduction(a)};
}

GaussianNLLLossOptions gaussian_nll_loss_options(const A& a) {
  return {.full = a.flag("full", false), .eps = a.real("eps", 1e-6), .reduction = reduction(a)};
}

HingeEmbeddingLossOptions hinge_embedding_loss_options(const A& a) { return {.margin = a.real("margin", 1), .reduction = reduction(a)}; }

MarginLossOptions margin_loss_options(const A& a) { return {.margin = a.real("margin", 0), .reduction = reduction(a)}; }

MultiMarginLossOptions multi_margin_loss_options(const A& a) {
  return {.p = a.integer("p", 1), .margin = a.real("margin", 1), .weight = a.optional_tensor("weight"), .reduction = reduction(a)};
}

TripletMarginLossOptions triplet_margin_loss_options(const A& a) {
  return {.margin = a.real("margin", 1),
          .p = a.real("p", 2),
          .eps = a.real("eps", 1e-6),
          .swap = a.flag("swap", false),
          .reduction = reduction(a)};
}

TripletMarginWithDistanceLossOptions triplet_margin_with_distance_loss_options(const A& a) {
  if (a.has("distance_function")) throw NoSuchCall("distance_function");
  return {.distance_function = {}, .margin = a.real("margin", 1), .swap = a.flag("swap", false), .reduction = reduction(a)};
}

}  // namespace gradus::parity
