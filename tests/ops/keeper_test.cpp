#include "ops/keeper.h"

#include <functional>
#include <sstream>
#include <thread>
#include <vector>

#include "core/isa.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/memory.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/product.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/reduction.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/ema.h"
#include "gradus/optim/sgd.h"
#include "gradus/precision.h"
#include "kernels/bfloat16.h"
#include "kernels/small_kernels.h"
#include "ops/op_test.h"

using namespace op_test;
namespace nn = gradus::nn;

namespace {

/// A layer whose weights are kept, for rows of 24 features.
struct Layer {
  std::vector<Tensor> weights;
  std::function<Tensor(const std::vector<Tensor>& weights, const Tensor& x)> forward;
};

std::vector<Layer> layers(int64_t batch) {
  using Weights = std::vector<Tensor>;
  const auto weight = [](int64_t rows, int64_t columns) { return gradus::randn({rows, columns}) * 0.2; };
  const auto both = [&](int64_t rows) { return Weights{weight(rows, 24), weight(rows, 32)}; };
  const Tensor h = gradus::randn({batch, 32}), c = gradus::randn({batch, 32});
  std::vector<Layer> all;
  all.push_back({Weights{weight(40, 24)}, [](const Weights& w, const Tensor& x) { return gradus::linear(x, w[0]); }});
  all.push_back({both(96), [h](const Weights& w, const Tensor& x) { return gradus::gru_cell(x, h, {w[0], w[1]}); }});
  all.push_back({both(96), [h](const Weights& w, const Tensor& x) { return gradus::gru_cell(x, h, {w[0], w[1]}, false); }});
  all.push_back({both(128), [h, c](const Weights& w, const Tensor& x) {
                   return gradus::lstm_layer(x.unsqueeze(0), h, c, {w[0], w[1]}).output;
                 }});
  all.push_back({both(32), [h](const Weights& w, const Tensor& x) { return gradus::rnn_layer(x.unsqueeze(0), h, {w[0], w[1]}).output; }});
  return all;
}

/// What layer gives with copies of its weights, which nobody has seen before.
Tensor anew(const Layer& layer, const Tensor& x) {
  std::vector<Tensor> copies;
  for (const Tensor& w : layer.weights) copies.push_back(w.clone());
  return layer.forward(copies, x);
}

size_t live_bytes() { return gradus::memory_stats().live_bytes; }

/// Whether a second call of f keeps something that the first does not.
bool keeps(const std::function<void()>& f) {
  f();
  const size_t before = live_bytes();
  f();
  return live_bytes() > before;
}

struct WithPrecision {
  explicit WithPrecision(const char* precision) { gradus::set_float32_matmul_precision(precision); }
  ~WithPrecision() { gradus::set_float32_matmul_precision("highest"); }
};

}  // namespace

TEST_CASE("weights that were kept are read anew after every way of changing them") {
  for (const char* precision : {"highest", "medium"})
    for (const int64_t rows : {1, 6, 20}) {
      const WithPrecision with(precision);
      gradus::manual_seed(1);
      const Tensor x = gradus::randn({rows, 24});
      for (const Layer& layer : layers(rows)) {
        const auto check = [&] {
          for (int i = 0; i < 4; ++i) CHECK(gradus::equal(layer.forward(layer.weights, x), anew(layer, x)));
          const gradus::NoGradGuard no_grad;
          for (int i = 0; i < 4; ++i) CHECK(gradus::equal(layer.forward(layer.weights, x), anew(layer, x)));
        };
        check();
        for (const Tensor& w : layer.weights) w.mul_(1.5);
        check();
        for (const Tensor& w : layer.weights) w[3].fill_(0.25);  // through a view
        check();
        for (const Tensor& w : layer.weights) w.copy_(gradus::randn(w.shape()));
        check();
        for (const Tensor& w : layer.weights) w.requires_grad_();
        layer.forward(layer.weights, x).sum().backward();
        gradus::optim::Adam(layer.weights, {.lr = 0.1}).step();
        check();
        float* const place = layer.weights.back().data<float>();
        check();
        place[5] = 3;  // after calls that could have kept it
        check();
        place[6] = -3;
        check();
      }
    }
}

