#include "gradus/distributed/data_parallel.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "distributed/channel.h"
#include "distributed/gradient_sums.h"
#include "distributed/message.h"
#include "distributed/shard_buffers.h"
#include "distributed/shard_tree.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/random.h"

namespace gradus::distributed {
namespace {

/// A well mixed number (Steele, Lea & Flood 2014, SplitMix64).
uint64_t mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

/// One number for the names, shapes and dtypes of a state.
int64_t hash_of(const StateDict& state) {
  uint64_t hash = 0;
  const auto take = [&](uint64_t x) { hash = mixed(hash ^ x); };
  for (const auto& [name, x] : state) {
    for (const char c : name) take(static_cast<unsigned char>(c));
    take(static_cast<uint64_t>(x.dtype()));
    for (const int64_t size : x.shape()) take(static_cast<uint64_t>(size));
    take(static_cast<uint64_t>(x.dim()));
  }
  return static_cast<int64_t>(hash);
}

/// While it lives, the generator gives the random numbers of one shard.
class ShardRandom {
 public:
  ShardRandom(uint64_t seed, int64_t step, int64_t shard) : before_(get_rng_state()) {
    manual_seed(mixed(mixed(mixed(seed) ^ static_cast<uint64_t>(step)) ^ static_cast<uint64_t>(shard)));
  }
  ~ShardRandom() { set_rng_state(before_); }
  ShardRandom(const ShardRandom&) = delete;
  ShardRandom& operator=(const ShardRandom&) = delete;

 private:
  Tensor before_;
};

/// While it lives, the parameters have no gradients; afterwards those of before.
class GradientsAside {
 public:
  explicit GradientsAside(const std::vector<Tensor>& parameters) : parameters_(parameters) {
    for (const Tensor& p : parameters) {
      before_.push_back(p.grad());
      p.set_grad({});
    }
  }
  ~GradientsAside() {
    for (size_t i = 0; i < parameters_.size(); ++i)
      if (parameters_[i].requires_grad()) parameters_[i].set_grad(before_[i]);  // one may have been frozen meanwhile
  }
  GradientsAside(const GradientsAside&) = delete;
  GradientsAside& operator=(const GradientsAside&) = delete;

 private:
  const std::vector<Tensor>& parameters_;
  std::vector<Tensor> before_;
};

/// In the place of the number of examples where the shards are not cut here.
constexpr int64_t kUncut = -1;

std::vector<Tensor> trained(const nn::Module& model) {
  std::vector<Tensor> parameters;
  for (const Tensor& p : model.parameters())
    if (p.requires_grad()) parameters.push_back(p);
  return parameters;
}

}  // namespace

/// A sum of losses, each times its weight, and that of the weights.
struct Weighted {
  double loss = 0;
  double weight = 0;
};
inline constexpr auto add_weighted = [](Weighted& a, const Weighted& b) {
  a.loss += b.loss;
  a.weight += b.weight;
};

struct DataParallel::Impl {
  Impl(const Session& its_session, const nn::Module& its_model, const DataParallelOptions& its_options)
      : session(its_session),
        channel(session.channel()),
        model(its_model),
        options(its_options),
        parameters(trained(model)),
        tree(options.shards, channel.size()),
        sums(channel, tree, parameters, options.bucket_bytes),
        buffers(channel, tree, model.buffers()),
        kept(static_cast<size_t>(tree.first(channel.rank() + 1) - tree.first(channel.rank()))) {
    for (Kept& shard : kept) shard.gradients.resize(parameters.size());
  }

  int64_t first() const noexcept { return tree.first(channel.rank()); }
  int64_t last() const noexcept { return tree.first(channel.rank() + 1); }

  double backward(int64_t examples, const LossFunction& loss);
  void run_shards(int64_t examples, const LossFunction& loss_of);
  void run_shard(int64_t index, const Shard& shard, const LossFunction& loss_of);
  void pass_backward(int64_t index, const Tensor& loss, double weight);
  void take_gradients(int64_t index);
  double own_mean() const;
  void announce();
  std::vector<Tensor> finish();
  void set_gradients(const std::vector<Tensor>& before, const std::vector<Tensor>& means);
  void leave_all(const char* what);

  /// What a shard has collected since ranks last met.
  struct Kept {
    std::vector<Tensor> gradients;  // by parameter
    Weighted total;
  };

