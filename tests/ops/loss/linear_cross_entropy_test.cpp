#include <cmath>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/memory.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/loss.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "ops/op_test.h"

using namespace op_test;
using gradus::CrossEntropyOptions;
using gradus::linear_cross_entropy;
using gradus::Reduction;

namespace {

Tensor plain(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& target, const CrossEntropyOptions& o) {
  const Tensor flat = x.reshape({target.numel(), weight.size(1)});
  const Tensor loss = gradus::cross_entropy(gradus::linear(flat, weight, bias), target.reshape(-1), o);
  return o.reduction == Reduction::None ? loss.reshape(target.shape()) : loss;
}

/// Every combination of class weights, smoothing, ignored targets and reduction.
std::vector<CrossEntropyOptions> variants_reduced(int64_t classes, gradus::DType dtype) {
  std::vector<CrossEntropyOptions> result;
  for (const Tensor& weight : {Tensor(), (gradus::rand({classes}) + 0.2).to(dtype)})
    for (double smoothing : {0.0, 0.1})
      for (int64_t ignored : {int64_t{-100}, int64_t{2}})
        for (Reduction reduction : {Reduction::Mean, Reduction::Sum, Reduction::None})
          result.push_back({.weight = weight, .ignore_index = ignored, .reduction = reduction, .label_smoothing = smoothing});
  return result;
}

void check_close(const Tensor& x, const Tensor& y) {
  REQUIRE(x.shape().str() == y.shape().str());
  const double tolerance = x.dtype() == gradus::float32 ? 2e-5 : 1e-12;
  CHECK(gradus::allclose(x, y, tolerance, tolerance));
}

/// The most bytes in tensors while f runs, beyond those before.
size_t bytes_of(const std::function<void()>& f) {
  gradus::release_cached_memory();
  gradus::reset_peak_memory();
  const size_t before = gradus::memory_stats().live_bytes;
  f();
  return gradus::memory_stats().peak_bytes - before;
}

}  // namespace

TEST_CASE("linear_cross_entropy gives the loss and the gradients of linear and cross_entropy, for every option") {
  gradus::manual_seed(1);
  for (gradus::DType dtype : {gradus::float32, gradus::float64})
    for (bool with_bias : {true, false}) {
      const gradus::Options real{.dtype = dtype, .requires_grad = true};
      const Tensor x = gradus::randn({3, 4, 6}, real), weight = gradus::randn({5, 6}, real), target = gradus::randint(5, {3, 4});
      const Tensor bias = with_bias ? gradus::randn({5}, real) : Tensor();
      Tensors inputs{x, weight};
      if (with_bias) inputs.push_back(bias);
      for (const CrossEntropyOptions& o : variants_reduced(5, dtype)) {
        const Tensor ours = linear_cross_entropy(x, weight, bias, target, o), theirs = plain(x, weight, bias, target, o);
        check_close(ours, theirs);
        const Tensor dy = gradus::randn(ours.shape(), {.dtype = dtype});
        const Tensors found = gradus::autograd::grad({ours}, inputs, {dy}), expected = gradus::autograd::grad({theirs}, inputs, {dy});
        for (size_t i = 0; i < inputs.size(); ++i) check_close(found[i], expected[i]);
      }
    }
}

TEST_CASE("first and second derivatives of linear_cross_entropy") {
  gradus::manual_seed(2);
  const Tensor target = gradus::tensor({0, 2, 1, 2});
  for (const CrossEntropyOptions& o : variants_reduced(3, gradus::float64))
    check_gradients([&](const Tensors& in) { return linear_cross_entropy(in[0], in[1], in[2], target, o).exp(); },
                    {input({4, 2}), input({3, 2}), input({3})});
}

TEST_CASE("a tensor that is both input and weight of linear_cross_entropy gets both gradients, once and twice differentiated") {
  const Tensor target = gradus::tensor({0, 2, 1});
  check_gradients([&](const Tensors& in) { return linear_cross_entropy(in[0], in[0] * 2, {}, target); }, {input({3, 3})});
}

TEST_CASE("many blocks of rows and classes give what one does") {
  gradus::manual_seed(3);
  for (const auto& [N, V] : {std::pair<int64_t, int64_t>{200, 30000}, {2100, 1500}}) {
    const Tensor x = gradus::randn({N, 8}, {.requires_grad = true}), weight = (gradus::randn({V, 8}) * 0.3).requires_grad_(),
                 bias = gradus::randn({V}, {.requires_grad = true}), target = gradus::randint(V, {N}), class_weight = gradus::rand({V});
    for (Reduction reduction : {Reduction::Mean, Reduction::None})
      for (double smoothing : {0.0, 0.1}) {
        const CrossEntropyOptions o{.weight = class_weight, .reduction = reduction, .label_smoothing = smoothing};
        const Tensor ours = linear_cross_entropy(x, weight, bias, target, o), theirs = plain(x, weight, bias, target, o);
        check_close(ours, theirs);
        const Tensor dy = reduction == Reduction::Mean ? Tensor() : gradus::randn({N});
        const Tensors found = gradus::autograd::grad({ours}, {x, weight, bias}, {dy}),
                      expected = gradus::autograd::grad({theirs}, {x, weight, bias}, {dy});
        for (size_t i = 0; i < found.size(); ++i) check_close(found[i], expected[i]);
      }
  }
}

