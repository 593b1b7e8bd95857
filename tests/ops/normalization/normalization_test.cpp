#include "gradus/ops/normalization.h"

#include <cmath>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;

namespace {

/// Two shapes of rows: short ones, and longer than the lanes of the kernel.
const Shape shapes[] = {{5, 3}, {6, 70}};

}  // namespace

TEST_CASE("layer_norm brings every row to mean 0 and variance 1") {
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({4, 100}) * 3 + 50, y = gradus::layer_norm(x, 100);
  CHECK(gradus::allclose(y.mean(1), gradus::zeros(4), 0, 1e-5));
  CHECK(gradus::allclose(y.var(1, 0), gradus::ones(4), 1e-4));
  CHECK(values(gradus::layer_norm(gradus::tensor({{1.0, 3.0}}), 2, gradus::tensor({10.0, 20.0}), gradus::tensor({1.0, 2.0}), 0)) ==
        Values{-9, 22});
}

TEST_CASE("layer_norm of nothing, and of numbers without variance") {
  CHECK(gradus::layer_norm(gradus::zeros({0, 3}), 3).shape() == Shape{0, 3});
  CHECK(gradus::layer_norm(gradus::zeros({2, 0}), 0).shape() == Shape{2, 0});
  CHECK(values(gradus::layer_norm(gradus::full({1, 2}, 7.0), 2)) == Values{0, 0});
  const Tensor weight = gradus::ones(3, {.requires_grad = true});
  gradus::layer_norm(gradus::zeros({0, 3}), 3, weight).sum().backward();
  CHECK(values(weight.grad()) == Values{0, 0, 0});
}

TEST_CASE("native_layer_norm gives mean and 1 / standard deviation, without history") {
  const gradus::LayerNormOutput y =
      gradus::native_layer_norm(gradus::tensor({{1.0, 3.0}, {0.0, 8.0}}).requires_grad_(), 2, Tensor(), Tensor(), 0);
  CHECK(values(y.mean) == Values{2, 4});
  CHECK(values(y.rstd) == Values{1, 0.25});
  CHECK(y.mean.shape() == Shape{2, 1});
  CHECK(y.output.grad_fn() == "NativeLayerNormBackward0");
  CHECK_FALSE(y.mean.requires_grad());
}

TEST_CASE("the fused backward pass of layer_norm gives what the composed one gives") {
  gradus::manual_seed(2);
  for (const Shape& shape : shapes) {
    const int64_t n = shape.back();
    const Tensor x = input(shape), weight = input(n), bias = input(n), dy = gradus::randn(shape, {.dtype = gradus::float64});
    for (const Tensor& leaf : {x, weight, bias}) {
      const auto y = [&] { return gradus::layer_norm(x, n, weight, bias); };
      CHECK(gradus::allclose(gradient(y(), leaf, dy), gradient(y(), leaf, dy, true), 1e-9, 1e-11));
    }
  }
}

TEST_CASE("layer_norm computes the gradients that are asked for alone") {
  const Tensor x = gradus::randn({3, 4}), weight = gradus::ones(4, {.requires_grad = true}), bias = gradus::zeros(4);
  gradus::layer_norm(x, 4, weight, bias).sum().backward();
  CHECK(weight.grad().defined());
  CHECK_FALSE(bias.grad().defined());
}

TEST_CASE("layer_norm has the same bits for any number of threads") {
  gradus::manual_seed(3);
  const int threads = gradus::get_num_threads();
  const Tensor x = gradus::randn({2000, 40}, {.requires_grad = true}), dy = gradus::randn({2000, 40});
  const Tensor weight = gradus::randn(40, {.requires_grad = true});
  const auto all = [&] {
    const Tensor y = gradus::layer_norm(x, 40, weight);
    const auto d = gradus::autograd::grad({y}, {x, weight}, {dy});
    return std::vector<Values>{values(y), values(d[0]), values(d[1])};
  };
  gradus::set_num_threads(1);
  const auto alone = all();
  gradus::set_num_threads(3);
  CHECK(all() == alone);
  gradus::set_num_threads(threads);
}

