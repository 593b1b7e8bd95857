#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/reduction.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;
using gradus::CrossEntropyOptions;
using gradus::Reduction;

namespace {

/// The losses of rows (N, C), from the definition: -sum_c q_c w_c log softmax(x)_c with q the smoothed target.
struct Reference {
  Values losses;
  double divisor = 0;
};

Reference reference(const Tensor& logits, const Ints& target, const CrossEntropyOptions& o) {
  const auto C = static_cast<size_t>(logits.size(1));
  const Values x = values(logits), w = o.weight.defined() ? values(o.weight) : Values(C, 1);
  Reference r;
  for (size_t i = 0; i < target.size(); ++i) {
    double total = 0, loss = 0;
    for (size_t c = 0; c < C; ++c) total += std::exp(x[i * C + c]);
    const bool counts = target[i] != o.ignore_index;
    for (size_t c = 0; c < C && counts; ++c) {
      const double q = (1 - o.label_smoothing) * (static_cast<int64_t>(c) == target[i]) + o.label_smoothing / static_cast<double>(C);
      loss -= q * w[c] * (x[i * C + c] - std::log(total));
    }
    r.losses.push_back(loss);
    if (counts) r.divisor += w[static_cast<size_t>(target[i])];
  }
  return r;
}

/// Every combination of weights, smoothing and ignored targets.
std::vector<CrossEntropyOptions> variants(int64_t classes, gradus::DType dtype) {
  std::vector<CrossEntropyOptions> result;
  for (const Tensor& weight : {Tensor(), (gradus::rand({classes}) + 0.2).to(dtype)})
    for (double smoothing : {0.0, 0.1, 1.0})
      for (int64_t ignored : {int64_t{-100}, int64_t{0}, int64_t{2}})
        result.push_back({.weight = weight, .ignore_index = ignored, .label_smoothing = smoothing});
  return result;
}

}  // namespace

TEST_CASE("cross_entropy agrees with its definition for every option and reduction") {
  gradus::manual_seed(1);
  for (int64_t classes : {3, 5, 40})
    for (gradus::DType dtype : {gradus::float32, gradus::float64}) {
      const Tensor logits = (gradus::randn({7, classes}) * 3).to(dtype), target = gradus::randint(classes, {7});
      for (CrossEntropyOptions o : variants(classes, dtype)) {
        CAPTURE(o.label_smoothing);
        CAPTURE(o.ignore_index);
        const Reference r = reference(logits, ints(target), o);
        const double tolerance = dtype == gradus::float32 ? 2e-6 : 1e-13;
        double total = 0;
        o.reduction = Reduction::None;
        const Values losses = values(gradus::cross_entropy(logits, target, o));
        for (size_t i = 0; i < losses.size(); ++i) {
          CHECK(losses[i] == doctest::Approx(r.losses[i]).epsilon(tolerance));
          total += r.losses[i];
        }
        o.reduction = Reduction::Sum;
        CHECK(gradus::cross_entropy(logits, target, o).item() == doctest::Approx(total).epsilon(tolerance));
        o.reduction = Reduction::Mean;
        CHECK(gradus::cross_entropy(logits, target, o).item() == doctest::Approx(total / r.divisor).epsilon(tolerance));
      }
    }
}

TEST_CASE("derivatives of cross_entropy for every option and reduction") {
  gradus::manual_seed(2);
  const Tensor target = gradus::tensor({0, 2, 2, 1});
  for (CrossEntropyOptions o : variants(3, gradus::float64))
    for (Reduction reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
      o.reduction = reduction;
      check_gradients([&](const Tensors& in) { return gradus::cross_entropy(in[0], target, o).exp(); }, {input({4, 3})});
    }
}

TEST_CASE("derivatives of cross_entropy with target probabilities, of the probabilities too") {
  gradus::manual_seed(3);
  for (CrossEntropyOptions o : variants(3, gradus::float64)) {
    if (o.ignore_index != -100) continue;
    for (Reduction reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
      o.reduction = reduction;
      check_gradients([&](const Tensors& in) { return gradus::cross_entropy(in[0], gradus::softmax(in[1], 1), o).exp(); },
                      {input({2, 3}), input({2, 3})});
    }
  }
}

