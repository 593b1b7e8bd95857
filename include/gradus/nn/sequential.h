#pragma once

#include <concepts>
#include <string>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// A module that takes one tensor and gives one.
template <class M>
concept TensorModule = std::derived_from<M, Module> && requires(const M& m, const Tensor& x) {
  { m(x) } -> std::convertible_to<Tensor>;
};

/// Modules one after the other, named "0", "1", …: `Sequential(Linear(4, 8), Dropout(0.1), Linear(8, 2))`. Made of one Sequential alone it
/// is a copy of that, as C++ has it; push_back puts one inside another.
class GRADUS_API Sequential : public Module {
 public:
  template <TensorModule... Ms>
  requires(sizeof...(Ms) > 0) explicit Sequential(const Ms&... modules) : Module("Sequential") { (push_back(modules), ...); }
  Sequential() : Module("Sequential") {}

  /// Adds a module at the end, for every handle to this Sequential.
  template <TensorModule M>
  void push_back(const M& module) {
    M member = register_module(std::to_string(size()), module);
    steps().push_back([member](const Tensor& x) { return member(x); });
  }

  /// The output of the last module; x when there is none.
  Tensor operator()(const Tensor& x) const {
    Tensor y = x;
    for (const auto& step : steps()) y = step(y);
    return y;
  }

  size_t size() const { return steps().size(); }
};

}  // namespace gradus::nn
