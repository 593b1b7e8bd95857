#include "gradus/optim/scheduler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "error_of.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/adaptive.h"
#include "gradus/optim/cycle.h"
#include "gradus/optim/optimizer.h"
#include "gradus/optim/scheduler.h"
#include "gradus/optim/sgd.h"

/// The rates themselves are compared with PyTorch's by the cases in tests/parity/training.
using gradus::Tensor;
using testing::error_of;
namespace optim = gradus::optim;

namespace {

using Values = std::vector<double>;

Tensor one_parameter() { return gradus::zeros(1).requires_grad_(); }

/// Two groups with different rates.
template <class Optimizer = optim::SGD, class Options = optim::SGDOptions>
std::unique_ptr<Optimizer> two_groups() {
  const std::vector<optim::ParamGroup<Options>> groups{{.params = {one_parameter()}, .options = Options{.lr = 0.1}},
                                                       {.params = {one_parameter()}, .options = Options{.lr = 0.2}}};
  return std::make_unique<Optimizer>(groups);
}

Values rates(const optim::Optimizer& optimizer) { return {optimizer.lr(0), optimizer.lr(1)}; }

/// A composed scheduler and its parts.
struct Composition {
  std::vector<std::unique_ptr<optim::EpochScheduler>> parts;
  std::unique_ptr<optim::LRScheduler> whole;
};

Composition chain(optim::Optimizer& o) {
  Composition c;
  c.parts.push_back(std::make_unique<optim::ConstantLR>(o, 0.5, 3));
  c.parts.push_back(std::make_unique<optim::ExponentialLR>(o, 0.9));
  c.whole = std::make_unique<optim::ChainedScheduler>(std::vector<optim::LRScheduler*>{c.parts[0].get(), c.parts[1].get()});
  return c;
}

Composition sequence(optim::Optimizer& o) {
  Composition c;
  c.parts.push_back(std::make_unique<optim::LinearLR>(o, 0.1, 1, 4));
  c.parts.push_back(std::make_unique<optim::CosineAnnealingWarmRestarts>(o, 3, 2));
  c.whole = std::make_unique<optim::SequentialLR>(o, std::vector<optim::EpochScheduler*>{c.parts[0].get(), c.parts[1].get()},
                                                  std::vector<int64_t>{4});
  return c;
}

/// Trains on with a second optimizer and scheduler that take over the state of the first after 6 of 12 steps.
template <class Make, class Step>
void check_resumed(Make make, Step step) {
  const std::string path = (std::filesystem::temp_directory_path() / ("gradus_scheduler_" + std::to_string(getpid()))).string();
  const auto through_file = [&](const optim::State& state) {
    gradus::io::save_safetensors(path, state);
    optim::State loaded;
    for (const auto& [name, tensor] : gradus::io::load_safetensors(path).tensors) loaded.emplace_back(name, tensor);
    return loaded;
  };
  const auto first = two_groups(), second = two_groups();
  auto a = make(*first), b = make(*second);
  for (int i = 0; i < 6; ++i) step(a, i);
  second->load_state_dict(through_file(first->state_dict()));
  b->load_state_dict(through_file(a->state_dict()));
  CHECK(b->get_last_lr() == a->get_last_lr());
  for (int i = 6; i < 12; ++i) {
    CHECK(rates(*first) == rates(*second));
    CHECK(first->momentum() == second->momentum());
    step(a, i);
    step(b, i);
  }
  CHECK(rates(*first) == rates(*second));
  std::filesystem::remove(path);
}

}  // namespace

TEST_CASE("NoamLR follows the formula of the paper") {
  const auto sgd = two_groups();
  sgd->set_lr(1);
  optim::NoamLR noam(*sgd, 512, 4000);
  for (int step = 1; step <= 5000; ++step) {
    if (step % 1000 == 1 || step == 4000)
      CHECK(sgd->lr() == doctest::Approx(std::pow(512, -0.5) * std::min(std::pow(step, -0.5), step * std::pow(4000, -1.5))).epsilon(1e-13));
    noam.step();
  }
}

