#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/reduction.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;
using gradus::Reduction;

namespace {

const Tensor two_rows = gradus::zeros({2, 3}, {.dtype = gradus::float64});

}  // namespace

TEST_CASE("nll_loss of log_softmax is cross_entropy") {
  gradus::manual_seed(1);
  const Tensor weight = gradus::rand({4}, {.dtype = gradus::float64}) + 0.1;
  for (const Shape& shape : {Shape{5, 4}, Shape{2, 4, 3}, Shape{2, 4, 3, 2}}) {
    const Tensor x = input(shape);
    Shape rows = shape;
    rows.erase(1);
    const Tensor target = gradus::randint(4, rows);
    for (Reduction reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
      const Tensor ours = nll_loss(log_softmax(x, 1), target, {.weight = weight, .ignore_index = 2, .reduction = reduction});
      const Tensor fused = cross_entropy(x, target, {.weight = weight, .ignore_index = 2, .reduction = reduction});
      CHECK(gradus::allclose(ours, fused, 1e-12, 1e-14));
      const Tensor d = gradus::ones(ours.shape(), {.dtype = gradus::float64});
      CHECK(gradus::allclose(gradient(ours, x, d), gradient(fused, x, d), 1e-12, 1e-14));
    }
  }
}

TEST_CASE("the mean over no target is 0 with zero gradient, also beside infinities") {
  const Tensor x = gradus::full({2, 3}, -kInf, {.dtype = gradus::float64, .requires_grad = true});
  const Tensor loss = nll_loss(x, gradus::tensor({-100, -100}));
  CHECK(loss.item() == 0);
  loss.backward();
  check_equal(x.grad(), gradus::zeros({2, 3}, {.dtype = gradus::float64}));
  const Tensor weight = gradus::tensor({0.0, 1.0, 1.0}).to(gradus::float64);
  CHECK(nll_loss(two_rows, gradus::tensor({0, 0}), {.weight = weight}).item() == 0);
}

TEST_CASE("a target out of range is named with its place and the limit") {
  CHECK(error_of<gradus::IndexError>([] {
          nll_loss(two_rows, gradus::tensor({0, 3}));
        }) == "nll_loss: target 3 at [1] is out of range for 3 classes (ignore_index is -100)");
  CHECK(error_of<gradus::IndexError>([] {
          multi_margin_loss(two_rows, gradus::tensor({-1, 0}));
        }) == "multi_margin_loss: target -1 at [0] is out of range for 3 classes");
  CHECK(error_of<gradus::IndexError>([] {
          multilabel_margin_loss(two_rows, gradus::tensor({{0, -1, 1}, {2, -1, 7}}));
        }) == "multilabel_margin_loss: target 7 at [1, 2] is out of range for 3 classes (ignore_index is -1)");
  CHECK(error_of<gradus::ValueError>([] {
          binary_cross_entropy(gradus::tensor({0.5, 1.5}), gradus::tensor({0.0, 1.0}));
        }).starts_with("binary_cross_entropy: input 1.5 at [1] is no probability"));
}

TEST_CASE("losses that compare element by element refuse unlike shapes") {
  const Tensor column = gradus::zeros({3, 1}), row = gradus::zeros(3);
  CHECK(error_of<gradus::ShapeError>([&] { mse_loss(column, row); }) ==
        "mse_loss: input has shape [3, 1] and target [3]; they must be equal, bring one to the other with reshape or expand");
  CHECK_THROWS_AS(l1_loss(column, row), gradus::ShapeError);
  CHECK_THROWS_AS(smooth_l1_loss(column, row), gradus::ShapeError);
  CHECK_THROWS_AS(huber_loss(column, row), gradus::ShapeError);
  CHECK_THROWS_AS(binary_cross_entropy(column, row), gradus::ShapeError);
  CHECK_THROWS_AS(binary_cross_entropy_with_logits(column, row), gradus::ShapeError);
}