  const Session& session;
  Channel& channel;
  const nn::Module model;
  const DataParallelOptions options;
  const std::vector<Tensor> parameters;
  const ShardTree tree;
  GradientSums sums;
  ShardBuffers buffers;
  std::vector<Kept> kept;  // by shard of this rank
  Weighted total;          // of all shards, once all ranks have told of theirs
  uint64_t seed = 0;
  int64_t step = 0;
  bool sends = true;
};

DataParallel::DataParallel(const Session& session, const nn::Module& model, const DataParallelOptions& options) {
  const StateDict named = model.named_parameters();
  int64_t elements = 0;
  for (const auto& [name, p] : named) elements += p.numel();
  StateDict all = named;
  const StateDict named_buffers = model.named_buffers();
  all.insert(all.end(), named_buffers.begin(), named_buffers.end());
  session.channel().agree({.call = Call::DataParallel,
                           .detail = 0,
                           .dtype = -1,
                           .dims = 4,
                           .sizes = {static_cast<int64_t>(named.size()), elements, options.shards, hash_of(all)},
                           .number = 0});
  check<ValueError>(options.shards >= session.size(),
                    "DataParallel: {} shards for {} ranks; there must be as many at least, as each rank has one", options.shards,
                    session.size());
  check<ValueError>(options.bucket_bytes > 0, "DataParallel: bucket_bytes is {}; it must be positive", options.bucket_bytes);
  impl_ = std::make_unique<Impl>(session, model, options);
  check<ValueError>(!impl_->parameters.empty(), "DataParallel: the model has no parameter that requires a gradient");
  NoGradGuard no_grad;
  for (const auto& [name, x] : all) {
    const Tensor given = session.broadcast(x.dtype() == boolean ? x.to(int64) : x);
    x.copy_(given);
  }
  const auto own = static_cast<int64_t>(options.seed.value_or(initial_seed()));
  impl_->seed = static_cast<uint64_t>(session.broadcast(from_vector(std::vector<int64_t>{own}, {})).item<int64_t>());
}

DataParallel::~DataParallel() = default;

void DataParallel::Impl::leave_all(const char* what) {
  buffers.discard();
  for (Kept& shard : kept) shard = {std::vector<Tensor>(parameters.size()), {}};
  // The others wait for this rank's gradients, which will not come.
  if (channel.size() > 1)
    channel.leave(fmt::format("rank {} left DataParallel::backward with an error: {}", channel.rank(), what), channel.rank());
}

void DataParallel::Impl::announce() {
  TreeSum<Weighted> own;
  for (int64_t shard = first(); shard < last(); ++shard)
    own.push({shard, 1}, kept[static_cast<size_t>(shard - first())].total, add_weighted);
  std::vector<double> numbers;
  for (const auto& [block, sum] : own.parts()) numbers.insert(numbers.end(), {sum.loss, sum.weight});
  const auto factor_of = [this](const GradientSums::Notes& all) {
    TreeSum<Weighted> whole;
    for (int rank = 0; rank < channel.size(); ++rank)
      for (size_t i = 0; i < tree.blocks(rank).size(); ++i) {
        const auto& theirs = all[static_cast<size_t>(rank)];
        whole.push(tree.blocks(rank)[i], {theirs[2 * i], theirs[2 * i + 1]}, add_weighted);
      }
    total = whole.finish(add_weighted);
    return 1 / total.weight;
  };
  sums.announce(
      numbers, [this](int rank) { return 2 * tree.blocks(rank).size(); }, factor_of);
}

void DataParallel::Impl::pass_backward(int64_t index, const Tensor& loss, double weight) {
  const Tensor root = full_like(loss.detach(), weight);
  if (!sends || !options.overlap || channel.size() == 1 || index + 1 != last()) {
    autograd::backward({loss}, {root}, {.rows_welcome = sums.thin()});
    return;
  }
  announce();  // all of this rank's losses are known now
  const auto push = [&](size_t i) {
    const NoGradGuard no_grad;
    sums.push_last(i, index, kept.back().gradients[i]);
  };
  autograd::GradOptions how{.leaves_early = true, .leaves = parameters, .arrived = push, .rows_welcome = sums.thin()};
  how.meanwhile = [this] { sums.go_on(); };
  autograd::backward({loss}, {root}, how);
}

void DataParallel::Impl::take_gradients(int64_t index) {
  Kept& shard = kept[static_cast<size_t>(index - first())];
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool is_sent = sends && index + 1 == last() && sums.is_pushed(i);
    Tensor gradient = parameters[i].grad();
    if (gradient.defined()) parameters[i].set_grad({});
    if (!is_sent) {
      if (gradient.defined() && gradient.is_sparse()) gradient = gradient.coalesce();
      gradient = sum_of(std::move(shard.gradients[i]), gradient);
      if (sends) sums.push(i, index, std::move(gradient));
      else shard.gradients[i] = std::move(gradient);
    }
    if (sends) shard.gradients[i] = {};
  }
}

void DataParallel::Impl::run_shard(int64_t index, const Shard& shard, const LossFunction& loss_of) {
  buffers.begin_shard(index - first());
  {
    const ShardRandom random(seed, step, index);
    const EnableGradGuard recording;
    const ShardLoss result = loss_of(shard);
    if (result.loss.defined()) {
      const double weight = result.weight.value_or(shard.end > 0 ? static_cast<double>(shard.size()) : 1);
      check<ValueError>(std::isfinite(weight) && weight >= 0,
                        "DataParallel::backward: shard {} has weight {}; it must be 0 or more, and finite", index, weight);
      check<ShapeError>(result.loss.numel() == 1, "DataParallel::backward: the loss of shard {} has shape {}; it must be one number", index,
                        result.loss.shape().str());
      add_weighted(kept[static_cast<size_t>(index - first())].total, {result.loss.detach().item() * weight, weight});
      if (weight > 0) pass_backward(index, result.loss, weight);
    }
  }
  buffers.end_shard(index - first());
}

