#include "gradus/nn/loss.h"
#include "parity/loss_arguments.h"
#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

constexpr const char* two = "input, target";

/// A loss made of the options that `options` reads, called with (input, target).
template <class Loss, auto options>
Built of_target(const A& a) {
  return built(Loss(options(a)), [](const Loss& loss, const A& call) { return loss(call.tensor("input"), call.tensor("target")); });
}

/// The same of (input1, input2, target).
template <class Loss>
Built of_two_inputs(const A& a) {
  return built(Loss(margin_loss_options(a)),
               [](const Loss& loss, const A& call) { return loss(call.tensor("input1"), call.tensor("input2"), call.tensor("target")); });
}

/// The same of (anchor, positive, negative).
template <class Loss, auto options>
Built of_triplet(const A& a) {
  return built(Loss(options(a)), [](const Loss& loss, const A& call) {
    return loss(call.tensor("anchor"), call.tensor("positive"), call.tensor("negative"));
  });
}

Built gaussian_nll(const A& a) {
  return built(nn::GaussianNLLLoss(gaussian_nll_loss_options(a)), [](const nn::GaussianNLLLoss& loss, const A& call) {
    return loss(call.tensor("input"), call.tensor("target"), call.tensor("var"));
  });
}

}  // namespace

std::vector<ModuleRow> loss_modules() {
  return {
      {"CrossEntropyLoss", "weight, size_average, ignore_index, reduce, reduction, label_smoothing", two,
       of_target<nn::CrossEntropyLoss, cross_entropy_options>},
      {"NLLLoss", "weight, size_average, ignore_index, reduce, reduction", two, of_target<nn::NLLLoss, nll_loss_options>},
      {"MSELoss", "size_average, reduce, reduction", two, of_target<nn::MSELoss, loss_options>},
      {"L1Loss", "size_average, reduce, reduction", two, of_target<nn::L1Loss, loss_options>},
      {"SmoothL1Loss", "size_average, reduce, reduction, beta", two, of_target<nn::SmoothL1Loss, smooth_l1_loss_options>},
      {"HuberLoss", "reduction, delta", two, of_target<nn::HuberLoss, huber_loss_options>},
      {"BCELoss", "weight, size_average, reduce, reduction", two, of_target<nn::BCELoss, weighted_loss_options>},
      {"BCEWithLogitsLoss", "weight, size_average, reduce, reduction, pos_weight", two,
       of_target<nn::BCEWithLogitsLoss, bce_with_logits_loss_options>},
      {"KLDivLoss", "size_average, reduce, reduction, log_target", two, of_target<nn::KLDivLoss, kl_div_loss_options>},
      {"PoissonNLLLoss", "log_input, full, size_average, eps, reduce, reduction", "input, target",
       of_target<nn::PoissonNLLLoss, poisson_nll_loss_options>},
      {"GaussianNLLLoss", "*, full, eps, reduction", "input, target, var", gaussian_nll},
      {"HingeEmbeddingLoss", "margin, size_average, reduce, reduction", two,
       of_target<nn::HingeEmbeddingLoss, hinge_embedding_loss_options>},
      {"MarginRankingLoss", "margin, size_average, reduce, reduction", "input1, input2, target", of_two_inputs<nn::MarginRankingLoss>},
      {"CosineEmbeddingLoss", "margin, size_average, reduce, reduction", "input1, input2, target", of_two_inputs<nn::CosineEmbeddingLoss>},
      {"SoftMarginLoss", "size_average, reduce, reduction", two, of_target<nn::SoftMarginLoss, loss_options>},
      {"MultiMarginLoss", "p, margin, weight, size_average, reduce, reduction", two,
       of_target<nn::MultiMarginLoss, multi_margin_loss_options>},
      {"MultiLabelMarginLoss", "size_average, reduce, reduction", two, of_target<nn::MultiLabelMarginLoss, loss_options>},
      {"MultiLabelSoftMarginLoss", "weight, size_average, reduce, reduction", two,
       of_target<nn::MultiLabelSoftMarginLoss, weighted_loss_options>},
      {"TripletMarginLoss", "margin, p, eps, swap, size_average, reduce, reduction", "anchor, positive, negative",
       of_triplet<nn::TripletMarginLoss, triplet_margin_loss_options>},
      {"TripletMarginWithDistanceLoss", "*, distance_function, margin, swap, reduction", "anchor, positive, negative",
       of_triplet<nn::TripletMarginWithDistanceLoss, triplet_margin_with_distance_loss_options>},
  };
}

}  // namespace gradus::parity