TEST_CASE("losses name what is wrong with their options and inputs") {
  CHECK_THROWS_AS(smooth_l1_loss(two_rows, two_rows, {.beta = -1}), gradus::ValueError);
  CHECK_THROWS_AS(huber_loss(two_rows, two_rows, {.delta = 0}), gradus::ValueError);
  CHECK_THROWS_AS(multi_margin_loss(two_rows, gradus::tensor({0, 1}), {.p = 3}), gradus::ValueError);
  CHECK_THROWS_AS(gaussian_nll_loss(two_rows, two_rows, two_rows - 1), gradus::ValueError);
  CHECK_THROWS_AS(gaussian_nll_loss(two_rows, two_rows, gradus::zeros(3)), gradus::ShapeError);
  CHECK_THROWS_AS(nll_loss(two_rows, gradus::tensor({0, 1}), {.weight = gradus::zeros(3)}), gradus::DTypeError);
  CHECK_THROWS_AS(mse_loss(gradus::tensor({1}), gradus::tensor({2})), gradus::DTypeError);
  CHECK_THROWS_AS(binary_cross_entropy_with_logits(two_rows, two_rows, {.weight = gradus::ones({2, 2, 3})}), gradus::ShapeError);
  CHECK_THROWS_AS(mse_loss(Tensor(), two_rows), gradus::StateError);
  CHECK_THROWS_AS(triplet_margin_loss(two_rows, gradus::zeros(3), two_rows), gradus::ShapeError);
}

TEST_CASE("a mean over many float32 losses is exact to the last digits and the same for every number of threads") {
  gradus::manual_seed(3);
  const Tensor x = gradus::randn({300, 1000}), y = gradus::randn({300, 1000});
  const double truth = mse_loss(x.to(gradus::float64), y.to(gradus::float64)).item();
  const double logits = binary_cross_entropy_with_logits(x.to(gradus::float64), y.sigmoid().to(gradus::float64)).item();
  std::vector<double> seen;
  for (int threads : {1, 2, 5}) {
    gradus::set_num_threads(threads);
    seen.push_back(mse_loss(x, y).item());
    CHECK(seen.back() == doctest::Approx(truth).epsilon(2e-7));
    CHECK(binary_cross_entropy_with_logits(x, y.sigmoid()).item() == doctest::Approx(logits).epsilon(2e-7));
  }
  gradus::set_num_threads(1);
  CHECK(seen == std::vector<double>(3, seen[0]));
}

TEST_CASE("binary_cross_entropy_with_logits is exact where a probability would round to 0 or 1") {
  const Tensor x = gradus::tensor({100.0, -100.0, -30.0}), t = gradus::tensor({1.0, 1.0, 0.0});
  const Values losses = values(binary_cross_entropy_with_logits(x, t, {.reduction = Reduction::None}));
  CHECK(losses[0] == doctest::Approx(std::exp(-100.0)).epsilon(1e-5));
  CHECK(losses[1] == 100);
  CHECK(losses[2] == doctest::Approx(std::exp(-30.0)).epsilon(1e-5));
}

TEST_CASE("mse_loss of float32 and float64 is float64, and each gets a gradient of its own dtype") {
  const Tensor x = gradus::randn({3}, {.requires_grad = true}), y = input({3});
  const Tensor loss = mse_loss(x, y);
  CHECK(loss.dtype() == gradus::float64);
  loss.backward();
  CHECK(x.grad().dtype() == gradus::float32);
  CHECK(y.grad().dtype() == gradus::float64);
}

TEST_CASE("triplet_margin_with_distance_loss takes any distance") {
  gradus::manual_seed(5);
  const Tensor a = input({4, 3}), p = input({4, 3}), n = input({4, 3});
  const auto cosine = [](const Tensor& x, const Tensor& y) { return 1 - gradus::cosine_similarity(x, y); };
  const auto loss = [&](const Tensors& in) {
    return triplet_margin_with_distance_loss(in[0], in[1], in[2], {.distance_function = cosine, .margin = 3, .reduction = Reduction::None});
  };
  CHECK(gradus::allclose(loss({a, p, n}), cosine(a, p) - cosine(a, n) + 3, 1e-12, 1e-12));
  check_gradients(loss, {a, p, n});
}