TEST_CASE("layer_norm names what it cannot take") {
  const Tensor x = gradus::zeros({2, 3});
  CHECK(error_of<gradus::ShapeError>([&] { gradus::layer_norm(x, 2); }) ==
        "layer_norm: x has shape [2, 3], which does not end in the normalized_shape [2]");
  CHECK_THROWS_AS(gradus::layer_norm(x, Shape{1, 2, 3}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::layer_norm(x, Shape()), gradus::ShapeError);
  CHECK(error_of<gradus::ShapeError>([&] { gradus::layer_norm(x, 3, gradus::ones(2)); }) ==
        "layer_norm: weight has shape [2], expected [3]");
  CHECK(error_of<gradus::DTypeError>([&] { gradus::layer_norm(x, 3, {}, gradus::ones(3, {.dtype = gradus::float64})); }) ==
        "layer_norm: x is float32 and bias float64; they must agree");
  CHECK_THROWS_AS(gradus::layer_norm(x.to(gradus::int64), 3), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::layer_norm(Tensor(), 3), gradus::StateError);
}

TEST_CASE("batch_norm brings every channel to mean 0 and variance 1, and moves the running numbers") {
  const Tensor x = gradus::tensor({{1.0, 0.0}, {3.0, 4.0}}), mean = gradus::zeros(2), var = gradus::ones(2);
  CHECK(values(gradus::batch_norm(x, mean, var, {}, {}, true, 0.5, 0)) == Values{-1, -1, 1, 1});
  CHECK(values(mean) == Values{1, 1});
  CHECK(values(var) == Values{1.5, 4.5});
  CHECK(values(gradus::batch_norm(x, gradus::tensor({1.0, 2.0}), gradus::tensor({1.0, 4.0}), gradus::tensor({10.0, 1.0}),
                                  gradus::tensor({0.0, 3.0}), false, 0.1, 0)) == Values{0, 2, 20, 4});
  CHECK(gradus::batch_norm(x.detach().requires_grad_(), mean, var).grad_fn() == "NativeBatchNormBackward0");
}

TEST_CASE(
    "batch_norm of long rows gives what its definition gives in double, forward and backward, with the same bits for 1 to 3 threads") {
  const int before = gradus::get_num_threads();
  gradus::manual_seed(8);
  const Tensor x = gradus::randn({9, 40, 33}) * 3 + 50, weight = gradus::randn(40), bias = gradus::randn(40), dy = gradus::randn(x.shape());
  const auto leaf = [](const Tensor& t, gradus::DType dtype) { return t.to(dtype).detach().clone().requires_grad_(); };
  const Tensor xd = leaf(x, gradus::float64), wd = leaf(weight, gradus::float64), bd = leaf(bias, gradus::float64);
  const Tensor centred = xd - gradus::mean(xd, {0, 2}, true), variance = gradus::mean(centred * centred, {0, 2}, true);
  const Tensor expected = centred / gradus::sqrt(variance + 1e-5) * wd.reshape({40, 1}) + bd.reshape({40, 1});
  expected.backward(dy.to(gradus::float64));
  const auto close = [](const Tensor& ours, const Tensor& exact) { return gradus::allclose(ours.to(gradus::float64), exact, 1e-5, 2e-5); };
  Tensor first;
  for (const int threads : {1, 2, 3}) {
    gradus::set_num_threads(threads);
    const Tensor xf = leaf(x, gradus::float32), wf = leaf(weight, gradus::float32), bf = leaf(bias, gradus::float32);
    const Tensor mean = gradus::zeros(40), var = gradus::zeros(40);
    const Tensor y = gradus::batch_norm(xf, mean, var, wf, bf, true, 1);
    y.backward(dy);
    CHECK(close(y.detach(), expected.detach()));
    CHECK(close(xf.grad(), xd.grad()));
    CHECK(close(wf.grad(), wd.grad()));
    CHECK(close(bf.grad(), bd.grad()));
    CHECK(close(mean, gradus::mean(x.to(gradus::float64), {0, 2})));
    CHECK(close(var, gradus::var(x.to(gradus::float64), {0, 2})));
    const Tensor all = gradus::cat({y.detach().reshape({-1}), xf.grad().reshape({-1}), wf.grad(), bf.grad(), mean, var}, 0);
    if (threads == 1) first = all;
    CHECK(gradus::allclose(all, first, 0, 0));
  }
  gradus::set_num_threads(before);
}

TEST_CASE("batch_norm of an empty batch leaves the running numbers") {
  const Tensor mean = gradus::zeros(3), var = gradus::ones(3);
  CHECK(gradus::batch_norm(gradus::zeros({0, 3, 2}), mean, var, {}, {}, true).shape() == Shape{0, 3, 2});
  CHECK(values(mean) == Values{0, 0, 0});
  CHECK(values(var) == Values{1, 1, 1});
}

TEST_CASE("batch_norm names what it cannot take, and then leaves the running numbers") {
  const Tensor x = gradus::zeros({2, 3}), mean = gradus::ones(3), var = gradus::ones(3);
  CHECK(error_of<gradus::ValueError>([&] { gradus::batch_norm(x, {}, {}); }) ==
        "batch_norm: without training it needs running_mean and running_var");
  CHECK(error_of<gradus::ValueError>([&] { gradus::batch_norm(x.slice(0, 0, 1), mean, var, {}, {}, true); }) ==
        "batch_norm: x of shape [1, 3] has one value a channel, which has no variance");
  CHECK(error_of<gradus::ShapeError>([&] { gradus::batch_norm(x, mean, var, {}, gradus::ones(2), true); }) ==
        "batch_norm: bias has shape [2], expected [3]");
  CHECK_THROWS_AS(gradus::batch_norm(x, mean, gradus::ones(3, {.dtype = gradus::float64}), {}, {}, true), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::batch_norm(gradus::zeros(3), mean, var), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::batch_norm(x, gradus::ones(3, {.requires_grad = true}), var, {}, {}, true), gradus::AutogradError);
  CHECK(values(mean) == Values{1, 1, 1});
}

TEST_CASE("batch_norm's gradient notices running numbers that changed since") {
  const Tensor x = input({2, 3}), mean = gradus::zeros(3, {.dtype = gradus::float64}), var = gradus::ones(3, {.dtype = gradus::float64});
  const Tensor y = gradus::batch_norm(x, mean, var);
  var.mul_(2);
  CHECK_THROWS_AS(y.sum().backward(), gradus::AutogradError);
}

TEST_CASE("group_norm normalises each group of channels of each element") {
  const Tensor x = gradus::tensor({{1.0, 3.0, 10.0, 30.0}});
  CHECK(values(gradus::group_norm(x, 2, gradus::tensor({1.0, 2.0, 3.0, 4.0}), gradus::ones(4), 0)) == Values{0, 3, -2, 5});
  CHECK(error_of<gradus::ShapeError>([&] { gradus::group_norm(x, 3); }) ==
        "group_norm: the 4 channels of shape [1, 4] do not divide into 3 groups");
  CHECK_THROWS_AS(gradus::group_norm(x, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::group_norm(x, 2, gradus::ones(2)), gradus::ShapeError);
}

TEST_CASE("rows and channels whose variance is beyond the dtype's largest number are normalised all the same") {
  // (1, -1, 3) * 1e30 has mean 1e30 and deviations 0, -2, 2, whose root mean square is sqrt(8 / 3).
  const double r = 2 / std::sqrt(8.0 / 3);
  const Tensor x = gradus::tensor({{1e30F, 0.5F}, {-1e30F, 1.5F}, {3e30F, 0.25F}}), columns = x.t().contiguous();
  const Tensor small = gradus::batch_norm(x.narrow(1, 1, 1), {}, {}, {}, {}, true);
  const auto check_rows = [&](const Tensor& y) {
    CHECK(gradus::allclose(y.select(0, 0), gradus::tensor({0.0, -r, r}).to(gradus::float32), 1e-6, 1e-6));
    CHECK(gradus::allclose(y.select(0, 1), small.view(3), 1e-5, 1e-6));
  };
  check_rows(gradus::batch_norm(x, {}, {}, {}, {}, true).t());
  check_equal(gradus::batch_norm(x, {}, {}, {}, {}, true).narrow(1, 1, 1), small);
  check_rows(gradus::layer_norm(columns, 3));
  check_rows(gradus::group_norm(columns.view({1, 2, 3}), 2).view({2, 3}));
  for (const bool by_channel : {true, false}) {
    const Tensor leaf = (by_channel ? x : columns).clone().requires_grad_();
    const Tensor y = by_channel ? gradus::batch_norm(leaf, {}, {}, {}, {}, true) : gradus::layer_norm(leaf, 3);
    const Tensor d = gradient(y, leaf, gradus::tensor({{1.0F, 2.0F, 4.0F}, {1.0F, 2.0F, 4.0F}}).view(y.shape()));
    CHECK(gradus::isfinite(d).all().item<bool>());
  }
}

TEST_CASE("a row of NaN that nobody asks for leaves layer_norm's gradients as they are") {
  for (const Shape& shape : shapes)
    for (const bool create_graph : {false, true}) {
      const auto run = [&](double bad) {
        gradus::manual_seed(3);
        const Tensor x = gradus::randn(shape), w = gradus::rand(shape[1]).requires_grad_(), b = gradus::rand(shape[1]).requires_grad_();
        x.select(0, 2).fill_(bad);
        x.requires_grad_();
        const Tensor dy = gradus::randn(shape);
        dy.select(0, 2).fill_(0);
        return gradus::autograd::grad({gradus::layer_norm(x, shape[1], w, b)}, {x, w, b}, {dy}, {.create_graph = create_graph});
      };
      const Tensors right = run(0), ours = run(kNan);
      for (size_t i = 0; i < 3; ++i) CHECK(gradus::allclose(ours[i].detach(), right[i].detach(), 1e-6, 1e-6));
    }
}

TEST_CASE("a row of NaN that nobody asks for leaves the gradients of batch_norm in evaluation, group_norm and prelu as they are") {
  const Tensor clean = input({3, 4, 2});
  const Tensor spoilt = clean.detach().clone();
  spoilt[1].fill_(kNan);
  spoilt.requires_grad_();
  Tensor asked = gradus::ones({3, 4, 2}, {.dtype = gradus::float64});
  asked[1].fill_(0);
  asked = asked * gradus::randn({3, 4, 2}, {.dtype = gradus::float64});
  const Tensor weight = input({4}), bias = input({4});
  const Tensor mean = input({4}).detach(), var = gradus::rand({4}, {.dtype = gradus::float64}) + 0.5;
  using Layer = std::function<Tensor(const Tensor&)>;
  const std::vector<Layer> layers{[&](const Tensor& x) { return gradus::batch_norm(x, mean, var, weight, bias); },
                                  [&](const Tensor& x) { return gradus::group_norm(x, 2, weight, bias); },
                                  [&](const Tensor& x) { return gradus::prelu(x, weight) + bias.sum() * 0; }};
  for (const Layer& layer : layers)
    for (bool create_graph : {false, true}) {
      const auto gradients = [&](const Tensor& x, const Tensor& dy) {
        return gradus::autograd::grad({layer(x)}, {weight, bias}, {dy}, {.create_graph = create_graph});
      };
      const auto right = gradients(clean, asked), found = gradients(spoilt, asked);
      check_equal(found[0], right[0]);
      check_equal(found[1], right[1]);
    }
}
