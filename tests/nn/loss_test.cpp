#include "gradus/nn/loss.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/loss.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::Reduction;

TEST_CASE("loss modules are the functions with their options") {
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({4, 3}), y = gradus::randn({4, 3}), p = gradus::rand({4, 3}), q = gradus::rand({4, 3});
  const Tensor classes = gradus::tensor({0, 2, 1, 1}), signs = gradus::tensor({1, -1, -1, 1});
  check_same(nn::MSELoss()(x, y), mse_loss(x, y));
  check_same(nn::L1Loss({.reduction = Reduction::Sum})(x, y), l1_loss(x, y, {.reduction = Reduction::Sum}));
  check_same(nn::SmoothL1Loss({.beta = 0.5})(x, y), smooth_l1_loss(x, y, {.beta = 0.5}));
  check_same(nn::HuberLoss({.delta = 0.5})(x, y), huber_loss(x, y, {.delta = 0.5}));
  check_same(nn::NLLLoss({.ignore_index = 1})(x, classes), nll_loss(x, classes, {.ignore_index = 1}));
  check_same(nn::BCELoss()(p, q), binary_cross_entropy(p, q));
  check_same(nn::KLDivLoss({.reduction = gradus::KLDivReduction::BatchMean})(x, q),
             kl_div(x, q, {.reduction = gradus::KLDivReduction::BatchMean}));
  check_same(nn::PoissonNLLLoss({.full = true})(x, q), poisson_nll_loss(x, q, {.full = true}));
  check_same(nn::GaussianNLLLoss({.full = true})(x, y, q), gaussian_nll_loss(x, y, q, {.full = true}));
  check_same(nn::HingeEmbeddingLoss({.margin = 2})(x, y.sign()), hinge_embedding_loss(x, y.sign(), {.margin = 2}));
  check_same(nn::MarginRankingLoss({.margin = 2})(x, y, q.sign()), margin_ranking_loss(x, y, q.sign(), {.margin = 2}));
  check_same(nn::CosineEmbeddingLoss({.margin = 0.1})(x, y, signs), cosine_embedding_loss(x, y, signs, {.margin = 0.1}));
  check_same(nn::SoftMarginLoss()(x, y.sign()), soft_margin_loss(x, y.sign()));
  check_same(nn::MultiMarginLoss({.p = 2})(x, classes), multi_margin_loss(x, classes, {.p = 2}));
  check_same(nn::MultiLabelMarginLoss()(x, classes.unsqueeze(1).expand({4, 3})),
             multilabel_margin_loss(x, classes.unsqueeze(1).expand({4, 3})));
  check_same(nn::MultiLabelSoftMarginLoss()(x, q), multilabel_soft_margin_loss(x, q));
  check_same(nn::TripletMarginLoss({.margin = 2, .swap = true})(x, y, q), triplet_margin_loss(x, y, q, {.margin = 2, .swap = true}));
  check_same(nn::TripletMarginWithDistanceLoss({.margin = 2})(x, y, q), triplet_margin_with_distance_loss(x, y, q, {.margin = 2}));
}

TEST_CASE("weights of a loss are buffers: they stand in the state, convert, and clone") {
  const Tensor ones = gradus::ones(3);
  const nn::BCEWithLogitsLoss loss({.weight = ones.clone(), .pos_weight = ones * 2});
  CHECK(loss.str() == "BCEWithLogitsLoss()");
  CHECK(names(loss.state_dict()) == std::vector<std::string>{"weight", "pos_weight"});
  const nn::BCEWithLogitsLoss twin = nn::clone(loss);
  twin.to(gradus::float64);
  gradus::manual_seed(2);
  const Tensor x = gradus::randn({2, 3}, {.dtype = gradus::float64}), y = gradus::rand({2, 3}, {.dtype = gradus::float64});
  check_same(twin(x, y), binary_cross_entropy_with_logits(x, y, {.weight = ones, .pos_weight = ones * 2}));
  loss.load_state_dict({{"weight", ones * 5}, {"pos_weight", ones}});
  check_same(twin(x, y), binary_cross_entropy_with_logits(x, y, {.weight = ones, .pos_weight = ones * 2}));
  check_same(loss(x, y), binary_cross_entropy_with_logits(x, y, {.weight = ones * 5, .pos_weight = ones}));
  CHECK(nn::NLLLoss().state_dict().empty());
}

TEST_CASE("loss modules refuse options that make no sense") {
  CHECK(error_of<gradus::ValueError>([] { nn::HuberLoss({.delta = -1}); }) == "HuberLoss: delta is -1, but must be positive");
  CHECK_THROWS_AS(nn::SmoothL1Loss({.beta = -1}), gradus::ValueError);
  CHECK_THROWS_AS(nn::MultiMarginLoss({.p = 3}), gradus::ValueError);
  CHECK_THROWS_AS(nn::CrossEntropyLoss({.label_smoothing = 1.5}), gradus::ValueError);
}