TEST_CASE("LambdaLR multiplies the first rate, MultiplicativeLR the last") {
  const auto a = two_groups(), b = two_groups();
  optim::LambdaLR lambda(*a, [](int64_t epoch) { return 1.0 / static_cast<double>(1 + epoch); });
  optim::MultiplicativeLR product(
      *b, std::vector<optim::EpochFactor>{[](int64_t) { return 0.5; }, [](int64_t epoch) { return static_cast<double>(epoch); }});
  for (int i = 0; i < 3; ++i) {
    lambda.step();
    product.step();
  }
  CHECK(a->lr(0) == doctest::Approx(0.025));
  CHECK(a->lr(1) == doctest::Approx(0.05));
  CHECK(b->lr(0) == doctest::Approx(0.1 / 8));
  CHECK(b->lr(1) == doctest::Approx(0.2 * 6));
  CHECK(lambda.get_last_lr() == rates(*a));
  CHECK(lambda.last_epoch() == 3);
}

TEST_CASE("a rate that is changed from outside is carried on by the recursive schedulers") {
  const auto sgd = two_groups();
  optim::ExponentialLR scheduler(*sgd, 0.5);
  scheduler.step();
  sgd->set_lr(1, 0);
  scheduler.step();
  CHECK(sgd->lr(0) == doctest::Approx(0.5));
  CHECK(sgd->lr(1) == doctest::Approx(0.05));
}

TEST_CASE("OneCycleLR leads momentum or beta1 against the rate, and leaves it alone when told to") {
  const auto sgd = two_groups();
  const auto adam = two_groups<optim::Adam, optim::AdamOptions>();
  optim::OneCycleLR first(*sgd, 1, {.total_steps = 10}), second(*adam, {1, 2}, {.epochs = 2, .steps_per_epoch = 5});
  for (int i = 0; i < 2; ++i) {
    first.step();
    second.step();
  }
  CHECK(sgd->lr() == doctest::Approx(1));
  CHECK(*sgd->momentum() == doctest::Approx(0.85));
  CHECK(adam->lr(1) == doctest::Approx(2));
  CHECK(adam->options(1).betas[0] == doctest::Approx(0.85));
  CHECK(adam->options(1).betas[1] == 0.999);
  const auto still = two_groups();
  optim::OneCycleLR third(*still, 1, {.total_steps = 10, .cycle_momentum = false});
  third.step();
  CHECK(*still->momentum() == 0);
}

TEST_CASE("OneCycleLR refuses a step beyond its last, and stays where it was") {
  const auto sgd = two_groups();
  optim::OneCycleLR scheduler(*sgd, 1, {.total_steps = 4, .pct_start = 0.5});
  for (int i = 0; i < 4; ++i) scheduler.step();  // a loop steps once more than there are rates
  const Values before = rates(*sgd);
  CHECK_THROWS_AS(scheduler.step(), gradus::ValueError);
  CHECK_THROWS_AS(scheduler.step(), gradus::ValueError);
  CHECK(rates(*sgd) == before);
  CHECK(scheduler.last_epoch() == 4);
}

TEST_CASE("CyclicLR takes a scale of its own") {
  const auto sgd = two_groups();
  optim::CyclicOptions options{.step_size_up = 2};
  options.scale_fn = [](double cycle) { return 1 / cycle; };
  optim::CyclicLR scheduler(*sgd, 1, 2, options);
  Values seen;
  for (int i = 0; i < 8; ++i) {
    seen.push_back(sgd->lr());
    scheduler.step();
  }
  CHECK(seen == Values{1, 1.5, 2, 1.5, 1, 1.25, 1.5, 1.25});
}

TEST_CASE("ReduceLROnPlateau waits for patience, cools down, and takes NaN for no progress") {
  const auto sgd = two_groups();
  optim::ReduceLROnPlateau scheduler(*sgd, {.factor = 0.5, .patience = 1, .cooldown = 2, .min_lr = {0.05, 0.15}});
  CHECK(scheduler.get_last_lr() == Values{0.1, 0.2});
  scheduler.step(1);
  scheduler.step(1);
  CHECK(rates(*sgd) == Values{0.1, 0.2});
  scheduler.step(std::nan(""));
  CHECK(rates(*sgd) == Values{0.05, 0.15});
  for (int i = 0; i < 3; ++i) scheduler.step(1);
  CHECK(scheduler.get_last_lr() == Values{0.05, 0.15});
}

