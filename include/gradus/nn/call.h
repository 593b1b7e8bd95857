#pragma once

#include <concepts>
#include <vector>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// module(inputs...) between the module's hooks, for a module that takes tensors and gives one:
///
///     Tensor y = nn::call(layer, x);
///
/// Sequential, AnyModule (so ModuleList<> and ModuleDict<>) and the layers of a Transformer call the modules inside them so. A call that
/// is written as `layer(x)` runs no hooks: the operator is the module's own.
template <std::derived_from<Module> M, std::convertible_to<const Tensor&>... Inputs>
requires std::is_invocable_r_v<Tensor, const M&, const Inputs&...> Tensor call(const M& module, const Inputs&... inputs) {
  const ForwardScope here(module);
  if (!module.has_hooks()) return here.gives<Tensor>(module(inputs...));
  return here.gives(module.call_with_hooks({inputs...}, [&](const std::vector<Tensor>& x) -> Tensor {
    return [&]<size_t... I>(std::index_sequence<I...>)->Tensor { return module(x[I]...); }
    (std::index_sequence_for<Inputs...>());
  }));
}

}  // namespace gradus::nn
