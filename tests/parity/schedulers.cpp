#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "gradus/creation.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/adaptive.h"
#include "gradus/optim/cycle.h"
#include "gradus/optim/scheduler.h"
#include "gradus/optim/sgd.h"
#include "parity/modules.h"
#include "parity/optimizers.h"

namespace gradus::parity {
namespace {

/// A scheduler with those it is composed of, and its step, which some give a measure.
struct Made {
  std::vector<Made> parts = {};
  std::unique_ptr<optim::Scheduler> scheduler = {};
  std::function<void(double metric)> step = {};
};

/// Options by PyTorch's names. Each may be read once or more; `finish` refuses those that nobody read.
class Options {
 public:
  explicit Options(const json& all) : all_(all) {}
  bool has(const char* name) {
    read_.insert(name);
    return all_.contains(name) && !all_[name].is_null();
  }
  double real(const char* name, double otherwise) { return has(name) ? real_of(all_[name]) : otherwise; }
  int64_t whole(const char* name, int64_t otherwise) { return has(name) ? static_cast<int64_t>(real_of(all_[name])) : otherwise; }
  std::optional<int64_t> maybe_whole(const char* name) { return has(name) ? std::optional(whole(name, 0)) : std::nullopt; }
  bool flag(const char* name, bool otherwise) { return has(name) ? all_[name].get<bool>() : otherwise; }
  std::vector<int64_t> wholes(const char* name) { return has(name) ? all_[name].get<std::vector<int64_t>>() : std::vector<int64_t>(); }
  optim::PerGroup per_group(const char* name, const optim::PerGroup& otherwise) {
    if (!has(name)) return otherwise;
    const json* list = list_of(all_[name]);
    if (!list) return real_of(all_[name]);
    std::vector<double> values;
    for (const json& v : *list) values.push_back(real_of(v));
    return values;
  }
  /// The value that a word stands for.
  template <class T>
  T word(const char* name, T otherwise, const std::map<std::string, T>& words) {
    if (!has(name)) return otherwise;
    const std::string text = all_[name].is_string() ? all_[name].get<std::string>() : all_[name].dump();
    const auto found = words.find(text);
    if (found == words.end()) throw RefusedByCompiler(std::string(name) + " " + text + " is no enumerator");
    return found->second;
  }
  void finish() const {
    for (const auto& [name, value] : all_.items())
      if (!read_.contains(name) && name != "verbose" && !(name == "last_epoch" && value == -1)) throw NoSuchCall("option " + name);
  }