void DataParallel::Impl::run_shards(int64_t examples, const LossFunction& loss_of) {
  const GradientsAside aside(parameters);
  if (sends) sums.begin();
  buffers.begin();
  const int64_t shards = options.shards;
  for (int64_t index = first(); index < last(); ++index) {
    Shard shard{index, 0, 0};
    if (examples != kUncut) shard = {index, index * examples / shards, (index + 1) * examples / shards};
    if (examples == kUncut || shard.size() > 0) run_shard(index, shard, loss_of);
    const NoGradGuard no_grad;
    take_gradients(index);
  }
  buffers.end();
  ++step;
}

double DataParallel::Impl::own_mean() const {
  Weighted own;
  for (const Kept& shard : kept) add_weighted(own, shard.total);
  return own.loss / own.weight;
}

std::vector<Tensor> DataParallel::Impl::finish() {
  if (!sums.is_announced()) announce();
  const std::vector<bool> changed = buffers.changed();
  GradientSums::Result result = sums.finish({changed.begin(), changed.end()}, [&](int) { return changed.size(); });
  for (Kept& shard : kept) shard.total = {};
  buffers.finish(result.notes);
  return std::move(result.sums);
}

void DataParallel::Impl::set_gradients(const std::vector<Tensor>& before, const std::vector<Tensor>& means) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!means[i].defined() || !parameters[i].requires_grad()) continue;
    const bool is_added_to = before[i].defined() && !before[i].is_sparse();
    parameters[i].set_grad(sum_of(is_added_to ? before[i].clone() : before[i], means[i]));
  }
}

double DataParallel::backward(const LossFunction& loss) { return impl_->backward(kUncut, loss); }

double DataParallel::backward(int64_t examples, const LossFunction& loss) {
  return impl_->backward(examples < 0 ? kUncut - 1 : examples, loss);  // which all ranks refuse, once they have agreed on it
}

double DataParallel::Impl::backward(int64_t examples, const LossFunction& loss) {
  if (sends) channel.agree({.call = Call::Backward, .detail = 0, .dtype = -1, .dims = 2, .sizes = {step, examples}, .number = 0});
  check<ValueError>(examples >= kUncut, "DataParallel::backward: a negative number of examples; there must be 0 or more");
  std::vector<Tensor> before, gradients;
  for (const Tensor& p : parameters) before.push_back(p.grad());
  try {
    run_shards(examples, loss);
    if (!sends) return own_mean();
    const NoGradGuard no_grad;
    gradients = finish();
  } catch (const std::exception& error) {
    leave_all(error.what());
    throw;
  }
  check<ValueError>(total.weight > 0, "DataParallel::backward: the weights of all shards are 0; give it a batch that has something in it");
  const NoGradGuard no_grad;
  set_gradients(before, gradients);
  return total.loss / total.weight;
}

int64_t DataParallel::first_shard() const noexcept { return impl_->first(); }
int64_t DataParallel::last_shard() const noexcept { return impl_->last() - 1; }

DataParallel::NoSync::NoSync(DataParallel& parallel) noexcept : parallel_(parallel), before_(parallel.impl_->sends) {
  parallel_.impl_->sends = false;
}
DataParallel::NoSync::~NoSync() { parallel_.impl_->sends = before_; }

StateDict DataParallel::state_dict() const {
  const auto whole = [](int64_t value) { return from_vector(std::vector<int64_t>{value}, {}); };
  return {{"step", whole(impl_->step)}, {"seed", whole(static_cast<int64_t>(impl_->seed))}, {"shards", whole(impl_->options.shards)}};
}

void DataParallel::load_state_dict(const StateDict& state) { prepare_load_state_dict(state)(); }

std::function<void()> DataParallel::prepare_load_state_dict(const StateDict& state) {
  std::string problems;
  int64_t step = 0, seed = 0, shards = impl_->options.shards;
  const std::vector<std::pair<std::string, int64_t*>> wanted{{"step", &step}, {"seed", &seed}, {"shards", &shards}};
  for (const auto& [name, value] : wanted) {
    const Tensor* found = nullptr;
    for (const auto& [its_name, x] : state)
      if (its_name == name) found = &x;
    if (!found || !found->defined() || found->dtype() != int64 || found->numel() != 1)
      problems += fmt::format("; {} must be there, one int64", name);
    else *value = found->item<int64_t>();
  }
  for (const auto& [name, x] : state)
    if (name != "step" && name != "seed" && name != "shards") problems += fmt::format("; unexpected: {}", name);
  if (step < 0) problems += fmt::format("; step is {}", step);
  if (shards != impl_->options.shards)
    problems += fmt::format("; it has {} shards, and this one {}: other numbers would come of it", shards, impl_->options.shards);
  check<ValueError>(problems.empty(), "DataParallel::load_state_dict: {}", problems.empty() ? "" : problems.substr(2));
  return [this, step, seed] {
    impl_->step = step;
    impl_->seed = static_cast<uint64_t>(seed);
  };
}

}  // namespace gradus::distributed