TEST_CASE("every scheduler goes on from a file as if never interrupted") {
  const auto step = [](const auto& s, int) { s->step(); };
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::StepLR>(o, 2); }, step);
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::CosineAnnealingLR>(o, 5, 0.01); }, step);
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::CosineAnnealingWarmRestarts>(o, 2, 2); }, step);
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::LinearLR>(o, 0.1, 1, 10); }, step);
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::LambdaLR>(o, [](int64_t e) { return 1.0 / (1.0 + double(e)); }); },
                step);
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::OneCycleLR>(o, 1, optim::OneCycleOptions{.total_steps = 20}); },
                step);
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::CyclicLR>(o, 0.1, 1, optim::CyclicOptions{.step_size_up = 3}); },
                step);
  check_resumed([](optim::Optimizer& o) { return std::make_unique<optim::ReduceLROnPlateau>(o, optim::PlateauOptions{.patience = 2}); },
                [](const auto& s, int i) { s->step(i < 3 ? 3 - i : 1); });
}

TEST_CASE("composed schedulers go on from a file as if never interrupted") {
  for (const auto& make : {chain, sequence}) {
    std::vector<Composition> alive;
    const auto keep = [&](optim::Optimizer& o) {
      alive.push_back(make(o));
      return alive.back().whole.get();
    };
    alive.reserve(2);
    check_resumed(keep, [](optim::LRScheduler* s, int) { s->step(); });
  }
}

TEST_CASE("a chain in which one scheduler throws is where it was") {
  const auto sgd = two_groups();
  optim::ExponentialLR decay(*sgd, 0.5);
  bool broken = false;
  optim::MultiplicativeLR fragile(*sgd, [&](int64_t) { return broken ? std::nan("") : 1.0; });
  optim::ChainedScheduler both({&decay, &fragile});
  both.step();
  broken = true;
  CHECK(error_of<gradus::ValueError>([&] { both.step(); }) ==
        "MultiplicativeLR: the learning rate of group 0 at epoch 2 is nan; it must be finite");
  CHECK(rates(*sgd) == Values{0.05, 0.1});
  CHECK(decay.last_epoch() == 1);
  broken = false;
  both.step();
  CHECK(both.get_last_lr() == Values{0.025, 0.05});
}

TEST_CASE("a state that does not fit is refused with all that is wrong, and nothing is changed") {
  const auto sgd = two_groups();
  optim::StepLR scheduler(*sgd, 2);
  auto bad = scheduler.state_dict();
  bad[0].second = gradus::tensor(-3);
  bad[1].first = "surprise";
  CHECK(error_of<gradus::ValueError>([&] { scheduler.load_state_dict(bad); }) ==
        "StepLR: load_state_dict: the state does not fit: last_epoch is -3, below -1; base_lrs is missing; surprise is unexpected");
  CHECK(scheduler.last_epoch() == 0);
  optim::SGD single({one_parameter()});
  optim::StepLR other(single, 2);
  CHECK_THROWS_AS(other.load_state_dict(scheduler.state_dict()), gradus::ValueError);
}

