#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/joined.h"
#include "gradus/optim/scheduler.h"
#include "optim/state_reader.h"

namespace gradus::optim {
namespace {

/// The schedulers, once it is sure that there are any and none is null.
template <class S>
std::vector<S*> checked(const char* op, std::vector<S*> schedulers) {
  check<ValueError>(!schedulers.empty(), "{}: there are no schedulers", op);
  for (size_t i = 0; i < schedulers.size(); ++i) check<ValueError>(schedulers[i] != nullptr, "{}: scheduler {} is null", op, i);
  return schedulers;
}

std::string part(const std::string& prefix, size_t i) { return prefix + "_schedulers." + std::to_string(i) + "."; }

/// Calls all of them.
std::function<void()> all(std::vector<std::function<void()>> calls) {
  return [calls = std::move(calls)] {
    for (const auto& call : calls) call();
  };
}

}  // namespace

ChainedScheduler::ChainedScheduler(std::vector<LRScheduler*> schedulers)
    : LRScheduler(*checked("ChainedScheduler", schedulers)[0]->optimizer_), schedulers_(std::move(schedulers)) {
  for (size_t i = 1; i < schedulers_.size(); ++i)
    check<ValueError>(schedulers_[i]->optimizer_ == optimizer_,
                      "ChainedScheduler: schedulers 0 and {} have different optimizers; all must have the same", i);
  set_lrs(lrs());
}

void ChainedScheduler::step() {
  const State before = state_dict();
  std::vector<double> rates = lrs(), momenta;
  for (size_t group = 0; group < num_groups(); ++group) momenta.push_back(momentum_of(group) ? *momentum_of(group) : 0);
  try {
    for (LRScheduler* scheduler : schedulers_) scheduler->step();
  } catch (...) {
    load_state_dict(before);
    set_lrs(std::move(rates));
    for (size_t group = 0; group < num_groups(); ++group)
      if (double* momentum = momentum_of(group)) *momentum = momenta[group];
    throw;
  }
  set_lrs(lrs());
}

void ChainedScheduler::write_state(State& state, const std::string& prefix) const {
  write_lrs(state, prefix);
  for (size_t i = 0; i < schedulers_.size(); ++i) static_cast<Scheduler*>(schedulers_[i])->write_state(state, part(prefix, i));
}

std::function<void()> ChainedScheduler::read_state(StateReader& reader, const std::string& prefix) {
  std::vector<std::function<void()>> calls{read_lrs(reader, prefix)};
  for (size_t i = 0; i < schedulers_.size(); ++i)
    calls.push_back(static_cast<Scheduler*>(schedulers_[i])->read_state(reader, part(prefix, i)));
  return all(std::move(calls));
}

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<EpochScheduler*> schedulers, std::vector<int64_t> milestones)
    : LRScheduler(optimizer), schedulers_(checked("SequentialLR", std::move(schedulers))), milestones_(std::move(milestones)) {
  for (size_t i = 0; i < schedulers_.size(); ++i)
    check<ValueError>(schedulers_[i]->optimizer_ == optimizer_, "SequentialLR: scheduler {} has another optimizer; all must have the same",
                      i);
  check<ValueError>(milestones_.size() + 1 == schedulers_.size(),
                    "SequentialLR: {} schedulers and {} milestones; there must be one milestone fewer", schedulers_.size(),
                    milestones_.size());
  check<ValueError>(std::is_sorted(milestones_.begin(), milestones_.end()), "SequentialLR: the milestones [{}] must grow",
                    joined(milestones_, ", "));
  check<ValueError>(milestones_.empty() || milestones_[0] >= 0,
                    "SequentialLR: milestone {} is negative; a milestone is the epoch at which the next scheduler begins, 0 or later",
                    milestones_.empty() ? 0 : milestones_[0]);
  begin();
}

/// Every scheduler has taken its first step: that is undone, and only the one whose turn it is takes it again.
void SequentialLR::begin() {
  const std::set<EpochScheduler*> each(schedulers_.begin(), schedulers_.end());
  std::vector<double> initial, before = lrs();
  for (size_t group = 0; group < num_groups(); ++group) initial.push_back(initial_lr(group).value_or(lr(group)));
  set_lrs(std::move(initial));
  for (EpochScheduler* scheduler : each) --scheduler->last_epoch_;
  try {
    step_to(0);
  } catch (...) {
    for (EpochScheduler* scheduler : each) ++scheduler->last_epoch_;
    set_lrs(std::move(before));
    throw;
  }
}

void SequentialLR::step_to(int64_t epoch) {
  const auto turn = static_cast<size_t>(std::upper_bound(milestones_.begin(), milestones_.end(), epoch) - milestones_.begin());
  if (turn > 0 && milestones_[turn - 1] == epoch) schedulers_[turn]->move_to(0, true);
  else schedulers_[turn]->step();
  last_epoch_ = epoch;
  set_lrs(lrs());
}

void SequentialLR::write_state(State& state, const std::string& prefix) const {
  state.emplace_back(prefix + "last_epoch", whole(last_epoch_));
  write_lrs(state, prefix);
  for (size_t i = 0; i < schedulers_.size(); ++i) static_cast<Scheduler*>(schedulers_[i])->write_state(state, part(prefix, i));
}

std::function<void()> SequentialLR::read_state(StateReader& reader, const std::string& prefix) {
  const int64_t last_epoch = reader.take_whole(prefix + "last_epoch", 0);
  std::vector<std::function<void()>> calls{[=, this] { last_epoch_ = last_epoch; }, read_lrs(reader, prefix)};
  for (size_t i = 0; i < schedulers_.size(); ++i)
    calls.push_back(static_cast<Scheduler*>(schedulers_[i])->read_state(reader, part(prefix, i)));
  return all(std::move(calls));
}

}  // namespace gradus::optim