TEST_CASE("without a gradient, medium rounds weights and inputs for few rows too") {
  const WithPrecision with("medium");
  if (!gradus::isa::rounds_to_bfloat16()) return;
  gradus::manual_seed(2);
  const auto rounded = [](const Tensor& x) {
    Tensor y = x.detach().clone();
    for (int64_t i = 0; i < y.numel(); ++i) y.data<float>()[i] = gradus::kernels::nearest_bfloat16(y.data<float>()[i]);
    return y;
  };
  for (const int64_t rows : {1, 2, 5, 15}) {
    const Tensor x = gradus::randn({rows, 48}), weight = gradus::randn({40, 48}), bias = gradus::randn({40});
    const Tensor exact = gradus::linear(x, weight, bias);
    const Tensor expected = gradus::linear(rounded(x).to(gradus::float64), rounded(weight).to(gradus::float64), bias.to(gradus::float64));
    const gradus::NoGradGuard no_grad;
    for (int i = 0; i < 3; ++i) {
      const Tensor y = gradus::linear(x, weight, bias);
      CHECK(y.to(gradus::float64).allclose(expected, 1e-5, 1e-5));
      CHECK_FALSE(y.allclose(exact, 1e-5, 1e-5));
    }
    CHECK(gradus::linear(x.narrow(1, 0, 8), weight.narrow(1, 0, 8), bias)
              .allclose(gradus::matmul(x.narrow(1, 0, 8), weight.narrow(1, 0, 8).t()) + bias, 1e-5, 1e-5));  // too few terms
  }
}

TEST_CASE("weights are kept from the second call on, also those of modules that were trained, saved and read") {
  for (const char* precision : {"highest", "medium"}) {
    const WithPrecision with(precision);
    const nn::Linear linear(64, 64);
    const nn::GRUCell cell(64, 64);
    const Tensor x = gradus::randn({32, 64}), h = gradus::randn({32, 64});
    const auto step = [&](const nn::Module& module, auto& optimizer) {
      module.zero_grad();
      (linear(x).sum() + cell(x, h).sum()).backward();
      optimizer.step();
    };
    gradus::optim::Adam adam(linear.parameters(), {.lr = 0.01});
    gradus::optim::SGD sgd(cell.parameters(), {.lr = 0.01});
    step(linear, adam);
    step(cell, sgd);
    linear.load_state_dict(nn::Linear(64, 64).state_dict());
    std::ostringstream printed;
    printed << linear.weight << cell.weight_ih.mean().item() << cell.weight_hh.to_vector<float>()[0];
    const gradus::NoGradGuard no_grad;
    const bool packs = gradus::kernels::has_small_kernels() || gradus::isa::rounds_to_bfloat16();
    CHECK(keeps([&] { linear(x); }) == packs);
    CHECK(keeps([&] { cell(x, h); }) == packs);
    const size_t before = live_bytes();
    for (int i = 0; i < 5; ++i) linear(x), cell(x, h);
    CHECK(live_bytes() == before);
  }
}

TEST_CASE("a weight whose address was asked for is never kept") {
  const nn::Linear linear(64, 64);
  const Tensor x = gradus::randn({32, 64});
  const gradus::NoGradGuard no_grad;
  keeps([&] { linear(x); });
  CHECK(linear.weight.const_data<float>() == linear.weight[0].const_data<float>());
  CHECK_THROWS_AS(linear.weight.const_data<double>(), gradus::DTypeError);
  CHECK(gradus::keeper_of(linear.weight));
  const size_t before = live_bytes();
  linear.weight.t()[0].data<float>();
  CHECK_FALSE(gradus::keeper_of(linear.weight));
  CHECK_FALSE(keeps([&] { linear(x); }));
  if (gradus::kernels::has_small_kernels()) CHECK(live_bytes() < before);  // what was kept is gone
  const nn::Linear twin = nn::clone(linear);
  CHECK(gradus::keeper_of(twin.weight));
  CHECK_FALSE(gradus::keeper_of(gradus::randn({4, 4}, {.dtype = gradus::float64})));
  CHECK_FALSE(gradus::keeper_of(Tensor()));
}

