#include "gradus/ops/loss.h"
#include "parity/loss_arguments.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// The call of a loss of an input, a target and options.
template <Tensor (*loss)(const Tensor&, const Tensor&, const LossOptions&)>
Outputs plain(const A& a) {
  return loss(a.tensor("input"), a.tensor("target"), loss_options(a));
}

}  // namespace

std::vector<Row> loss_rows() {
  return {
      {"nn.functional.cross_entropy", "input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing",
       [](const A& a) { return Outputs(cross_entropy(a.tensor("input"), a.tensor("target"), cross_entropy_options(a))); }},
      {"nn.functional.nll_loss", "input, target, weight, size_average, ignore_index, reduce, reduction",
       [](const A& a) { return Outputs(nll_loss(a.tensor("input"), a.tensor("target"), nll_loss_options(a))); }},
      {"nn.functional.mse_loss", "input, target, size_average, reduce, reduction", plain<mse_loss>},
      {"nn.functional.l1_loss", "input, target, size_average, reduce, reduction", plain<l1_loss>},
      {"nn.functional.smooth_l1_loss", "input, target, size_average, reduce, reduction, beta",
       [](const A& a) { return Outputs(smooth_l1_loss(a.tensor("input"), a.tensor("target"), smooth_l1_loss_options(a))); }},
      {"nn.functional.huber_loss", "input, target, reduction, delta",
       [](const A& a) { return Outputs(huber_loss(a.tensor("input"), a.tensor("target"), huber_loss_options(a))); }},
      {"nn.functional.binary_cross_entropy", "input, target, weight, size_average, reduce, reduction",
       [](const A& a) { return Outputs(binary_cross_entropy(a.tensor("input"), a.tensor("target"), weighted_loss_options(a))); }},
      {"nn.functional.binary_cross_entropy_with_logits", "input, target, weight, size_average, reduce, reduction, pos_weight",
       [](const A& a) {
         return Outputs(binary_cross_entropy_with_logits(a.tensor("input"), a.tensor("target"), bce_with_logits_loss_options(a)));
       }},
      {"nn.functional.kl_div", "input, target, size_average, reduce, reduction, log_target",
       [](const A& a) { return Outputs(kl_div(a.tensor("input"), a.tensor("target"), kl_div_loss_options(a))); }},
      {"nn.functional.poisson_nll_loss", "input, target, log_input, full, size_average, eps, reduce, reduction",
       [](const A& a) { return Outputs(poisson_nll_loss(a.tensor("input"), a.tensor("target"), poisson_nll_loss_options(a))); }},
      {"nn.functional.gaussian_nll_loss", "input, target, var, full, eps, reduction",
       [](const A& a) {
         return Outputs(gaussian_nll_loss(a.tensor("input"), a.tensor("target"), a.tensor("var"), gaussian_nll_loss_options(a)));
       }},
      {"nn.functional.hinge_embedding_loss", "input, target, margin, size_average, reduce, reduction",
       [](const A& a) { return Outputs(hinge_embedding_loss(a.tensor("input"), a.tensor("target"), hinge_embedding_loss_options(a))); }},
      {"nn.functional.margin_ranking_loss", "input1, input2, target, margin, size_average, reduce, reduction",
       [](const A& a) {
         return Outputs(margin_ranking_loss(a.tensor("input1"), a.tensor("input2"), a.tensor("target"), margin_loss_options(a)));
       }},
      {"nn.functional.cosine_embedding_loss", "input1, input2, target, margin, size_average, reduce, reduction",
       [](const A& a) {
         return Outputs(cosine_embedding_loss(a.tensor("input1"), a.tensor("input2"), a.tensor("target"), margin_loss_options(a)));
       }},
      {"nn.functional.soft_margin_loss", "input, target, size_average, reduce, reduction", plain<soft_margin_loss>},
      {"nn.functional.multi_margin_loss", "input, target, p, margin, weight, size_average, reduce, reduction",
       [](const A& a) { return Outputs(multi_margin_loss(a.tensor("input"), a.tensor("target"), multi_margin_loss_options(a))); }},
      {"nn.functional.multilabel_margin_loss", "input, target, size_average, reduce, reduction", plain<multilabel_margin_loss>},
      {"nn.functional.multilabel_soft_margin_loss", "input, target, weight, size_average, reduce, reduction",
       [](const A& a) { return Outputs(multilabel_soft_margin_loss(a.tensor("input"), a.tensor("target"), weighted_loss_options(a))); }},
      {"nn.functional.triplet_margin_loss", "anchor, positive, negative, margin, p, eps, swap, size_average, reduce, reduction",
       [](const A& a) {
         return Outputs(
             triplet_margin_loss(a.tensor("anchor"), a.tensor("positive"), a.tensor("negative"), triplet_margin_loss_options(a)));
       }},
      {"nn.functional.triplet_margin_with_distance_loss", "anchor, positive, negative, *, distance_function, margin, swap, reduction",
       [](const A& a) {
         return Outputs(triplet_margin_with_distance_loss(a.tensor("anchor"), a.tensor("positive"), a.tensor("negative"),
                                                          triplet_margin_with_distance_loss_options(a)));
       }},
  };
}

}  // namespace gradus::parity