TEST_CASE("smooth_l1_loss with beta 0 is l1_loss, also where input and target are equal") {
  const Tensor x = gradus::tensor({1.0, -2.0, 3.0}, {.dtype = gradus::float64, .requires_grad = true});
  const Tensor y = gradus::tensor({1.0, -1.0, 2.5}, {.dtype = gradus::float64});
  const Tensor d = gradus::tensor({1.0, 1.0, 1.0}, {.dtype = gradus::float64});
  const Tensor loss = smooth_l1_loss(x, y, {.reduction = Reduction::None, .beta = 0});
  CHECK(values(loss) == values(l1_loss(x, y, {.reduction = Reduction::None})));
  CHECK(values(gradient(loss, x, d)) == std::vector<double>{0, -1, 1});
}

TEST_CASE("kl_div and poisson_nll_loss: nothing times an infinite input is nothing") {
  const Tensor x = gradus::tensor({-kInf, -1.0}, {.dtype = gradus::float64, .requires_grad = true});
  const Tensor t = gradus::tensor({0.0, 1.0}, {.dtype = gradus::float64});
  const Tensor loss = kl_div(x, t, {.reduction = gradus::KLDivReduction::Sum});
  CHECK(loss.item() == 1);
  CHECK(values(gradient(loss, x, gradus::ones({}, {.dtype = gradus::float64}))) == std::vector<double>{0, -1});
  const Tensor logs = gradus::tensor({-kInf, 0.0}, {.dtype = gradus::float64});
  CHECK(kl_div(x, logs, {.reduction = gradus::KLDivReduction::Sum, .log_target = true}).item() == 1);
  CHECK(poisson_nll_loss(x, t, {.reduction = Reduction::Sum}).item() == doctest::Approx(std::exp(-1) + 1));
}

namespace {

/// Losses one by one at logits, and their gradients by plain and recorded backward.
void check_losses(const std::function<Tensor(const Tensor&)>& loss, const Values& at, const Values& expected, const Values& slopes) {
  for (gradus::DType dtype : {gradus::float32, gradus::float64}) {
    const Tensor x = gradus::from_vector(at, {static_cast<int64_t>(at.size())}).to(dtype).requires_grad_();
    const Tensor losses = loss(x);
    CHECK(values(losses) == expected);
    CHECK(values(gradient(losses, x, gradus::ones_like(losses))) == slopes);
    const Tensor again = loss(x);
    CHECK(values(gradient(again, x, gradus::ones_like(again), true)) == slopes);
  }
}

/// `list` in the dtype of x.
Tensor beside(const Tensor& x, const Values& list) { return gradus::from_vector(list, {static_cast<int64_t>(list.size())}).to(x.dtype()); }

}  // namespace

TEST_CASE("losses of infinite logits are their limits: 0 where the target agrees, infinite where it doesn't, with the limit's gradient") {
  const Values at{kInf, kInf, kInf, -kInf, -kInf, -kInf}, labels{0, 1, 0.5, 0, 1, 0.5};
  const Values losses{kInf, 0, kInf, 0, kInf, kInf}, slopes{1, 0, 0.5, 0, -1, -0.5};
  check_losses([&](const Tensor& x) { return binary_cross_entropy_with_logits(x, beside(x, labels), {.reduction = Reduction::None}); }, at,
               losses, slopes);
  check_losses(
      [&](const Tensor& x) {
        return binary_cross_entropy_with_logits(x, beside(x, labels), {.weight = beside(x, {4}), .reduction = Reduction::None});
      },
      at, losses, {4, 0, 2, 0, -4, -2});
  check_losses(
      [&](const Tensor& x) {
        return binary_cross_entropy_with_logits(x, beside(x, labels), {.reduction = Reduction::None, .pos_weight = beside(x, {3})});
      },
      at, losses, {1, 0, 0.5, 0, -3, -1.5});
  check_losses(
      [&](const Tensor& x) {
        return multilabel_soft_margin_loss(x.reshape({-1, 1}), beside(x, labels).reshape({-1, 1}), {.reduction = Reduction::None});
      },
      at, losses, slopes);
  check_losses(
      [&](const Tensor& x) {
        return soft_margin_loss(x, beside(x, {-1, 1, -1, 1}), {.reduction = Reduction::None});
      },
      {kInf, kInf, -kInf, -kInf}, {kInf, 0, 0, kInf}, {1, 0, 0, -1});
  CHECK(binary_cross_entropy_with_logits(gradus::tensor({kInf, -kInf, 0.0}), gradus::tensor({1.0, 0.0, 0.5})).item() ==
        doctest::Approx(std::log(2) / 3));
  CHECK(std::isnan(binary_cross_entropy_with_logits(gradus::tensor({kNan}), gradus::tensor({0.0})).item()));
}