TEST_CASE("target probabilities that are one-hot give the loss of class indices") {
  gradus::manual_seed(4);
  const Tensor logits = gradus::randn({6, 4}), target = gradus::randint(4, {6});
  const Tensor hot = gradus::one_hot(target, 4).to(gradus::float32), weight = gradus::rand({4});
  for (double smoothing : {0.0, 0.2}) {
    const Tensor a = gradus::cross_entropy(logits, target, {.weight = weight, .reduction = Reduction::None, .label_smoothing = smoothing});
    const Tensor b = gradus::cross_entropy(logits, hot, {.weight = weight, .reduction = Reduction::None, .label_smoothing = smoothing});
    CHECK(gradus::allclose(a, b, 1e-5, 1e-6));
  }
  const Tensor mean = gradus::cross_entropy(logits, hot), sum = gradus::cross_entropy(logits, hot, {.reduction = Reduction::Sum});
  CHECK(mean.item() == doctest::Approx(sum.item() / 6));
}

TEST_CASE("classes stand in dimension 1 of larger logits, and are all of a vector") {
  gradus::manual_seed(5);
  const Tensor logits = gradus::randn({2, 5, 3, 4}, {.dtype = gradus::float64, .requires_grad = true}),
               target = gradus::randint(5, {2, 3, 4});
  const Tensor rows = logits.permute({0, 2, 3, 1}).reshape({24, 5});
  CHECK(gradus::allclose(gradus::cross_entropy(logits, target), gradus::cross_entropy(rows, target.reshape(-1)), 1e-13, 0));
  const Tensor losses = gradus::cross_entropy(logits, target, {.reduction = Reduction::None});
  CHECK(losses.shape() == Shape{2, 3, 4});
  CHECK(gradus::allclose(losses.reshape(-1), gradus::cross_entropy(rows, target.reshape(-1), {.reduction = Reduction::None}), 1e-13, 0));
  check_gradients([&](const Tensors& in) { return gradus::cross_entropy(in[0], target.slice(0, 0, 1).slice(1, 0, 2).slice(2, 0, 2)); },
                  {input({1, 5, 2, 2})});
  check_gradients(
      [&](const Tensors& in) { return gradus::cross_entropy(in[0], gradus::softmax(in[1], 1), {.reduction = Reduction::None}); },
      {input({2, 3, 2}), input({2, 3, 2})});

  const Tensor vector = logits.select(0, 0).select(1, 0).select(1, 0), one = target.select(0, 0).select(0, 0).select(0, 0);
  CHECK(gradus::cross_entropy(vector, one).item() == doctest::Approx(values(losses)[0]));
  CHECK(gradus::cross_entropy(vector, one, {.reduction = Reduction::None}).shape() == Shape{});
  CHECK(gradus::cross_entropy(vector, gradus::softmax(vector, 0)).shape() == Shape{});
}

TEST_CASE("the fused backward pass of cross_entropy gives what the composed one gives") {
  gradus::manual_seed(6);
  const Tensor logits = gradus::randn({50, 37}, {.requires_grad = true}), target = gradus::randint(37, {50});
  for (CrossEntropyOptions o : variants(37, gradus::float32))
    for (Reduction reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
      o.reduction = reduction;
      const Tensor w = reduction == Reduction::None ? gradus::randn({50}) : gradus::tensor(1.5);
      CHECK(gradus::allclose(gradient(gradus::cross_entropy(logits, target, o), logits, w),
                             gradient(gradus::cross_entropy(logits, target, o), logits, w, true), 1e-4, 1e-6));
    }
}

TEST_CASE("when no target counts the loss is 0, with zero gradient") {
  const Tensor logits = gradus::randn({3, 4}, {.requires_grad = true});
  const Tensor loss = gradus::cross_entropy(logits, gradus::full({3}, -100));
  CHECK(loss.item() == 0);
  loss.backward();
  CHECK(values(logits.grad()) == Values(12, 0));
  const Tensor none = gradus::zeros({0, 4}, {.requires_grad = true});
  CHECK(gradus::cross_entropy(none, gradus::zeros({0}, {.dtype = gradus::int64})).item() == 0);
  CHECK(gradus::cross_entropy(none, gradus::zeros({0, 4})).item() == 0);
}

TEST_CASE("an ignored row has no influence, even when it is NaN") {
  const Tensor logits = gradus::randn({3, 4}, {.requires_grad = true});
  {
    gradus::NoGradGuard no_grad;
    logits.select(0, 1).fill_(kNan);
  }
  const Tensor loss = gradus::cross_entropy(logits, gradus::tensor({1, -100, 3}), {.label_smoothing = 0.1});
  loss.backward();
  CHECK(std::isfinite(loss.item()));
  CHECK(std::isfinite(logits.grad().sum().item()));
  CHECK(values(logits.grad().select(0, 1)) == Values(4, 0));
}

