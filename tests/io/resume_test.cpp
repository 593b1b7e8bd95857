#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/io.h"
#include "gradus/nn.h"
#include "gradus/ops/loss.h"
#include "gradus/optim.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "io/folder.h"

using namespace gradus;

/// N steps, a checkpoint, and N steps of another training that loads it, against 2 N steps: every bit of the state at the end.
namespace {

/// Dropout in both of its places: between layers, and between the layers of a GRU; statistics that are no parameters.
struct Tagger : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn = register_module("rnn", nn::GRU(6, 8, {.num_layers = 2, .dropout = 0.3}));
  nn::BatchNorm1d norm = register_module("norm", nn::BatchNorm1d(8));
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.2));
  nn::Linear head = register_module("head", nn::Linear(8, 5));

  explicit Tagger(bool sparse) : embedding(register_module("embedding", nn::Embedding(20, 6, {.sparse = sparse}))) {}
  Tensor operator()(const Tensor& tokens) const {
    const Tensor states = rnn(embedding(tokens.t())).output;
    return head(dropout(norm(states.reshape({-1, 8}))));
  }
};

using Tensors = std::vector<Tensor>;
using Step = std::function<void(double loss)>;

struct OptimizerKind {
  const char* name;
  std::function<std::unique_ptr<optim::Optimizer>(const Tensors& some, const Tensors& others)> make;
  bool sparse = false;
};

/// Two groups of different rates.
template <class Optimizer, class Options>
OptimizerKind of(const Options& options) {
  return {Options::name, [options](const Tensors& some, const Tensors& others) -> std::unique_ptr<optim::Optimizer> {
            Options slower = options;
            slower.lr /= 2;
            return std::make_unique<Optimizer>(
                std::vector<optim::ParamGroup<Options>>{{.params = some, .options = options}, {.params = others, .options = slower}},
                options);
          }};
}

const std::vector<OptimizerKind>& optimizers() {
  static const std::vector<OptimizerKind> all{
      of<optim::SGD>(optim::SGDOptions{.lr = 0.05, .momentum = 0.9, .dampening = 0.1, .weight_decay = 0.01}),
      of<optim::ASGD>(optim::ASGDOptions{.lr = 0.05, .lambd = 0.1, .t0 = 4}),
      of<optim::Rprop>(optim::RpropOptions{}),
      of<optim::Adam>(optim::AdamOptions{.lr = 0.01, .amsgrad = true}),
      of<optim::AdamW>(optim::AdamWOptions{.lr = 0.01, .amsgrad = true}),
      of<optim::Adamax>(optim::AdamaxOptions{.lr = 0.01}),
      of<optim::NAdam>(optim::NAdamOptions{.lr = 0.01}),
      of<optim::RAdam>(optim::RAdamOptions{.lr = 0.01}),
      of<optim::RMSprop>(optim::RMSpropOptions{.momentum = 0.9, .centered = true}),
      of<optim::Adagrad>(optim::AdagradOptions{.lr_decay = 0.1, .initial_accumulator_value = 0.5}),
      of<optim::Adadelta>(optim::AdadeltaOptions{}),
      {"SparseAdam", [](const Tensors& some, const Tensors&) { return std::make_unique<optim::SparseAdam>(Tensors{some.at(0)}); }, true},
  };
  return all;
}

/// A scheduler, those that it is made of, and its step.
struct Schedule {
  std::vector<std::shared_ptr<optim::Scheduler>> parts;
  Step step;
};
struct SchedulerKind {
  const char* name;
  std::function<Schedule(optim::Optimizer&)> make;
};

template <class S>
Schedule stepped(std::shared_ptr<S> scheduler) {
  return {{scheduler}, [scheduler](double) { scheduler->step(); }};
}
template <class S, class... Args>
SchedulerKind by_steps(const char* name, Args... args) {
  return {name, [=](optim::Optimizer& optimizer) { return stepped(std::make_shared<S>(optimizer, args...)); }};
}