 private:
  json all_;
  std::set<std::string> read_;
};

/// PyTorch's cases give functions of the epoch as Python text; these are the forms that are known.
optim::EpochFactor epoch_factor(const std::string& text) {
  std::string body = text.substr(text.find(':') == std::string::npos ? 0 : text.find(':') + 1);
  std::erase(body, ' ');
  for (const char* variable : {"epoch", "e", "x", "n", "t", "step"}) {
    const std::string power = std::string("**") + variable;
    if (!body.ends_with(power)) continue;
    const double base = std::stod(body);
    return [base](int64_t epoch) { return std::pow(base, static_cast<double>(epoch)); };
  }
  size_t length = 0;
  try {
    const double constant = std::stod(body, &length);
    if (length == body.size()) return [constant](int64_t) { return constant; };
  } catch (const std::invalid_argument&) {
  }
  throw NoSuchCall("function " + text);
}

std::vector<optim::EpochFactor> epoch_factors(const json& value, size_t groups) {
  std::vector<optim::EpochFactor> list;
  if (const json* texts = list_of(value))
    for (const json& text : *texts) list.push_back(epoch_factor(text));
  else list.assign(groups, epoch_factor(value));
  return list;
}

template <class S>
Made stepped(std::unique_ptr<S> scheduler) {
  S* raw = scheduler.get();
  return {.scheduler = std::move(scheduler), .step = [raw](double) { raw->step(); }};
}

template <class S, class... Args>
Made stepped(optim::Optimizer& optimizer, Args&&... args) {
  return stepped(std::make_unique<S>(optimizer, std::forward<Args>(args)...));
}

Made one_cycle(optim::Optimizer& optimizer, Options& o) {
  using Anneal = optim::OneCycleOptions::Anneal;
  optim::OneCycleOptions c;
  c.total_steps = o.maybe_whole("total_steps");
  c.epochs = o.maybe_whole("epochs");
  c.steps_per_epoch = o.maybe_whole("steps_per_epoch");
  c.pct_start = o.real("pct_start", c.pct_start);
  c.anneal_strategy = o.word<Anneal>("anneal_strategy", c.anneal_strategy, {{"cos", Anneal::Cos}, {"linear", Anneal::Linear}});
  c.cycle_momentum = o.flag("cycle_momentum", c.cycle_momentum);
  c.base_momentum = o.per_group("base_momentum", c.base_momentum);
  c.max_momentum = o.per_group("max_momentum", c.max_momentum);
  c.div_factor = o.real("div_factor", c.div_factor);
  c.final_div_factor = o.real("final_div_factor", c.final_div_factor);
  c.three_phase = o.flag("three_phase", c.three_phase);
  return stepped<optim::OneCycleLR>(optimizer, o.per_group("max_lr", 0.0), c);
}

Made cyclic(optim::Optimizer& optimizer, Options& o) {
  using Mode = optim::CyclicOptions::Mode;
  optim::CyclicOptions c;
  c.step_size_up = o.whole("step_size_up", c.step_size_up);
  c.step_size_down = o.maybe_whole("step_size_down");
  c.mode =
      o.word<Mode>("mode", c.mode, {{"triangular", Mode::Triangular}, {"triangular2", Mode::Triangular2}, {"exp_range", Mode::ExpRange}});
  c.gamma = o.real("gamma", c.gamma);
  c.cycle_momentum = o.flag("cycle_momentum", c.cycle_momentum);
  c.base_momentum = o.per_group("base_momentum", c.base_momentum);
  c.max_momentum = o.per_group("max_momentum", c.max_momentum);
  return stepped<optim::CyclicLR>(optimizer, o.per_group("base_lr", 0.0), o.per_group("max_lr", 0.0), c);
}

Made plateau(optim::Optimizer& optimizer, Options& o) {
  using Mode = optim::PlateauOptions::Mode;
  using Threshold = optim::PlateauOptions::ThresholdMode;
  optim::PlateauOptions p;
  p.mode = o.word<Mode>("mode", p.mode, {{"min", Mode::Min}, {"max", Mode::Max}});
  p.factor = o.real("factor", p.factor);
  p.patience = o.whole("patience", p.patience);
  p.threshold = o.real("threshold", p.threshold);
  p.threshold_mode = o.word<Threshold>("threshold_mode", p.threshold_mode, {{"rel", Threshold::Rel}, {"abs", Threshold::Abs}});
  p.cooldown = o.whole("cooldown", p.cooldown);
  p.min_lr = o.per_group("min_lr", p.min_lr);
  p.eps = o.real("eps", p.eps);
  auto scheduler = std::make_unique<optim::ReduceLROnPlateau>(optimizer, p);
  auto* raw = scheduler.get();
  return {.scheduler = std::move(scheduler), .step = [raw](double metric) { raw->step(metric); }};
}

Made make(const json& test, optim::Optimizer& optimizer);

/// The parts of a composed scheduler: objects with a scheduler and its options.
template <class S>
std::vector<S*> parts_of(const json& test, optim::Optimizer& optimizer, Made& made) {
  std::vector<S*> list;
  for (const json& part : test.at("schedulers")) {
    made.parts.push_back(make(part, optimizer));
    list.push_back(dynamic_cast<S*>(made.parts.back().scheduler.get()));
  }
  return list;
}

Made composed(const json& test, optim::Optimizer& optimizer, Options& o) {
  Made made;
  Made outer;
  if (test.at("scheduler") == "ChainedScheduler")
    outer = stepped(std::make_unique<optim::ChainedScheduler>(parts_of<optim::LRScheduler>(test, optimizer, made)));
  else outer = stepped<optim::SequentialLR>(optimizer, parts_of<optim::EpochScheduler>(test, optimizer, made), o.wholes("milestones"));
  made.scheduler = std::move(outer.scheduler);
  made.step = std::move(outer.step);
  return made;
}

Made simple(const std::string& name, optim::Optimizer& optimizer, Options& o, const json& options) {
  if (name == "StepLR") return stepped<optim::StepLR>(optimizer, o.whole("step_size", 1), o.real("gamma", 0.1));
  if (name == "MultiStepLR") return stepped<optim::MultiStepLR>(optimizer, o.wholes("milestones"), o.real("gamma", 0.1));
  if (name == "ExponentialLR") return stepped<optim::ExponentialLR>(optimizer, o.real("gamma", 1));
  if (name == "CosineAnnealingLR") return stepped<optim::CosineAnnealingLR>(optimizer, o.whole("T_max", 1), o.real("eta_min", 0));
  if (name == "CosineAnnealingWarmRestarts")
    return stepped<optim::CosineAnnealingWarmRestarts>(optimizer, o.whole("T_0", 1), o.whole("T_mult", 1), o.real("eta_min", 0));
  if (name == "LinearLR")
    return stepped<optim::LinearLR>(optimizer, o.real("start_factor", 1.0 / 3), o.real("end_factor", 1), o.whole("total_iters", 5));
  if (name == "ConstantLR") return stepped<optim::ConstantLR>(optimizer, o.real("factor", 1.0 / 3), o.whole("total_iters", 5));
  if (name == "PolynomialLR") return stepped<optim::PolynomialLR>(optimizer, o.whole("total_iters", 5), o.real("power", 1));
  if ((name == "LambdaLR" || name == "MultiplicativeLR") && o.has("lr_lambda")) {
    const auto factors = epoch_factors(options["lr_lambda"], optimizer.num_groups());
    if (name == "LambdaLR") return stepped<optim::LambdaLR>(optimizer, factors);
    return stepped<optim::MultiplicativeLR>(optimizer, factors);
  }
  throw NoSuchCall("scheduler " + name);
}

Made make(const json& test, optim::Optimizer& optimizer) {
  const std::string name = test.at("scheduler");
  const json options = test.value("kwargs", json::object());
  Options o(options);
  Made made = name == "OneCycleLR"                                   ? one_cycle(optimizer, o)
              : name == "CyclicLR"                                   ? cyclic(optimizer, o)
              : name == "ReduceLROnPlateau"                          ? plateau(optimizer, o)
              : name == "ChainedScheduler" || name == "SequentialLR" ? composed(test, optimizer, o)
                                                                     : simple(name, optimizer, o, options);
  o.finish();
  return made;
}

/// An optimizer with one group for each rate.
template <class Optimizer, class Settings>
std::unique_ptr<optim::Optimizer> over(const std::vector<double>& lrs) {
  std::vector<optim::ParamGroup<Settings>> groups;
  for (double lr : lrs) groups.push_back({.params = {zeros(1).requires_grad_()}, .options = Settings{.lr = lr}});
  return std::make_unique<Optimizer>(groups);
}

std::unique_ptr<optim::Optimizer> optimizer_over(const std::string& name, const std::vector<double>& lrs) {
  if (name == "SGD") return over<optim::SGD, optim::SGDOptions>(lrs);
  if (name == "RMSprop") return over<optim::RMSprop, optim::RMSpropOptions>(lrs);
  if (name == "Adam") return over<optim::Adam, optim::AdamOptions>(lrs);
  if (name == "AdamW") return over<optim::AdamW, optim::AdamWOptions>(lrs);
  if (name == "Adagrad") return over<optim::Adagrad, optim::AdagradOptions>(lrs);
  throw NoSuchCall("optimizer " + name);
}

bool close(double ours, double theirs) { return std::fabs(ours - theirs) <= 1e-12 * std::fabs(theirs) + 1e-15; }

/// The list under the first of these keys, or null.
json first_of(const json& test, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (test.contains(key)) return test[key];
  return {};
}

std::string different(const char* what, size_t step, const json& theirs, const std::function<double(size_t)>& ours) {
  const json row = theirs.is_array() ? theirs : json::array({theirs});
  for (size_t group = 0; group < row.size(); ++group)
    if (!row[group].is_null() && !close(ours(group), real_of(row[group])))
      return std::string(what) + " of group " + std::to_string(group) + " before step " + std::to_string(step) + " is " +
             std::to_string(ours(group)) + " instead of " + row[group].dump();
  return "";
}

std::string schedule_difference(const json& test) {
  const auto base_lrs = test.at("base_lrs").get<std::vector<double>>();
  const auto optimizer = optimizer_over(test.value("optimizer", "SGD"), base_lrs);
  const Made made = make(test, *optimizer);
  const json metrics = first_of(test, {"metrics", "metric", "losses", "values"});
  const json momenta = first_of(test, {"momenta_before_step", "momentums_before_step", "momentum_before_step"});
  const json& lrs = test.at("lrs_before_step");
  for (size_t step = 0; step < lrs.size(); ++step) {
    std::string text = different("lr", step, lrs[step], [&](size_t group) { return optimizer->lr(group); });
    if (text.empty() && momenta.is_array())
      text = different("momentum", step, momenta[step], [&](size_t group) { return optimizer->momentum(group).value(); });
    if (!text.empty()) return text;
    if (step + 1 < lrs.size()) made.step(metrics.is_array() ? real_of(metrics[step]) : 0);
  }
  return "";
}

}  // namespace

void make_scheduler(const std::string& name, const json& options, const std::vector<double>& lrs, const std::string& optimizer) {
  const auto over = optimizer_over(optimizer, lrs);
  make({{"scheduler", name}, {"kwargs", options}}, *over);
}

std::vector<std::pair<std::string, Verdict>> run_schedulers(const json& part) {
  std::vector<std::pair<std::string, Verdict>> verdicts;
  for (const json& test : part) {
    std::string text;
    try {
      text = schedule_difference(test);
    } catch (const std::exception& e) {
      text = e.what();
    }
    const std::string name = "scheduler " + test.at("scheduler").get<std::string>();
    if (!text.empty()) text = test.value("kwargs", json::object()).dump() + ": " + text;
    verdicts.emplace_back(name, text.empty() ? Verdict{} : Verdict{Verdict::Failed, text});
  }
  return verdicts;
}

}  // namespace gradus::parity
