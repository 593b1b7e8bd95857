#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>

#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/ops/reduction.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/adaptive.h"
#include "gradus/optim/cycle.h"
#include "gradus/optim/optimizer.h"
#include "gradus/optim/sgd.h"
#include "gradus/parallel.h"
#include "gradus/random.h"

/// What holds for every optimizer. Their numbers are compared with PyTorch's by the cases in tests/parity/training.
using gradus::Tensor;
using testing::error_of;
namespace optim = gradus::optim;

namespace {

using Tensors = std::vector<Tensor>;
using Make = std::function<std::unique_ptr<optim::Optimizer>(const Tensors&)>;

struct Kind {
  const char* name;
  Make make;
};

template <class Optimizer, class Options>
Kind kind(const Options& options) {
  return {Options::name, [options](const Tensors& p) { return std::make_unique<Optimizer>(p, options); }};
}

/// Every optimizer, with the options that bring most buffers.
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      kind<optim::SGD>(optim::SGDOptions{.lr = 0.05, .momentum = 0.9}),
      kind<optim::ASGD>(optim::ASGDOptions{.lr = 0.05, .lambd = 0.1, .t0 = 2}),
      kind<optim::Rprop>(optim::RpropOptions{}),
      kind<optim::Adam>(optim::AdamOptions{.lr = 0.05, .amsgrad = true}),
      kind<optim::AdamW>(optim::AdamWOptions{.lr = 0.05, .amsgrad = true}),
      kind<optim::Adamax>(optim::AdamaxOptions{.lr = 0.05}),
      kind<optim::NAdam>(optim::NAdamOptions{.lr = 0.05}),
      kind<optim::RAdam>(optim::RAdamOptions{.lr = 0.05}),
      kind<optim::RMSprop>(optim::RMSpropOptions{.momentum = 0.9, .centered = true}),
      kind<optim::Adagrad>(optim::AdagradOptions{.lr_decay = 0.1, .initial_accumulator_value = 0.5}),
      kind<optim::Adadelta>(optim::AdadeltaOptions{}),
  };
  return all;
}

void run(optim::Optimizer& optimizer, const Tensor& p, int from, int to) {
  for (int t = from; t <= to; ++t) {
    p.set_grad((gradus::arange(p.numel(), {.dtype = p.dtype()}) * 0.7 + 1.3 * t).sin());
    optimizer.step();
  }
}

Tensor halves(int64_t n, gradus::DType dtype = gradus::float64) { return gradus::full(n, 0.5, {.dtype = dtype}).requires_grad_(); }

}  // namespace

TEST_CASE("every optimizer goes on from a file as if never interrupted") {
  const std::string path = (std::filesystem::temp_directory_path() / ("gradus_optim_" + std::to_string(getpid()))).string();
  for (const Kind& k : kinds())
    for (const auto dtype : {gradus::float64, gradus::float32}) {
      CAPTURE(k.name);
      const Tensor p = halves(5, dtype);
      const auto first = k.make({p});
      run(*first, p, 1, 4);
      gradus::io::save_safetensors(path, first->state_dict());
      const Tensor q = p.detach().clone().requires_grad_();
      const auto second = k.make({q});
      optim::State state;
      for (const auto& [name, tensor] : gradus::io::load_safetensors(path).tensors) state.emplace_back(name, tensor);
      second->load_state_dict(state);
      run(*first, p, 5, 8);
      run(*second, q, 5, 8);
      CHECK(gradus::equal(p.detach(), q.detach()));
    }
  std::filesystem::remove(path);
}

TEST_CASE("every optimizer refuses the state of another size, and keeps its own") {
  for (const Kind& k : kinds()) {
    CAPTURE(k.name);
    const Tensor p = halves(5), q = halves(4);
    const auto ours = k.make({p}), theirs = k.make({q});
    run(*ours, p, 1, 2);
    run(*theirs, q, 1, 3);
    const auto before = ours->state_dict();
    CHECK(error_of<gradus::ValueError>([&] {
            ours->load_state_dict(theirs->state_dict());
          }).starts_with(std::string(k.name) + ": load_state_dict: "));
    const auto after = ours->state_dict();
    REQUIRE(after.size() == before.size());
    for (size_t i = 0; i < before.size(); ++i) CHECK(gradus::equal(after[i].second, before[i].second));
  }
}

