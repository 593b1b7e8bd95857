#pragma once

#include <concepts>
#include <functional>

#include "gradus/nn/call.h"

namespace gradus::nn {

/// A module that takes one tensor and gives one.
template <class M>
concept TensorModule = std::derived_from<M, Module> && requires(const M& m, const Tensor& x) {
  { m(x) } -> std::convertible_to<Tensor>;
};

/// A module of whatever type that takes one tensor and gives one: what containers of mixed modules hold. It is another handle to that
/// module, so it has its parameters and prints as it does; calling it runs its hooks.
class GRADUS_API AnyModule : public Module {
 public:
  template <TensorModule M>
  requires(!std::same_as<M, AnyModule>) AnyModule(const M& module)
      : Module(named(module)), call_([module](const Tensor& x) -> Tensor { return call(module, x); }) {}

  Tensor operator()(const Tensor& x) const {
    const ForwardScope here(*this);
    return here.gives(call_(x));
  }

 private:
  std::function<Tensor(const Tensor&)> call_;
};

}  // namespace gradus::nn