/// The outer one comes first.
template <class Outer>
Schedule composed(std::vector<std::shared_ptr<optim::EpochScheduler>> inner, std::shared_ptr<Outer> outer) {
  Schedule schedule = stepped(std::move(outer));
  schedule.parts.insert(schedule.parts.end(), inner.begin(), inner.end());
  return schedule;
}

const std::vector<SchedulerKind>& schedulers() {
  static const std::vector<SchedulerKind> all{
      by_steps<optim::StepLR>("StepLR", 3, 0.7),
      by_steps<optim::MultiStepLR>("MultiStepLR", std::vector<int64_t>{2, 7, 9}, 0.7),
      by_steps<optim::ExponentialLR>("ExponentialLR", 0.93),
      by_steps<optim::CosineAnnealingLR>("CosineAnnealingLR", 5, 0.001),
      by_steps<optim::CosineAnnealingWarmRestarts>("CosineAnnealingWarmRestarts", 3, 2, 0.001),
      by_steps<optim::LinearLR>("LinearLR", 0.3, 1.0, 9),
      by_steps<optim::ConstantLR>("ConstantLR", 0.3, 8),
      by_steps<optim::PolynomialLR>("PolynomialLR", 10, 1.5),
      by_steps<optim::LambdaLR>("LambdaLR", [](int64_t epoch) { return 1 / (1 + 0.1 * static_cast<double>(epoch)); }),
      by_steps<optim::MultiplicativeLR>("MultiplicativeLR", [](int64_t epoch) { return 1 - 0.01 * static_cast<double>(epoch); }),
      by_steps<optim::NoamLR>("NoamLR", 64, 5),
      by_steps<optim::OneCycleLR>("OneCycleLR", 0.1, optim::OneCycleOptions{.total_steps = 30, .three_phase = true}),
      by_steps<optim::CyclicLR>("CyclicLR", 0.01, 0.1, optim::CyclicOptions{.step_size_up = 3, .base_momentum = 0.0}),
      {"ReduceLROnPlateau",
       [](optim::Optimizer& optimizer) {
         auto plateau = std::make_shared<optim::ReduceLROnPlateau>(optimizer, optim::PlateauOptions{.patience = 1, .cooldown = 1});
         return Schedule{{plateau}, [plateau](double loss) { plateau->step(loss); }};
       }},
      {"SequentialLR",
       [](optim::Optimizer& optimizer) {
         std::vector<std::shared_ptr<optim::EpochScheduler>> inner{std::make_shared<optim::LinearLR>(optimizer, 0.1, 1.0, 4),
                                                                   std::make_shared<optim::ExponentialLR>(optimizer, 0.9),
                                                                   std::make_shared<optim::StepLR>(optimizer, 2)};
         return composed(inner, std::make_shared<optim::SequentialLR>(
                                    optimizer, std::vector<optim::EpochScheduler*>{inner[0].get(), inner[1].get(), inner[2].get()},
                                    std::vector<int64_t>{4, 9}));
       }},
      {"ChainedScheduler",
       [](optim::Optimizer& optimizer) {
         std::vector<std::shared_ptr<optim::EpochScheduler>> inner{std::make_shared<optim::ConstantLR>(optimizer, 0.2, 8),
                                                                   std::make_shared<optim::ExponentialLR>(optimizer, 0.9)};
         return composed(inner,
                         std::make_shared<optim::ChainedScheduler>(std::vector<optim::LRScheduler*>{inner[0].get(), inner[1].get()}));
       }},
  };
  return all;
}

/// 23 sentences in batches of 4: an epoch has 6 steps, the last of them smaller.
struct TaggerTraining {
  Tagger model;
  std::unique_ptr<optim::Optimizer> optimizer;
  Schedule schedule;
  optim::EMA ema;
  data::DataLoader<data::TensorDataset> loader;
  int64_t steps = 0;

