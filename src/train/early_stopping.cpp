#include "gradus/train/early_stopping.h"

#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "gradus/autograd.h"
#include "train/state.h"

namespace gradus::train {
namespace {

constexpr const char* kEarlyStopping = "EarlyStopping";
constexpr std::string_view kWeights = "weights.";

nn::StateDict copied(const nn::StateDict& weights) {
  const NoGradGuard no_grad;
  nn::StateDict copy;
  for (const auto& [name, weight] : weights) copy.emplace_back(name, weight.detach().clone());
  return copy;
}

}  // namespace

EarlyStopping::EarlyStopping(const EarlyStoppingOptions& options) : options_(options) {
  check<ValueError>(options.patience >= 1, "{}: patience is {}; it must be at least 1", kEarlyStopping, options.patience);
  check<ValueError>(std::isfinite(options.min_delta) && options.min_delta >= 0, "{}: min_delta is {}; it must be finite and not negative",
                    kEarlyStopping, options.min_delta);
}

EarlyStopping::EarlyStopping(const nn::Module& model, const EarlyStoppingOptions& options) : EarlyStopping(options) { model_ = model; }

bool EarlyStopping::update(double measure) {
  const bool is_less = options_.mode == EarlyStoppingOptions::Mode::Min;
  const bool is_better = !std::isnan(measure) &&
                         (std::isnan(best_) || (is_less ? measure < best_ - options_.min_delta : measure > best_ + options_.min_delta));
  if (is_better) {
    if (model_) weights_ = copied(model_->state_dict());
    best_ = measure;
  }
  ++updates_;
  since_best_ = is_better ? 0 : since_best_ + 1;
  return is_better;
}

void EarlyStopping::restore() const {
  check<StateError>(model_.has_value(), "{}: restore without a model; give it to the constructor", kEarlyStopping);
  check<StateError>(!std::isnan(best_), "{}: restore before any measure; there are no best weights yet", kEarlyStopping);
  model_->load_state_dict(weights_);
}

io::StateValues EarlyStopping::state_dict() const {
  io::StateValues state{{"best", best_}, {"updates", updates_}, {"since_best", since_best_}};
  for (const auto& [name, weight] : copied(weights_)) state.insert(std::string(kWeights) + name, weight);
  return state;
}

void EarlyStopping::load_state_dict(const io::StateValues& state) { prepare_load_state_dict(state)(); }

std::function<void()> EarlyStopping::prepare_load_state_dict(const io::StateValues& state) {
  io::StateValues numbers;
  nn::StateDict weights;
  for (const auto& [name, value] : state) {
    if (model_ && name.starts_with(kWeights)) weights.emplace_back(name.substr(kWeights.size()), value.get<Tensor>(name));
    else numbers.insert(name, value);
  }
  check_state_names(kEarlyStopping, numbers, {"best", "updates", "since_best"});
  const auto best = numbers.get<double>("best");
  const int64_t updates = count_of(kEarlyStopping, numbers, "updates"), since_best = count_of(kEarlyStopping, numbers, "since_best");
  check<ValueError>(since_best <= updates && (since_best == updates) == std::isnan(best),
                    "{}: load_state_dict: best is {}, {} updates ago of {}; they do not go together", kEarlyStopping, best, since_best,
                    updates);
  check<ValueError>(!std::isnan(best) || weights.empty(), "{}: load_state_dict: there are weights, but there was no measure",
                    kEarlyStopping);
  // Weights that the model would not take are refused now. What would load them is let go.
  if (model_ && !std::isnan(best)) static_cast<void>(model_->prepare_load_state_dict(weights));
  return [this, best, updates, since_best, weights = copied(weights)]() mutable {
    weights_ = std::move(weights);
    best_ = best;
    updates_ = updates;
    since_best_ = since_best;
  };
}

}  // namespace gradus::train
