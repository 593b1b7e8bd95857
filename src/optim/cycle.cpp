#include "gradus/optim/cycle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "optim/schedule.h"
#include "optim/state_reader.h"
#include "optim/validate.h"

namespace gradus::optim {
namespace {

/// Throws ValueError unless every number is finite and not negative.
void check_rates(const char* op, const char* what, const PerGroup& values) {
  for (size_t i = 0; i < values.count(); ++i) check_not_negative(op, what, values[i]);
}

int64_t steps_in_all(const OneCycleOptions& o) {
  if (o.total_steps) {
    check_positive("OneCycleLR", "total_steps", *o.total_steps);
    return *o.total_steps;
  }
  check<ValueError>(o.epochs && o.steps_per_epoch, "OneCycleLR: give total_steps, or epochs and steps_per_epoch");
  check_positive("OneCycleLR", "epochs", *o.epochs);
  check_positive("OneCycleLR", "steps_per_epoch", *o.steps_per_epoch);
  int64_t product = 0;
  check<ValueError>(!__builtin_mul_overflow(*o.epochs, *o.steps_per_epoch, &product),
                    "OneCycleLR: epochs times steps_per_epoch, {} times {}, is more than 64 bits hold", *o.epochs, *o.steps_per_epoch);
  return product;
}

}  // namespace

OneCycleLR::OneCycleLR(Optimizer& optimizer, PerGroup max_lr, const OneCycleOptions& options)
    : EpochScheduler(optimizer), max_lr_(std::move(max_lr)), options_(options), total_steps_(steps_in_all(options)) {
  const OneCycleOptions& o = options_;
  check<ValueError>(o.pct_start >= 0 && o.pct_start <= 1, "OneCycleLR: pct_start is {}; it must be in [0, 1]", o.pct_start);
  check<ValueError>(std::isfinite(o.div_factor) && o.div_factor > 0, "OneCycleLR: div_factor is {}; it must be positive", o.div_factor);
  check<ValueError>(std::isfinite(o.final_div_factor) && o.final_div_factor > 0, "OneCycleLR: final_div_factor is {}; it must be positive",
                    o.final_div_factor);
  check_rates("OneCycleLR", "max_lr", max_lr_);
  check_count("max_lr", max_lr_);
  if (o.cycle_momentum) {
    check<ValueError>(momentum_of(0) != nullptr,
                      "OneCycleLR: the optimizer has neither momentum nor betas; give one that has, or cycle_momentum = false");
    check_rates("OneCycleLR", "base_momentum", o.base_momentum);
    check_rates("OneCycleLR", "max_momentum", o.max_momentum);
    check_count("base_momentum", o.base_momentum);
    check_count("max_momentum", o.max_momentum);
  }
  const double rise = o.pct_start * real(total_steps_) - 1, last = real(total_steps_ - 1);
  phases_ = {{rise, Level::Initial, Level::Max, Level::Max, Level::Base}};
  if (o.three_phase) phases_.push_back({2 * o.pct_start * real(total_steps_) - 2, Level::Max, Level::Initial, Level::Base, Level::Max});
  phases_.push_back({last, o.three_phase ? Level::Initial : Level::Max, Level::Min, o.three_phase ? Level::Max : Level::Base, Level::Max});
  std::vector<double> initial;
  for (size_t group = 0; group < num_groups(); ++group) initial.push_back(max_lr_[group] / o.div_factor);
  start(std::move(initial), true);
}

double OneCycleLR::level(Level level, size_t group) const {
  if (level == Level::Max) return max_lr_[group];
  const double initial = max_lr_[group] / options_.div_factor;
  return level == Level::Initial ? initial : initial / options_.final_div_factor;
}

double OneCycleLR::momentum_level(Level level, size_t group) const {
  return level == Level::Max ? options_.max_momentum[group] : options_.base_momentum[group];
}

std::pair<OneCycleLR::Phase, double> OneCycleLR::phase_at(int64_t epoch) const {
  check<ValueError>(epoch <= total_steps_, "OneCycleLR: step {} is beyond the {} steps of the cycle", epoch + 1, total_steps_);
  const double step = real(epoch);
  double begin = 0;
  size_t i = 0;
  for (; i + 1 < phases_.size() && step > phases_[i].end; ++i) begin = phases_[i].end;
  check<ValueError>(phases_[i].end != begin, "OneCycleLR: with pct_start {} of {} steps, phase {} has no length; give another pct_start",
                    options_.pct_start, total_steps_, i);
  return {phases_[i], (step - begin) / (phases_[i].end - begin)};
}

double OneCycleLR::anneal(double start, double end, double part) const {
  if (options_.anneal_strategy == OneCycleOptions::Anneal::Linear) return (end - start) * part + start;
  return end + (start - end) / 2 * (std::cos(std::numbers::pi * part) + 1);
}

double OneCycleLR::lr_at(size_t group, int64_t epoch) const {
  const auto [phase, part] = phase_at(epoch);
  return anneal(level(phase.from_lr, group), level(phase.to_lr, group), part);
}

std::optional<double> OneCycleLR::momentum_at(size_t group, int64_t epoch) const {
  if (!options_.cycle_momentum) return {};
  const auto [phase, part] = phase_at(epoch);
  return anneal(momentum_level(phase.from_momentum, group), momentum_level(phase.to_momentum, group), part);
}

CyclicLR::CyclicLR(Optimizer& optimizer, PerGroup base_lr, PerGroup max_lr, const CyclicOptions& options)
    : EpochScheduler(optimizer), max_lr_(std::move(max_lr)), options_(options) {
  const CyclicOptions& o = options_;
  check_positive("CyclicLR", "step_size_up", o.step_size_up);
  if (o.step_size_down)
    check<ValueError>(*o.step_size_down >= 0, "CyclicLR: step_size_down is {}; it must not be negative", *o.step_size_down);
  check_finite("CyclicLR", "gamma", o.gamma);
  check_rates("CyclicLR", "base_lr", base_lr);
  check_rates("CyclicLR", "max_lr", max_lr_);
  check_count("base_lr", base_lr);
  check_count("max_lr", max_lr_);
  if (o.cycle_momentum) {
    check<ValueError>(momentum_of(0) != nullptr && !has_betas(),
                      "CyclicLR: the optimizer has no momentum; give one that has, or cycle_momentum = false");
    check_rates("CyclicLR", "base_momentum", o.base_momentum);
    check_rates("CyclicLR", "max_momentum", o.max_momentum);
    check_count("base_momentum", o.base_momentum);
    check_count("max_momentum", o.max_momentum);
  }
  const double up = real(o.step_size_up);
  total_size_ = up + real(o.step_size_down.value_or(o.step_size_up));
  step_ratio_ = up / total_size_;
  std::vector<double> initial;
  for (size_t group = 0; group < num_groups(); ++group) initial.push_back(base_lr[group]);
  start(std::move(initial), false);
}

double CyclicLR::height(int64_t epoch, double range) const {
  const double cycle = std::floor(1 + real(epoch) / total_size_), x = 1 + real(epoch) / total_size_ - cycle;
  const double base = range * (x <= step_ratio_ ? x / step_ratio_ : (x - 1) / (step_ratio_ - 1));
  if (options_.scale_fn) return base * options_.scale_fn(options_.scale_mode == CyclicOptions::ScaleMode::Cycle ? cycle : real(epoch));
  switch (options_.mode) {
    case CyclicOptions::Mode::Triangular: break;
    case CyclicOptions::Mode::Triangular2: return base * (1 / std::pow(2.0, cycle - 1));
    case CyclicOptions::Mode::ExpRange: return base * std::pow(options_.gamma, real(epoch));
  }
  return base;
}

double CyclicLR::lr_at(size_t group, int64_t epoch) const { return base_lr(group) + height(epoch, max_lr_[group] - base_lr(group)); }

std::optional<double> CyclicLR::momentum_at(size_t group, int64_t epoch) const {
  if (!options_.cycle_momentum) return {};
  const double top = options_.max_momentum[group];
  return top - height(epoch, top - options_.base_momentum[group]);
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const PlateauOptions& options) : Scheduler(optimizer), options_(options) {
  const PlateauOptions& o = options_;
  check<ValueError>(o.factor >= 0 && o.factor < 1, "ReduceLROnPlateau: factor is {}; it must be in [0, 1)", o.factor);
  check<ValueError>(o.patience >= 0, "ReduceLROnPlateau: patience is {}; it must not be negative", o.patience);
  check<ValueError>(o.cooldown >= 0, "ReduceLROnPlateau: cooldown is {}; it must not be negative", o.cooldown);
  check_finite("ReduceLROnPlateau", "threshold", o.threshold);
  check_not_negative("ReduceLROnPlateau", "eps", o.eps);
  check_rates("ReduceLROnPlateau", "min_lr", o.min_lr);
  check_count("min_lr", o.min_lr);
  constexpr double inf = std::numeric_limits<double>::infinity();
  progress_.best = o.mode == PlateauOptions::Mode::Min ? inf : -inf;
  set_lrs(lrs());
}

bool ReduceLROnPlateau::better(double metric) const {
  const double best = progress_.best, threshold = options_.threshold;
  const bool smaller = options_.mode == PlateauOptions::Mode::Min;
  double bar = best;  // also of an infinite one, of which no part is a number
  if (options_.threshold_mode == PlateauOptions::ThresholdMode::Abs) bar = smaller ? best - threshold : best + threshold;
  else if (std::isfinite(best)) bar = best * (smaller == (best > 0) ? 1 - threshold : 1 + threshold);
  return smaller ? metric < bar : metric > bar;
}

void ReduceLROnPlateau::step(double metric) {
  Progress next = progress_;
  ++next.last_epoch;
  ++next.num_bad_epochs;
  if (better(metric)) {
    next.best = metric;
    next.num_bad_epochs = 0;
  }
  if (next.cooldown_counter > 0) {
    --next.cooldown_counter;
    next.num_bad_epochs = 0;
  }
  std::vector<double> rates = lrs();
  if (next.num_bad_epochs > options_.patience) {
    for (size_t group = 0; group < rates.size(); ++group) {
      const double reduced = std::max(rates[group] * options_.factor, options_.min_lr[group]);
      if (rates[group] - reduced > options_.eps) rates[group] = reduced;
    }
    next.cooldown_counter = options_.cooldown;
    next.num_bad_epochs = 0;
  }
  progress_ = next;
  set_lrs(std::move(rates));
}

void ReduceLROnPlateau::write_state(State& state, const std::string& prefix) const {
  state.emplace_back(prefix + "best", number(progress_.best));
  state.emplace_back(prefix + "last_epoch", whole(progress_.last_epoch));
  state.emplace_back(prefix + "num_bad_epochs", whole(progress_.num_bad_epochs));
  state.emplace_back(prefix + "cooldown_counter", whole(progress_.cooldown_counter));
  write_lrs(state, prefix);
}

std::function<void()> ReduceLROnPlateau::read_state(StateReader& reader, const std::string& prefix) {
  Progress found;
  const Tensor best = reader.take(prefix + "best", {}, DType::Float64);
  found.best = best.defined() ? best.item() : 0;
  if (std::isnan(found.best)) reader.refuse(prefix + "best is NaN");
  found.last_epoch = reader.take_whole(prefix + "last_epoch", 0);
  found.num_bad_epochs = reader.take_whole(prefix + "num_bad_epochs", 0);
  found.cooldown_counter = reader.take_whole(prefix + "cooldown_counter", 0);
  return [=, this, take_lrs = read_lrs(reader, prefix)] {
    progress_ = found;
    take_lrs();
  };
}

}  // namespace gradus::optim