TEST_CASE("large logits give finite losses, impossible targets infinite ones") {
  const Tensor logits = gradus::tensor({{1e4, -1e4, 0.0}, {1.0, 2.0, -kInf}});
  CHECK(values(gradus::cross_entropy(logits, gradus::tensor({1, 0}), {.reduction = Reduction::None}))[0] == 2e4);
  CHECK(values(gradus::cross_entropy(logits, gradus::tensor({0, 2}), {.reduction = Reduction::None}))[1] == kInf);
  CHECK(std::isfinite(gradus::cross_entropy(logits, gradus::tensor({0, 0})).item()));
}

TEST_CASE("cross_entropy names the target at fault, its place, the limit and the index that is ignored") {
  const Tensor logits = gradus::zeros({4, 5});
  CHECK(error_of<gradus::IndexError>([&] {
          gradus::cross_entropy(logits, gradus::tensor({0, 1, 2, 7}));
        }) == "cross_entropy: target 7 at [3] is out of range for 5 classes (ignore_index is -100)");
  CHECK(error_of<gradus::IndexError>([&] {
          gradus::cross_entropy(gradus::zeros({1, 5, 2, 2}), gradus::tensor({{{0, 1}, {-1, 2}}}), {.ignore_index = 3});
        }) == "cross_entropy: target -1 at [0, 1, 0] is out of range for 5 classes (ignore_index is 3)");
  CHECK(error_of<gradus::IndexError>([&] { gradus::cross_entropy(gradus::zeros({5}), gradus::tensor(5)); }) ==
        "cross_entropy: target 5 at [] is out of range for 5 classes (ignore_index is -100)");
}

TEST_CASE("cross_entropy checks shapes, dtypes and options") {
  const Tensor logits = gradus::zeros({4, 5}), target = gradus::tensor({0, 1, 2, 3});
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::cross_entropy(logits, gradus::tensor({0, 1}));
        }) == "cross_entropy: target has shape [2], but logits of shape [4, 5] need [4]");
  CHECK(error_of<gradus::DTypeError>([&] { gradus::cross_entropy(logits, target.to(gradus::float32)); }).find("int64 class indices") !=
        std::string::npos);
  const Tensor probabilities = gradus::full({4, 5}, 0.2, {.dtype = gradus::float64});
  CHECK(gradus::cross_entropy(logits, probabilities).dtype() == gradus::float64);
  CHECK(error_of<gradus::ValueError>([&] { gradus::cross_entropy(logits, probabilities, {.ignore_index = 0}); }) ==
        "cross_entropy: ignore_index 0 is for class indices, but the target holds probabilities");
  CHECK(
      error_of<gradus::DTypeError>([&] { gradus::cross_entropy(target, gradus::tensor(0)); }).starts_with("cross_entropy: logits must be"));
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::cross_entropy(logits, target, {.weight = gradus::ones({4})});
        }).starts_with("cross_entropy: weight has shape [4], expected [5]"));
  CHECK_THROWS_AS(gradus::cross_entropy(logits, target, {.weight = gradus::ones({5}, {.dtype = gradus::float64})}), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::cross_entropy(logits, target, {.label_smoothing = 1.1}), gradus::ValueError);
  CHECK_THROWS_AS(gradus::cross_entropy(logits, target, {.label_smoothing = kNan}), gradus::ValueError);
  CHECK_THROWS_AS(gradus::cross_entropy(gradus::tensor(1.0), gradus::tensor(0)), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::cross_entropy(gradus::zeros({2, 0}), gradus::tensor({0, 0})), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::cross_entropy(Tensor(), target), gradus::StateError);
  CHECK_THROWS_AS(gradus::cross_entropy(logits, Tensor()), gradus::StateError);
}

TEST_CASE("cross_entropy has the same bits for any number of threads, and PyTorch's name") {
  gradus::manual_seed(7);
  const int threads = gradus::get_num_threads();
  const Tensor logits = gradus::randn({2000, 30}, {.requires_grad = true}), target = gradus::randint(30, {2000});
  gradus::set_num_threads(1);
  const Tensor loss = gradus::cross_entropy(logits, target);
  CHECK(loss.grad_fn() == "NllLossBackward0");
  const Values dx = values(gradient(loss, logits, gradus::tensor(1.0)));
  gradus::set_num_threads(3);
  const Tensor again = gradus::cross_entropy(logits, target);
  CHECK(again.item() == loss.item());
  CHECK(values(gradient(again, logits, gradus::tensor(1.0))) == dx);
  gradus::set_num_threads(threads);
}
