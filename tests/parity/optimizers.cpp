#include "parity/optimizers.h"

#include "gradus/optim/adam.h"
#include "gradus/optim/adaptive.h"
#include "gradus/optim/sgd.h"
#include "gradus/optim/sparse_adam.h"

namespace gradus::parity {
namespace {

std::array<double, 2> pair_of(const json& options, const char* key, std::array<double, 2> otherwise) {
  if (!options.contains(key)) return otherwise;
  const json& list = *list_of(options[key]);
  return {real_of(list[0]), real_of(list[1])};
}

/// Options by PyTorch's names over others: every field that they have.
template <class Options>
Options read(const json& j, Options o) {
  const auto set = [&]<class T>(const char* key, T& field) {
    if (!j.contains(key)) return;
    if constexpr (std::is_same_v<T, bool>) field = j[key].get<bool>();
    else if constexpr (std::is_same_v<T, double>) field = real_of(j[key]);
    else field = pair_of(j, key, field);
  };
  set("lr", o.lr);
  if constexpr (requires { o.betas; }) set("betas", o.betas);
  if constexpr (requires { o.eps; }) set("eps", o.eps);
  if constexpr (requires { o.weight_decay; }) set("weight_decay", o.weight_decay);
  if constexpr (requires { o.momentum; }) set("momentum", o.momentum);
  if constexpr (requires { o.dampening; }) set("dampening", o.dampening);
  if constexpr (requires { o.nesterov; }) set("nesterov", o.nesterov);
  if constexpr (requires { o.amsgrad; }) set("amsgrad", o.amsgrad);
  if constexpr (requires { o.maximize; }) set("maximize", o.maximize);
  if constexpr (requires { o.rho; }) set("rho", o.rho);
  if constexpr (requires { o.centered; }) set("centered", o.centered);
  if constexpr (requires { o.lr_decay; }) set("lr_decay", o.lr_decay);
  if constexpr (requires { o.momentum_decay; }) set("momentum_decay", o.momentum_decay);
  if constexpr (requires { o.initial_accumulator_value; }) set("initial_accumulator_value", o.initial_accumulator_value);
  if constexpr (requires { o.alpha; }) set("alpha", o.alpha);
  if constexpr (requires { o.lambd; }) set("lambd", o.lambd);
  if constexpr (requires { o.t0; }) set("t0", o.t0);
  if constexpr (requires { o.etas; }) set("etas", o.etas);
  if constexpr (requires { o.step_sizes; }) set("step_sizes", o.step_sizes);
  return o;
}

/// One optimizer; with "group1" the second parameter is a group of its own, whose options stand over those of the case. A case's
/// "default_lr" is what a group without a learning rate has.
template <class Optimizer, class Options>
std::unique_ptr<optim::Optimizer> make(const json& test, const std::vector<Tensor>& params) {
  Options defaults;
  if (test.contains("default_lr")) defaults.lr = real_of(test["default_lr"]);
  const Options options = read(test.at("options"), defaults);
  if (!test.contains("group1")) return std::make_unique<Optimizer>(params, options);
  const std::vector<optim::ParamGroup<Options>> groups{{.params = {params.at(0)}, .options = options},
                                                       {.params = {params.at(1)}, .options = read(test["group1"], options)}};
  return std::make_unique<Optimizer>(groups, options);
}

}  // namespace

std::unique_ptr<optim::Optimizer> make_optimizer(const json& test, const std::vector<Tensor>& params) {
  const std::string name = test.at("optimizer");
  if (name == "SGD") return make<optim::SGD, optim::SGDOptions>(test, params);
  if (name == "ASGD") return make<optim::ASGD, optim::ASGDOptions>(test, params);
  if (name == "Rprop") return make<optim::Rprop, optim::RpropOptions>(test, params);
  if (name == "Adam") return make<optim::Adam, optim::AdamOptions>(test, params);
  if (name == "AdamW") return make<optim::AdamW, optim::AdamWOptions>(test, params);
  if (name == "SparseAdam") return make<optim::SparseAdam, optim::SparseAdamOptions>(test, params);
  if (name == "Adamax") return make<optim::Adamax, optim::AdamaxOptions>(test, params);
  if (name == "NAdam") return make<optim::NAdam, optim::NAdamOptions>(test, params);
  if (name == "RAdam") return make<optim::RAdam, optim::RAdamOptions>(test, params);
  if (name == "RMSprop") return make<optim::RMSprop, optim::RMSpropOptions>(test, params);
  if (name == "Adagrad") return make<optim::Adagrad, optim::AdagradOptions>(test, params);
  if (name == "Adadelta") return make<optim::Adadelta, optim::AdadeltaOptions>(test, params);
  throw NoSuchCall("optimizer " + name);
}

}  // namespace gradus::parity