TEST_CASE("soft_margin_loss is exact where e^x overflows") {
  check_losses(
      [](const Tensor& x) {
        return soft_margin_loss(x, beside(x, {-1, 1, 1, -1}), {.reduction = Reduction::None});
      },
      {1e4, -1e4, 1e4, 1e30F}, {1e4, 1e4, 0, 1e30F}, {1, -1, 0, 1});
  check_gradients([](const Tensors& in) { return soft_margin_loss(in[0], in[1], {.reduction = Reduction::None}); },
                  {input({5}), input({5})});
}

TEST_CASE("what a weight or a probability of 0 is given to does not count in a loss, whatever it is, and gets no gradient") {
  const auto none = Reduction::None;
  check_losses(
      [&](const Tensor& x) {
        return binary_cross_entropy_with_logits(x, beside(x, {1, 1}), {.weight = beside(x, {0, 1}), .reduction = none});
      },
      {-kInf, -kInf}, {0, kInf}, {0, -1});
  check_losses(
      [&](const Tensor& x) {
        return binary_cross_entropy_with_logits(x, beside(x, {1}), {.reduction = none, .pos_weight = beside(x, {0})});
      },
      {-kInf}, {0}, {0});
  // Classes that are masked out of rows of three.
  const auto rows = [](const Tensor& x) { return x.reshape({-1, 3}); };
  check_losses(
      [&](const Tensor& x) {
        return cross_entropy(rows(x), rows(beside(x, {0, 1, 0})), {.reduction = none});
      },
      {-kInf, 2, -kInf}, {0}, {0, 0, 0});
  check_losses(
      [&](const Tensor& x) {
        return nll_loss(rows(x), gradus::tensor({0, 1}), {.weight = beside(x, {0, 1, 2}), .reduction = none});
      },
      {-kInf, -1, -2, kNan, -3, kInf}, {0, 3}, {0, 0, 0, 0, -1, 0});
  const Values logits{-kInf, 1, 1, kNan, 1, 1, 3, -kInf, -kInf}, slopes{0, 0, 0, 0, 0, 0, 0, 0, 0};
  const Tensor target = gradus::tensor({0, 0, 0});
  check_losses(
      [&](const Tensor& x) {
        return cross_entropy(rows(x), target, {.weight = beside(x, {0, 1, 2}), .reduction = none});
      },
      logits, {0, 0, 0}, slopes);
  for (gradus::DType dtype : {gradus::float32, gradus::float64}) {
    const Tensor x = gradus::tensor({-kInf, 1.0, 1.0, kNan, 1.0, 1.0}).to(dtype).reshape({2, 3}).requires_grad_();
    const Tensor eye = gradus::eye(3, {}, {.dtype = dtype});
    const Tensor bias = x.detach()[1].clone().requires_grad_();
    const Tensor loss = linear_cross_entropy(gradus::zeros({2, 3}, {.dtype = dtype}), eye, bias, gradus::tensor({0, 0}),
                                             {.weight = beside(x, {0, 1, 2}), .reduction = none});
    CHECK(values(loss) == Values{0, 0});
    CHECK(values(gradient(loss, bias, gradus::ones_like(loss))) == Values{0, 0, 0});
    // A row of NaN that is left out of what is asked for.
    for (bool create_graph : {false, true}) {
      const Tensor losses = cross_entropy(x, gradus::tensor({1, 1}), {.reduction = none});
      const Tensor asked = gradus::where(gradus::tensor({true, false}), losses, 0.0).sum();
      CHECK(values(gradient(asked, x, gradus::ones_like(asked), create_graph)) == Values{0, -0.5, 0.5, 0, 0, 0});
    }
  }
}
