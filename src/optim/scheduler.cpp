#include "gradus/optim/scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gradus/autograd.h"
#include "optim/schedule.h"
#include "optim/state_reader.h"

namespace gradus::optim {

double PerGroup::operator[](size_t group) const {
  const size_t i = shared_ ? 0 : group;
  check<IndexError>(i < values_.size(), "PerGroup: there is no value for parameter group {}; there are {}", group, values_.size());
  return values_[i];
}

Scheduler::Scheduler(Optimizer& optimizer) : optimizer_(&optimizer) {
  check<StateError>(optimizer.num_groups() > 0,
                    "Scheduler: the optimizer has no parameters; it was moved from, so give the one that it was moved to");
}

Scheduler::~Scheduler() = default;

std::vector<double> Scheduler::lrs() const {
  std::vector<double> list;
  for (size_t group = 0; group < num_groups(); ++group) list.push_back(lr(group));
  return list;
}

double* Scheduler::momentum_of(size_t group) const {
  auto* betas = optimizer_->betas_of(group);
  return betas ? betas->data() : optimizer_->momentum_of(group);
}

void Scheduler::set_lrs(std::vector<double> lrs) noexcept {
  for (size_t group = 0; group < lrs.size(); ++group) optimizer_->lr_of(group) = lrs[group];
  last_lr_ = std::move(lrs);
}

void Scheduler::check_count(const char* option, size_t count) const {
  check<ValueError>(count == num_groups(), "{}: {} has {} values for {} parameter groups; give one for each", name(), option, count,
                    num_groups());
}

void Scheduler::check_count(const char* option, const PerGroup& values) const {
  if (!values.shared() || values.count() == 0) check_count(option, values.count());
}

State Scheduler::state_dict() const {
  NoGradGuard no_grad;
  State state;
  write_state(state, "");
  return state;
}

void Scheduler::load_state_dict(const State& state) { prepare_load_state_dict(state)(); }

std::function<void()> Scheduler::prepare_load_state_dict(const State& state) {
  NoGradGuard no_grad;
  StateReader reader(state);
  std::function<void()> take_over = read_state(reader, "");
  reader.finish(name());
  return take_over;
}

void Scheduler::write_lrs(State& state, const std::string& prefix) const { state.emplace_back(prefix + "_last_lr", numbers(last_lr_)); }

std::function<void()> Scheduler::read_lrs(StateReader& reader, const std::string& prefix) {
  return [this, lrs = reader.take_numbers(prefix + "_last_lr", num_groups(), [](double v) { return std::isfinite(v); })]() mutable {
    last_lr_.swap(lrs);
  };
}

void EpochScheduler::start() {
  std::vector<double> base_lrs;
  for (size_t group = 0; group < num_groups(); ++group) base_lrs.push_back(initial_lr(group).value_or(lr(group)));
  start(std::move(base_lrs), false);
}

void EpochScheduler::start(std::vector<double> base_lrs, bool anew) {
  base_lrs_ = std::move(base_lrs);
  move_to(0, false);
  for (size_t group = 0; group < num_groups(); ++group)
    if (anew || !initial_lr(group)) initial_lr(group) = base_lrs_[group];
}

std::optional<double> EpochScheduler::momentum_at(size_t, int64_t) const { return {}; }

void EpochScheduler::move_to(int64_t epoch, bool afresh) {
  check_count("the scheduler", base_lrs_.size());
  std::vector<double> rates;
  std::vector<std::optional<double>> momenta;
  for (size_t group = 0; group < base_lrs_.size(); ++group) {
    rates.push_back(afresh ? first_lr(group) : lr_at(group, epoch));
    check<ValueError>(std::isfinite(rates.back()), "{}: the learning rate of group {} at epoch {} is {}; it must be finite", name(), group,
                      epoch, rates.back());
    momenta.push_back(momentum_at(group, epoch));
  }
  for (size_t group = 0; group < momenta.size(); ++group)
    if (momenta[group]) *momentum_of(group) = *momenta[group];
  set_lrs(std::move(rates));
  last_epoch_ = epoch;
}

void EpochScheduler::write_state(State& state, const std::string& prefix) const {
  state.emplace_back(prefix + "last_epoch", whole(last_epoch_));
  state.emplace_back(prefix + "base_lrs", numbers(base_lrs_));
  write_lrs(state, prefix);
}

std::function<void()> EpochScheduler::read_state(StateReader& reader, const std::string& prefix) {
  const int64_t last_epoch = reader.take_whole(prefix + "last_epoch", -1);
  auto base_lrs = reader.take_numbers(prefix + "base_lrs", base_lrs_.size(), [](double v) { return std::isfinite(v); });
  return [=, this, base_lrs = std::move(base_lrs), take_lrs = read_lrs(reader, prefix)]() mutable {
    last_epoch_ = last_epoch;
    base_lrs_.swap(base_lrs);
    take_lrs();
  };
}

}  // namespace gradus::optim