TEST_CASE("schedulers refuse what makes no sense, and leave the optimizer as it was") {
  const auto sgd = two_groups();
  const auto adagrad = two_groups<optim::Adagrad, optim::AdagradOptions>();
  const auto adam = two_groups<optim::Adam, optim::AdamOptions>();
  optim::Optimizer& o = *sgd;
  CHECK(error_of<gradus::ValueError>([&] { optim::StepLR s(o, 0); }) == "StepLR: step_size is 0; it must be positive");
  CHECK(error_of<gradus::ValueError>([&] { optim::CosineAnnealingLR s(o, 0); }) == "CosineAnnealingLR: T_max is 0; it must be positive");
  CHECK(error_of<gradus::ValueError>([&] { optim::CosineAnnealingWarmRestarts s(o, 0); }) ==
        "CosineAnnealingWarmRestarts: T_0 is 0; it must be positive");
  CHECK_THROWS_AS(optim::CosineAnnealingWarmRestarts(o, 1, 0), gradus::ValueError);
  CHECK_THROWS_AS(optim::ExponentialLR(o, std::nan("")), gradus::ValueError);
  CHECK_THROWS_AS(optim::MultiStepLR(o, {-1}), gradus::ValueError);
  CHECK(error_of<gradus::ValueError>([&] { optim::LinearLR s(o, 2); }) == "LinearLR: start_factor is 2; it must be in (0, 1]");
  CHECK_THROWS_AS(optim::LinearLR(o, 0), gradus::ValueError);
  CHECK_THROWS_AS(optim::LinearLR(o, 0.5, 1.5), gradus::ValueError);
  CHECK_THROWS_AS(optim::LinearLR(o, 0.5, 1, 0), gradus::ValueError);
  CHECK_THROWS_AS(optim::ConstantLR(o, 2), gradus::ValueError);
  CHECK_THROWS_AS(optim::PolynomialLR(o, 0), gradus::ValueError);
  CHECK_THROWS_AS(optim::NoamLR(o, 512, 0), gradus::ValueError);
  CHECK_THROWS_AS(optim::LambdaLR(o, optim::EpochFactor()), gradus::ValueError);
  CHECK_THROWS_AS(optim::LambdaLR(o, std::vector<optim::EpochFactor>{[](int64_t) { return 1.0; }}), gradus::ValueError);
  CHECK(error_of<gradus::ValueError>([&] { optim::OneCycleLR s(o, 1, {}); }) ==
        "OneCycleLR: give total_steps, or epochs and steps_per_epoch");
  CHECK(error_of<gradus::ValueError>([&] { optim::OneCycleLR s(o, 1, {.total_steps = 0}); }) ==
        "OneCycleLR: total_steps is 0; it must be positive");
  CHECK_THROWS_AS(optim::OneCycleLR(o, 1, {.total_steps = 9, .pct_start = 1.5}), gradus::ValueError);
  CHECK_THROWS_AS(optim::OneCycleLR(o, {1, 2, 3}, {.total_steps = 9}), gradus::ValueError);
  CHECK_THROWS_AS(optim::OneCycleLR(o, 1, {.total_steps = 10, .pct_start = 0.1}), gradus::ValueError);
  CHECK_THROWS_AS(optim::OneCycleLR(*adagrad, 1, {.total_steps = 9}), gradus::ValueError);
  CHECK_THROWS_AS(optim::CyclicLR(o, 0.1, 1, {.step_size_up = 0}), gradus::ValueError);
  CHECK_THROWS_AS(optim::CyclicLR(*adagrad, 0.1, 1), gradus::ValueError);
  CHECK(error_of<gradus::ValueError>([&] { optim::CyclicLR s(*adam, 0.1, 1); }) ==
        "CyclicLR: the optimizer has no momentum; give one that has, or cycle_momentum = false");
  CHECK(error_of<gradus::ValueError>([&] { optim::ReduceLROnPlateau s(o, {.factor = 1}); }) ==
        "ReduceLROnPlateau: factor is 1; it must be in [0, 1)");
  CHECK_THROWS_AS(optim::ReduceLROnPlateau(o, {.min_lr = {0.1, 0.1, 0.1}}), gradus::ValueError);
  CHECK(rates(o) == Values{0.1, 0.2});
  for (const auto& [name, value] : o.state_dict()) CHECK(name.find("initial_lr") == std::string::npos);
}