TEST_CASE("linear_cross_entropy needs less than a fifth of the memory for a vocabulary of 50 000") {
  const Tensor x = gradus::randn({640, 32}, {.requires_grad = true}), weight = gradus::randn({50000, 32}, {.requires_grad = true}),
               target = gradus::randint(50000, {640});
  const auto pass = [&](auto loss) {
    return bytes_of([&] {
      loss(x, weight, Tensor(), target, CrossEntropyOptions()).backward();
      x.set_grad({});
      weight.set_grad({});
    });
  };
  const size_t ours = pass(linear_cross_entropy), theirs = pass(plain);
  CHECK(theirs > size_t{256} << 20);
  CHECK(ours < theirs / 5);
  // A block of logits, the gradient of the weights, and what the products pack.
  CHECK(ours < size_t{24} << 20);
}

TEST_CASE("linear_cross_entropy holds the gradient, logits of twice the size, and what products pack, where features are many") {
  gradus::manual_seed(4);
  const int64_t N = 600, I = 128, V = 33000;  // blocks of 200 rows, of 16 MiB they would have 127
  const Tensor x = gradus::randn({N, I}, {.requires_grad = true}), weight = (gradus::randn({V, I}) * 0.05).detach().requires_grad_(),
               bias = gradus::randn({V}, {.requires_grad = true}), target = gradus::randint(V, {N});
  target.narrow(0, 0, 5).fill_(-100);
  Tensors found;
  const size_t bytes = bytes_of([&] {
    found = gradus::autograd::grad({linear_cross_entropy(x, weight, bias, target)}, {x, weight, bias});
  });
  CHECK(bytes < static_cast<size_t>(V * I) * sizeof(float) * 13 / 4);
  const Tensors expected = gradus::autograd::grad({plain(x, weight, bias, target, {})}, {x, weight, bias});
  for (size_t i = 0; i < found.size(); ++i) check_close(found[i], expected[i]);
}

TEST_CASE("a graph of linear_cross_entropy that is kept gives the same gradients again, times what arrives, and to other inputs") {
  gradus::manual_seed(5);
  const Tensor x = gradus::randn({2, 3, 4}, {.requires_grad = true}), weight = gradus::randn({5, 4}, {.requires_grad = true}),
               bias = gradus::randn({5}, {.requires_grad = true}), target = gradus::randint(5, {2, 3});
  const Tensor loss = linear_cross_entropy(x, weight, bias, target), other = plain(x, weight, bias, target, {});
  const gradus::autograd::GradOptions keep{.retain_graph = true};
  const Tensors first = gradus::autograd::grad({loss}, {x, weight, bias}, {}, keep),
                expected = gradus::autograd::grad({other}, {x, weight, bias}, {}, keep);
  const Tensor of_weight = gradus::autograd::grad({loss}, {weight}, {gradus::tensor(3.0f)}, keep)[0];
  const Tensors again = gradus::autograd::grad({loss}, {x, weight, bias}, {}, keep);
  for (size_t i = 0; i < expected.size(); ++i) check_close(first[i], expected[i]), check_close(again[i], expected[i]);
  check_close(of_weight, expected[1] * 3);
  loss.backward({}, true);
  loss.backward();
  check_close(weight.grad(), expected[1] * 2);
  check_close(x.grad(), expected[0] * 2);
}

TEST_CASE("linear_cross_entropy makes no gradients that nobody asked for") {
  const Tensor x = gradus::randn({64, 32}), weight = gradus::randn({20000, 32}, {.requires_grad = true}),
               target = gradus::randint(20000, {64});
  const size_t without = bytes_of([&] {
    gradus::NoGradGuard no_grad;
    CHECK(!linear_cross_entropy(x, weight, {}, target).requires_grad());
  });
  const size_t with = bytes_of([&] { linear_cross_entropy(x, weight, {}, target).backward(); });
  CHECK(with - without > size_t{20000} * 30 * 4);
  CHECK(!x.grad().defined());
}

