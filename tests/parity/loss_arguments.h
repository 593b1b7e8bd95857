#pragma once

#include "gradus/ops/loss.h"
#include "parity/arguments.h"

/// The options of losses, from the arguments of PyTorch's functions and modules alike.
namespace gradus::parity {

Reduction reduction(const Arguments& a);
LossOptions loss_options(const Arguments& a);
CrossEntropyOptions cross_entropy_options(const Arguments& a);
NLLLossOptions nll_loss_options(const Arguments& a);
SmoothL1LossOptions smooth_l1_loss_options(const Arguments& a);
HuberLossOptions huber_loss_options(const Arguments& a);
WeightedLossOptions weighted_loss_options(const Arguments& a);
BCEWithLogitsLossOptions bce_with_logits_loss_options(const Arguments& a);
KLDivLossOptions kl_div_loss_options(const Arguments& a);
PoissonNLLLossOptions poisson_nll_loss_options(const Arguments& a);
GaussianNLLLossOptions gaussian_nll_loss_options(const Arguments& a);
HingeEmbeddingLossOptions hinge_embedding_loss_options(const Arguments& a);
MarginLossOptions margin_loss_options(const Arguments& a);
MultiMarginLossOptions multi_margin_loss_options(const Arguments& a);
TripletMarginLossOptions triplet_margin_loss_options(const Arguments& a);
TripletMarginWithDistanceLossOptions triplet_margin_with_distance_loss_options(const Arguments& a);

}  // namespace gradus::parity
