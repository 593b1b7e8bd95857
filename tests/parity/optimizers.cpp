#include "parity/optimizers.h"

namespace gradus::parity {
namespace {

std::array<double, 2> pair_of(const json& options, const char* key, std::array<double, 2> otherwise) {
  if (!options.contains(key)) return otherwise;
  const json& list = *list_of(options[key]);
  return {real_of(list[0]), real_of(list[1])};
}

optim::SGDOptions sgd(const json& j, optim::SGDOptions o) {
  return {.lr = j.value("lr", o.lr),
          .momentum = j.value("momentum", o.momentum),
          .dampening = j.value("dampening", o.dampening),
          .weight_decay = j.value("weight_decay", o.weight_decay),
          .nesterov = j.value("nesterov", o.nesterov)};
}

template <class Options>
Options adam(const json& j, Options o) {
  return {.lr = j.value("lr", o.lr),
          .betas = pair_of(j, "betas", o.betas),
          .eps = j.value("eps", o.eps),
          .weight_decay = j.value("weight_decay", o.weight_decay),
          .amsgrad = j.value("amsgrad", o.amsgrad)};
}

optim::SparseAdamOptions sparse_adam(const json& j, optim::SparseAdamOptions o) {
  return {.lr = j.value("lr", o.lr),
          .betas = pair_of(j, "betas", o.betas),
          .eps = j.value("eps", o.eps),
          .maximize = j.value("maximize", o.maximize)};
}

/// One optimizer with the options that `read` makes of JSON over others; with "group1" the second parameter is a group of its own.
template <class Optimizer, class Options, class Read>
std::unique_ptr<optim::Optimizer> make(const json& test, const std::vector<Tensor>& params, Options defaults, Read read) {
  const Options options = read(test.at("options"), defaults);
  if (!test.contains("group1")) return std::make_unique<Optimizer>(params, options);
  const std::vector<optim::ParamGroup<Options>> groups{{.params = {params.at(0)}, .options = options},
                                                       {.params = {params.at(1)}, .options = read(test["group1"], options)}};
  return std::make_unique<Optimizer>(groups, options);
}

}  // namespace

std::unique_ptr<optim::Optimizer> make_optimizer(const json& test, const std::vector<Tensor>& params) {
  const std::string name = test.at("optimizer");
  if (name == "SGD") return make<optim::SGD>(test, params, optim::SGDOptions{}, sgd);
  if (name == "Adam") return make<optim::Adam>(test, params, optim::AdamOptions{}, adam<optim::AdamOptions>);
  if (name == "AdamW") return make<optim::AdamW>(test, params, optim::AdamWOptions{}, adam<optim::AdamWOptions>);
  if (name == "SparseAdam") return make<optim::SparseAdam>(test, params, optim::SparseAdamOptions{}, sparse_adam);
  throw NoSuchCall("optimizer " + name);
}

}  // namespace gradus::parity