TEST_CASE("linear_cross_entropy has the same bits for every number of threads") {
  gradus::manual_seed(4);
  const Tensor x = gradus::randn({90, 40}, {.requires_grad = true}), weight = gradus::randn({30000, 40}, {.requires_grad = true}),
               bias = gradus::randn({30000}, {.requires_grad = true}), target = gradus::randint(30000, {90});
  const int before = gradus::get_num_threads();
  std::vector<Tensors> results;
  for (int threads : {1, 2, 5}) {
    gradus::set_num_threads(threads);
    const Tensor loss = linear_cross_entropy(x, weight, bias, target);
    results.push_back(gradus::autograd::grad({loss}, {x, weight, bias}));
    results.back().push_back(loss.detach());
  }
  gradus::set_num_threads(before);
  for (const Tensors& result : results)
    for (size_t i = 0; i < result.size(); ++i) check_equal(result[i], results[0][i]);
}

TEST_CASE("a graph of linear_cross_entropy that is kept gives the same gradients again") {
  const Tensor x = gradus::randn({5, 3}, {.requires_grad = true}), weight = gradus::randn({4, 3}, {.requires_grad = true});
  const Tensor loss = linear_cross_entropy(x, weight, {}, gradus::tensor({0, 1, 2, 3, 0}));
  loss.backward({}, true);
  const Tensor once = x.grad().clone();
  loss.backward();
  check_equal(x.grad(), once * 2);
}

TEST_CASE("linear_cross_entropy without a target that counts is 0, with zero gradients") {
  const Tensor weight = gradus::randn({4, 3}, {.requires_grad = true}), bias = gradus::randn({4}, {.requires_grad = true});
  for (int64_t rows : {0, 2}) {
    const Tensor x = gradus::randn({rows, 3}, {.requires_grad = true});
    const Tensor loss = linear_cross_entropy(x, weight, bias, gradus::full({rows}, -100, {.dtype = gradus::int64}));
    CHECK(loss.item() == 0);
    loss.backward();
    CHECK(values(weight.grad()) == Values(12, 0));
    CHECK(values(bias.grad()) == Values(4, 0));
    CHECK(x.grad().shape() == x.shape());
  }
}

TEST_CASE("linear_cross_entropy refuses what does not fit") {
  const Tensor x = gradus::randn({2, 3}), weight = gradus::randn({4, 3}), target = gradus::tensor({0, 3});
  const auto call = [](auto... in) { return [=] { linear_cross_entropy(in...); }; };
  using gradus::DTypeError, gradus::IndexError, gradus::ShapeError, gradus::ValueError;
  const CrossEntropyOptions plain_options;
  CHECK(error_of<ShapeError>(call(x, gradus::randn({4, 5}), Tensor(), target, plain_options)) ==
        "linear_cross_entropy: the input has shape [2, 3], but weight [4, 5] takes 5 features in the last dimension");
  CHECK(error_of<ShapeError>(call(x, weight, gradus::zeros({3}), target, plain_options)) ==
        "linear_cross_entropy: bias has shape [3], expected [4]");
  CHECK(error_of<ShapeError>(call(x, weight, Tensor(), gradus::tensor({0}), plain_options)) ==
        "linear_cross_entropy: target has shape [1], but an input of shape [2, 3] needs [2]");
  CHECK(!error_of<IndexError>(call(x, weight, Tensor(), gradus::tensor({0, 4}), plain_options)).empty());
  CHECK(!error_of<DTypeError>(call(x, weight, Tensor(), gradus::tensor({0.5, 0.5}), plain_options)).empty());
  CHECK(!error_of<DTypeError>(call(x, weight.to(gradus::float64), Tensor(), target, plain_options)).empty());
  CHECK(!error_of<ValueError>(call(x, weight, Tensor(), target, CrossEntropyOptions{.label_smoothing = 2})).empty());
  CHECK(!error_of<ShapeError>(call(x, weight, Tensor(), target, CrossEntropyOptions{.weight = gradus::ones({3})})).empty());
}

TEST_CASE("nn::LinearCrossEntropy is a Linear and its CrossEntropyLoss") {
  namespace nn = gradus::nn;
  gradus::manual_seed(5);
  const nn::LinearCrossEntropy both(6, 5, true, {.weight = gradus::rand({5}), .label_smoothing = 0.1});
  gradus::manual_seed(5);
  const Tensor class_weight = gradus::rand({5});
  const nn::Linear linear(6, 5);
  check_equal(both.weight, linear.weight);
  check_equal(both.bias, linear.bias);
  const Tensor x = gradus::randn({2, 7, 6}), target = gradus::randint(5, {2, 7});
  const Tensor expected =
      gradus::cross_entropy(linear(x).reshape({-1, 5}), target.reshape(-1), {.weight = class_weight, .label_smoothing = 0.1});
  check_close(both(x, target), expected);
  check_close(both.logits(x), linear(x));
  CHECK(both.state_dict().size() == 3);
  CHECK(!error_of<gradus::ValueError>([] { nn::LinearCrossEntropy(3, 2, true, {.label_smoothing = -1}); }).empty());
}