TEST_CASE("averages of weights, and what optimizers keep, are read anew after a step") {
  gradus::manual_seed(3);
  const Tensor weight = gradus::randn({32, 32}, {.requires_grad = true}), x = gradus::randn({32, 32});
  gradus::optim::EMA ema({weight}, {.decay = 0.5, .use_num_updates = false});
  gradus::optim::Adam adam({weight}, {.lr = 0.1});
  const auto same_as_anew = [&](const Tensor& w) {
    const gradus::NoGradGuard no_grad;
    for (int i = 0; i < 3; ++i) CHECK(gradus::equal(gradus::linear(x, w), gradus::linear(x, w.clone())));
  };
  for (int i = 0; i < 3; ++i) {
    weight.set_grad(gradus::randn({32, 32}));
    adam.step();
    ema.update();
    same_as_anew(weight);
    same_as_anew(ema.shadow_params()[0]);
    for (const auto& [name, state] : adam.state_dict())
      if (state.shape() == weight.shape()) same_as_anew(state);
  }
}

TEST_CASE("a checkpoint gives the numbers that a recorded pass does, for few rows with medium too") {
  const WithPrecision with("medium");
  const nn::Linear linear(32, 32);
  const nn::GRUCell cell(32, 32);
  for (const int64_t rows : {1, 4, 20}) {
    const Tensor x = gradus::randn({rows, 32}, {.requires_grad = true});
    const auto f = [&](const std::vector<Tensor>& in) { return cell(linear(in[0]), in[0]); };
    CHECK(gradus::equal(gradus::autograd::checkpoint(f, {x}).detach(), f({x}).detach()));
    const gradus::NoGradGuard no_grad;
    CHECK(gradus::equal(gradus::autograd::checkpoint(f, {x}), f({x})));
  }
}

TEST_CASE("a checkpoint's function gives the same numbers both times, also under guards of its own") {
  const WithPrecision with("medium");
  const nn::Linear frozen(32, 32), linear(32, 32);
  std::vector<Tensor> seen;
  const auto f = [&](const std::vector<Tensor>& in) {
    const Tensor features = [&] {
      const gradus::NoGradGuard no_grad;
      return frozen(in[0]);
    }();
    seen.push_back(features);
    return linear(features);
  };
  const Tensor x = gradus::randn({4, 32}, {.requires_grad = true});
  gradus::autograd::checkpoint(f, {x}).sum().backward();
  REQUIRE(seen.size() == 2);
  CHECK(gradus::equal(seen[0], seen[1]));
}

TEST_CASE("a training step keeps nothing: it asks for weights once") {
  const nn::GRU gru(32, 32);
  const nn::Linear head(32, 32);
  gradus::optim::Adam adam(gru.parameters(), {.lr = 0.01}), other(head.parameters(), {.lr = 0.01});
  const Tensor x = gradus::randn({5, 20, 32});
  const auto step = [&] {
    gru.zero_grad(), head.zero_grad();
    head(gru(x).output).sum().backward();
    adam.step(), other.step();
  };
  for (int i = 0; i < 3; ++i) step();
  const size_t before = live_bytes();
  for (int i = 0; i < 5; ++i) step();
  CHECK(live_bytes() == before);
}

TEST_CASE("several threads may call one layer") {
  const nn::Linear linear(64, 64);
  const nn::GRUCell cell(64, 64);
  const Tensor x = gradus::randn({32, 64});
  const Tensor expected = cell(linear(x), x).detach();
  std::vector<std::thread> threads;
  std::vector<char> right(4);
  for (char& mine : right)
    threads.emplace_back([&] {
      const gradus::NoGradGuard no_grad;
      bool all = true;
      for (int i = 0; i < 20; ++i) all &= gradus::equal(cell(linear(x), x), expected);
      mine = all;
    });
  for (std::thread& thread : threads) thread.join();
  for (const char mine : right) CHECK(mine);
}
