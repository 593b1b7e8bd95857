#include "gradus/optim/ema.h"

#include <algorithm>

#include "autograd/in_place.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "kernels/update.h"
#include "optim/state_reader.h"
#include "optim/validate.h"

namespace gradus::optim {
namespace {

/// Gives a parameter new elements, converted to its dtype.
void overwrite(const Tensor& parameter, const Tensor& values) {
  copy_elements(values, parameter);
  parameter.impl()->storage->bump_version();
}

}  // namespace

EMA::EMA(const std::vector<Tensor>& parameters, const EMAOptions& options) : parameters_(parameters), options_(options) {
  NoGradGuard no_grad;
  check<ValueError>(options.decay >= 0 && options.decay <= 1, "EMA: decay is {}; it must be in [0, 1]", options.decay);
  check<ValueError>(!parameters.empty(), "EMA: the parameter list is empty; there is nothing to average");
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& p = parameters[i];
    check<StateError>(p.defined(), "EMA: parameter {} is undefined", i);
    check<DTypeError>(is_floating_point(p.dtype()), "EMA: parameter {} is {}; only float32 and float64 can be averaged", i,
                      gradus::name(p.dtype()));
    shadow_.push_back(p.detach().clone());
  }
  check_apart("EMA", {}, parameters);
}

/// The averages in the dtypes that the parameters have now.
std::vector<Tensor> EMA::converted() const {
  std::vector<Tensor> list;
  for (size_t i = 0; i < shadow_.size(); ++i) list.push_back(shadow_[i].to(parameters_[i].dtype()));
  return list;
}

void EMA::update() {
  check<StateError>(!swapped_, "EMA: update while the parameters hold their averages; let the Averaged go first");
  NoGradGuard no_grad;
  std::vector<Tensor> dense;
  for (const Tensor& p : parameters_) dense.push_back(p.detach().contiguous());
  shadow_ = converted();
  const auto n = static_cast<double>(++num_updates_);
  const double decay = options_.use_num_updates ? std::min(options_.decay, (1 + n) / (10 + n)) : options_.decay;
  for (size_t i = 0; i < dense.size(); ++i)
    dispatch_floating("EMA", dense[i].dtype(), [&]<class T>() {
      kernels::update(dense[i].numel(), elements<T>(shadow_[i]), elements<T>(std::as_const(dense[i])), kernels::Slope<T>(),
                      [rest = static_cast<T>(1 - decay)](T& s, T p) { s -= rest * (s - p); });
    });
  for (const Tensor& average : shadow_) average.impl()->storage->bump_version();
}

void EMA::copy_to() const {
  NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) overwrite(parameters_[i], shadow_[i]);
}

EMA::Averaged::Averaged(EMA& ema) : ema_(ema) {
  check<StateError>(!ema.swapped_, "EMA: the parameters hold their averages already; let that Averaged go first");
  NoGradGuard no_grad;
  for (const Tensor& p : ema.parameters_) before_.push_back(p.detach().clone());
  ema.copy_to();
  ema.swapped_ = true;
}

EMA::Averaged::~Averaged() {
  NoGradGuard no_grad;
  for (size_t i = 0; i < before_.size(); ++i) overwrite(ema_.parameters_[i], before_[i]);
  ema_.swapped_ = false;
}

State EMA::state_dict() const {
  check<StateError>(!swapped_, "EMA: state_dict while the parameters hold their averages; let the Averaged go first");
  NoGradGuard no_grad;
  State state{{"num_updates", whole(num_updates_)}};
  const std::vector<Tensor> averages = converted();
  for (size_t i = 0; i < averages.size(); ++i) state.emplace_back(fmt::format("shadow_params.{}", i), averages[i].clone());
  return state;
}

void EMA::load_state_dict(const State& state) { prepare_load_state_dict(state)(); }

std::function<void()> EMA::prepare_load_state_dict(const State& state) {
  check<StateError>(!swapped_, "EMA: load_state_dict while the parameters hold their averages; let the Averaged go first");
  NoGradGuard no_grad;
  StateReader reader(state);
  const int64_t updates = reader.take_whole("num_updates", 0);
  std::vector<Tensor> loaded;
  for (size_t i = 0; i < shadow_.size(); ++i)
    loaded.push_back(reader.take(fmt::format("shadow_params.{}", i), shadow_[i].shape(), parameters_[i].dtype()));
  reader.finish("EMA");
  return [this, updates, loaded = std::move(loaded)]() mutable {
    num_updates_ = updates;
    shadow_.swap(loaded);
  };
}

}  // namespace gradus::optim