  TaggerTraining(const OptimizerKind& kind, const SchedulerKind& scheduler, uint64_t seed)
      : model((manual_seed(seed), Tagger(kind.sparse))),
        optimizer(optimizer_of(kind)),
        schedule(scheduler.make(*optimizer)),
        ema(model.parameters()),
        loader(sentences(), {.batch_size = 4, .shuffle = true}) {}

  std::unique_ptr<optim::Optimizer> optimizer_of(const OptimizerKind& kind) const {
    const Tensors all = model.parameters();
    return kind.make({all.begin(), all.begin() + 4}, {all.begin() + 4, all.end()});
  }
  static data::TensorDataset sentences() {
    std::vector<int64_t> tokens, tags;
    for (int64_t i = 0; i < 23 * 7; ++i) {
      tokens.push_back(i * i % 20);
      tags.push_back(i * i % 20 % 5);
    }
    return data::TensorDataset({from_vector(tokens, {23, 7}), from_vector(tags, {23, 7})});
  }
  io::CheckpointParts parts() {
    return {{"model", model}, {"optimizer", *optimizer}, {"schedule", *schedule.parts.at(0)}, {"ema", ema}, {"loader", loader}};
  }
  /// Goes on until so many steps are done. The checkpoint is saved in the body of the loop, or after the epoch.
  void run_to(int64_t count, const std::string& file) {
    while (steps < count) {
      for (auto& batch : loader) {
        const Tensor loss = cross_entropy(model(batch[0]), batch[1].t().reshape(-1));
        optimizer->zero_grad();
        loss.backward();
        optimizer->step();
        schedule.step(loss.item());
        ema.update();
        if (++steps == count && steps % loader.size() != 0) return io::save_checkpoint(file, parts(), {{"steps", steps}});
      }
    }
    io::save_checkpoint(file, parts(), {{"steps", steps}});
  }
  void resume(const std::string& file) { steps = io::load_checkpoint(file, parts()).get<int64_t>("steps"); }
};

/// Whether half the steps, and half after a checkpoint, leave the file that all steps leave.
void check_exact(const OptimizerKind& optimizer, const SchedulerKind& scheduler, int64_t half, int64_t all) {
  const Folder folder;
  for (const int threads : {1, 2}) {
    INFO(optimizer.name << ", " << scheduler.name << ", " << threads << " threads, " << half << " of " << all << " steps");
    set_num_threads(threads);
    TaggerTraining whole(optimizer, scheduler, 5);
    whole.run_to(all, folder / "whole");
    TaggerTraining first(optimizer, scheduler, 5);
    first.run_to(half, folder / "half");
    TaggerTraining second(optimizer, scheduler, 6);
    randn({3});
    second.resume(folder / "half");
    second.run_to(all, folder / "halves");
    CHECK(second.steps == all);
    CHECK(read_bytes(folder / "halves") == read_bytes(folder / "whole"));
    CHECK(read_bytes(folder / "halves") != read_bytes(folder / "half"));
    CHECK(std::isfinite(second.model.state_dict()[0].second.sum().item()));
  }
  set_num_threads(1);
}

/// As many threads as there were, whatever a test sets.
struct Threads {
  int before = get_num_threads();
  ~Threads() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("a training goes on from a checkpoint in the middle of an epoch as if never interrupted, with every optimizer") {
  const Threads threads;
  for (const OptimizerKind& optimizer : optimizers()) check_exact(optimizer, schedulers().front(), 8, 16);
}

TEST_CASE("a training goes on from a checkpoint in the middle of an epoch as if never interrupted, with every scheduler") {
  const Threads threads;
  for (const SchedulerKind& scheduler : schedulers()) check_exact(optimizers().front(), scheduler, 8, 16);
}

TEST_CASE("wherever the checkpoint is made, the bits at the end are the same") {
  const Threads threads;
  for (int64_t half = 1; half < 14; ++half) check_exact(optimizers()[3], schedulers()[13], half, 14);
}