TEST_CASE("every optimizer has the same bits for every number of threads") {
  const int threads = gradus::get_num_threads();
  for (const Kind& k : kinds()) {
    CAPTURE(k.name);
    Tensors results;
    for (const int count : {1, 3}) {
      gradus::set_num_threads(count);
      const Tensor p = halves(70'001, gradus::float32);
      const auto optimizer = k.make({p});
      run(*optimizer, p, 1, 2);
      results.push_back(p.detach());
    }
    CHECK(gradus::equal(results[0], results[1]));
  }
  gradus::set_num_threads(threads);
}

TEST_CASE("every optimizer comes down a bowl") {
  for (const Kind& k : kinds()) {
    CAPTURE(k.name);
    const Tensor p = gradus::full(3, 2.0, {.dtype = gradus::float64}).requires_grad_();
    const auto optimizer = k.make({p});
    for (int i = 0; i < 30; ++i) {
      optimizer->zero_grad();
      (p * p).sum().backward();
      optimizer->step();
    }
    CHECK((p * p).sum().item() < 11.99);
  }
}

TEST_CASE("a momentum that comes later starts from the gradient, as at the first step") {
  const Tensor p = halves(2), q = halves(2);
  optim::SGD late({p}, {.lr = 0.1}), plain({q}, {.lr = 0.1});
  run(late, p, 1, 2);
  run(plain, q, 1, 2);
  auto state = late.state_dict();
  REQUIRE(state[1].first == "param_groups.0.momentum");
  state[1].second = gradus::full({}, 0.9, {.dtype = gradus::float64});
  late.load_state_dict(state);
  CHECK(late.momentum() == 0.9);
  run(late, p, 3, 3);
  run(plain, q, 3, 3);
  CHECK(gradus::equal(p.detach(), q.detach()));
  run(late, p, 4, 4);
  run(plain, q, 4, 4);
  CHECK_FALSE(gradus::equal(p.detach(), q.detach()));
}

TEST_CASE("a state has the momentum's buffer also while a scheduler has the momentum at 0, and goes on with it when it is back") {
  // From 0.9 to 0 in two steps and back again.
  const optim::CyclicOptions cycle{.step_size_up = 2, .base_momentum = 0.0, .max_momentum = 0.9};
  const auto run_with = [&](const auto& make, int64_t stop) {
    const Tensor p = halves(2), q = halves(2);
    auto whole = make(p);
    optim::CyclicLR schedule(*whole, 0.1, 0.2, cycle);
    const auto go = [](auto& optimizer, auto& scheduler, const Tensor& x, int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        run(*optimizer, x, static_cast<int>(i + 1), static_cast<int>(i + 1));
        scheduler.step();
      }
    };
    go(whole, schedule, p, 0, stop);
    gradus::NoGradGuard no_grad;
    q.copy_(p);
    auto rest = make(q);
    optim::CyclicLR other(*rest, 0.1, 0.2, cycle);
    rest->load_state_dict(whole->state_dict());
    other.load_state_dict(schedule.state_dict());
    go(whole, schedule, p, stop, 8);
    go(rest, other, q, stop, 8);
    CHECK(gradus::equal(p.detach(), q.detach()));
  };
  for (int64_t stop = 1; stop < 8; ++stop) {
    CAPTURE(stop);
    run_with([](const Tensor& p) { return std::make_unique<optim::SGD>(Tensors{p}, optim::SGDOptions{.momentum = 0.5, .dampening = 0.2}); },
             stop);
    run_with([](const Tensor& p) { return std::make_unique<optim::RMSprop>(Tensors{p}, optim::RMSpropOptions{.momentum = 0.5}); }, stop);
  }
}

TEST_CASE("momentum is the option of that name, else the first beta, else nothing") {
  CHECK(optim::SGD({halves(1)}, {.momentum = 0.3}).momentum() == 0.3);
  CHECK(optim::RMSprop({halves(1)}, {.momentum = 0.4}).momentum() == 0.4);
  CHECK(optim::NAdam({halves(1)}, {.betas = {0.7, 0.9}}).momentum() == 0.7);
  CHECK_FALSE(optim::Adagrad({halves(1)}).momentum().has_value());
  CHECK_THROWS_AS(optim::SGD({halves(1)}).momentum(1), gradus::IndexError);
}

TEST_CASE("options out of range are refused with their name, value and range") {
  const Tensors p{halves(1)};
  const double nan = std::nan("");
  CHECK(error_of<gradus::ValueError>([&] { optim::RMSprop o(p, {.lr = -1}); }) == "RMSprop: lr is -1; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] { optim::RMSprop o(p, {.alpha = -0.5}); }) ==
        "RMSprop: alpha is -0.5; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] { optim::RMSprop o(p, {.momentum = -1}); }) ==
        "RMSprop: momentum is -1; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] { optim::Adagrad o(p, {.lr_decay = -1}); }) ==
        "Adagrad: lr_decay is -1; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] { optim::Adagrad o(p, {.initial_accumulator_value = -1}); }) ==
        "Adagrad: initial_accumulator_value is -1; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] { optim::Adadelta o(p, {.rho = 1.5}); }) == "Adadelta: rho is 1.5; it must be in [0, 1]");
  CHECK(error_of<gradus::ValueError>([&] { optim::Adamax o(p, {.betas = {0.9, 1}}); }) == "Adamax: betas[1] is 1; it must be in [0, 1)");
  CHECK(error_of<gradus::ValueError>([&] { optim::NAdam o(p, {.momentum_decay = -1}); }) ==
        "NAdam: momentum_decay is -1; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] { optim::RAdam o(p, {.eps = nan}); }) == "RAdam: eps is nan; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] { optim::ASGD o(p, {.weight_decay = -1}); }) ==
        "ASGD: weight_decay is -1; it must be finite and not negative");
  CHECK(error_of<gradus::ValueError>([&] {
          optim::Rprop o(p, {.etas = {0.5, 1}});
        }) == "Rprop: etas are 0.5 and 1; the first must be in (0, 1) and the second above 1");
  CHECK(error_of<gradus::ValueError>([&] {
          optim::Rprop o(p, {.step_sizes = {2, 1}});
        }) == "Rprop: step_sizes are 2 and 1; the first must not be negative, nor above the second");
  for (const Kind& k : kinds()) {
    CAPTURE(k.name);
    CHECK(error_of<gradus::ValueError>([&] { k.make({}); }) ==
          std::string(k.name) + ": the parameter list is empty; there is nothing to train");
  }
}