TEST_CASE("composed schedulers refuse parts that do not belong together") {
  const auto sgd = two_groups(), another = two_groups();
  optim::StepLR a(*sgd, 2), b(*another, 2);
  CHECK_THROWS_AS(optim::ChainedScheduler({}), gradus::ValueError);
  CHECK_THROWS_AS(optim::ChainedScheduler({nullptr}), gradus::ValueError);
  CHECK_THROWS_AS(optim::ChainedScheduler({&a, &b}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SequentialLR(*sgd, {}, {}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SequentialLR(*sgd, {&b}, {}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SequentialLR(*sgd, {&a}, {3}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SequentialLR(*sgd, {&a, &a, &a}, {5, 3}), gradus::ValueError);
  CHECK(a.last_epoch() == 0);
}

TEST_CASE("SequentialLR with a milestone at 0 begins with the scheduler behind it, from the initial rate") {
  const auto rates_of = [](std::vector<int64_t> milestones, size_t schedulers) {
    optim::SGD sgd({one_parameter()}, {.lr = 1});
    optim::LinearLR warmup(sgd, 0.1, 1, 4);
    optim::ExponentialLR fall(sgd, 0.5), slow(sgd, 0.75);
    std::vector<optim::EpochScheduler*> parts{&warmup, &fall, &slow};
    parts.resize(schedulers);
    optim::SequentialLR sequence(sgd, parts, std::move(milestones));
    Values seen{sgd.lr()};
    for (int i = 0; i < 3; ++i) {
      sequence.step();
      CHECK(sequence.get_last_lr() == Values{sgd.lr()});
      seen.push_back(sgd.lr());
    }
    return seen;
  };
  CHECK(rates_of({0}, 2) == Values{1, 0.5, 0.25, 0.125});
  CHECK(rates_of({0, 0}, 3) == Values{1, 0.75, 0.5625, 0.421875});
  CHECK(rates_of({0, 2}, 3) == Values{1, 0.5, 1, 0.75});
  CHECK(rates_of({2, 2}, 3)[2] == 1);  // of equal milestones the last counts
  CHECK(rates_of({2, 2}, 3)[3] == 0.75);
}

TEST_CASE("SequentialLR refuses negative and falling milestones, and leaves all as it was where it refuses") {
  const auto sgd = two_groups();
  optim::StepLR a(*sgd, 2), b(*sgd, 2);
  CHECK(error_of<gradus::ValueError>([&] {
          optim::SequentialLR s(*sgd, {&a, &b}, {-1});
        }) == "SequentialLR: milestone -1 is negative; a milestone is the epoch at which the next scheduler begins, 0 or later");
  CHECK_THROWS_AS(optim::SequentialLR(*sgd, {&a, &b, &a}, {-2, 3}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SequentialLR(*sgd, {&a, &b, &a}, {3, 2}), gradus::ValueError);
  double factor = 1;
  optim::LambdaLR wild(*sgd, [&](int64_t) { return factor; });
  optim::ExponentialLR after(*sgd, 0.5);
  after.step();
  const Values before = rates(*sgd);
  factor = std::nan("");
  CHECK_THROWS_AS(optim::SequentialLR(*sgd, {&wild, &after}, {3}), gradus::ValueError);
  CHECK(rates(*sgd) == before);
  CHECK(wild.last_epoch() == 0);
  CHECK(after.last_epoch() == 1);
}

TEST_CASE("SequentialLR may come back to a scheduler that it had before") {
  optim::SGD sgd({one_parameter()}, {.lr = 1});
  optim::ExponentialLR fall(sgd, 0.5);
  optim::SequentialLR sequence(sgd, {&fall, &fall}, {2});
  Values seen{sgd.lr()};
  for (int i = 0; i < 3; ++i) {
    sequence.step();
    seen.push_back(sgd.lr());
  }
  CHECK(seen == Values{1, 0.5, 1, 0.5});
}

TEST_CASE("a SequentialLR with a milestone at 0, and one inside a ChainedScheduler, go on from their states") {
  std::vector<std::unique_ptr<optim::LRScheduler>> alive;
  const auto keep = [&](auto scheduler) {
    auto* const raw = scheduler.get();
    alive.push_back(std::move(scheduler));
    return raw;
  };
  const auto make = [&](optim::Optimizer& o) {
    const std::vector<optim::EpochScheduler*> parts{keep(std::make_unique<optim::LinearLR>(o, 0.1, 1, 4)),
                                                    keep(std::make_unique<optim::StepLR>(o, 2, 0.5)),
                                                    keep(std::make_unique<optim::ExponentialLR>(o, 0.9))};
    auto* const hold = keep(std::make_unique<optim::ConstantLR>(o, 0.5, 9));
    auto* const sequence = keep(std::make_unique<optim::SequentialLR>(o, parts, std::vector<int64_t>{0, 8}));
    return keep(std::make_unique<optim::ChainedScheduler>(std::vector<optim::LRScheduler*>{sequence, hold}));
  };
  check_resumed(make, [](optim::LRScheduler* s, int) { s->step(); });
}

TEST_CASE("ReduceLROnPlateau in relative mode takes threshold times |best| for progress, whatever the sign of the measure") {
  using Mode = optim::PlateauOptions::Mode;
  const auto reductions = [](Mode mode, const Values& measures) {
    optim::SGD sgd({one_parameter()}, {.lr = 1});
    optim::ReduceLROnPlateau scheduler(sgd, {.mode = mode, .factor = 0.5, .patience = 0, .threshold = 0.1});
    for (const double m : measures) scheduler.step(m);
    return std::lround(-std::log2(sgd.lr()));
  };
  CHECK(reductions(Mode::Min, {-1, -1, -1}) == 2);
  CHECK(reductions(Mode::Min, {-1, -1.09, -1.11}) == 1);
  CHECK(reductions(Mode::Min, {1, 0.91, 0.89}) == 1);
  CHECK(reductions(Mode::Min, {0, 0, -1e-30}) == 1);
  CHECK(reductions(Mode::Max, {-1, -1, -1}) == 2);
  CHECK(reductions(Mode::Max, {-1, -0.91, -0.89}) == 1);
  CHECK(reductions(Mode::Max, {1, 1.09, 1.11}) == 1);
  CHECK(reductions(Mode::Max, {0, 0, 1e-30}) == 1);
  // With a threshold of 1 and more the first measure is progress all the same.
  for (const double threshold : {1.0, 2.0}) {
    optim::SGD sgd({one_parameter()}, {.lr = 1});
    optim::ReduceLROnPlateau scheduler(sgd, {.factor = 0.5, .patience = 0, .threshold = threshold});
    scheduler.step(5);
    CHECK(sgd.lr() == 1);
    scheduler.step(4);
    CHECK(sgd.lr() == 0.5);
  }
}

TEST_CASE("schedules with enormous periods and counts stay defined") {
  optim::SGD sgd({one_parameter()}, {.lr = 1, .momentum = 0.9});
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  optim::CosineAnnealingLR cosine(sgd, most);
  cosine.step();
  CHECK(sgd.lr() == 1);
  optim::CosineAnnealingWarmRestarts restarts(sgd, 1, most);
  for (int i = 0; i < 5; ++i) restarts.step();
  CHECK(sgd.lr() == doctest::Approx(1));
  CHECK(error_of<gradus::ValueError>([&] { optim::OneCycleLR s(sgd, 1, {.epochs = most, .steps_per_epoch = 2}); }) ==
        "OneCycleLR: epochs times steps_per_epoch, 9223372036854775807 times 2, is more than 64 bits hold");
  auto state = restarts.state_dict();
  state[0].second = gradus::full({}, most);
  CHECK_THROWS_AS(restarts.load_state_dict(state), gradus::ValueError);
}

TEST_CASE("a scheduler over an optimizer that was moved from, and options that were moved from, are refused") {
  static_assert(!std::is_move_constructible_v<optim::StepLR> && !std::is_move_constructible_v<optim::SequentialLR>);
  optim::SGD from({one_parameter()}, {.lr = 0.5});
  optim::StepLR scheduler(from, 2);
  const optim::SGD to = std::move(from);
  CHECK_THROWS_AS(optim::StepLR(from, 2), gradus::StateError);       // NOLINT(bugprone-use-after-move)
  CHECK_THROWS_AS(optim::CyclicLR(from, 1, 2), gradus::StateError);  // NOLINT(bugprone-use-after-move)
  CHECK_THROWS_AS(scheduler.step(), gradus::ValueError);
  CHECK(to.lr() == 0.5);
  optim::SGD sgd({one_parameter()}, {.lr = 0.5, .momentum = 0.9});
  optim::PerGroup rates(1.0);
  const optim::PerGroup kept = std::move(rates);
  CHECK_THROWS_AS(rates[0], gradus::IndexError);  // NOLINT(bugprone-use-after-move)
  CHECK_THROWS_AS(optim::OneCycleLR(sgd, rates, {.total_steps = 9}), gradus::ValueError);
  CHECK_THROWS_AS(optim::CyclicLR(sgd, rates, rates), gradus::ValueError);
  CHECK_THROWS_AS(optim::ReduceLROnPlateau(sgd, {.min_lr = rates}), gradus::ValueError);
  CHECK(kept[0] == 1);
  CHECK(sgd.lr() == 0.5);
}
