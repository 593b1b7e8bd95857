#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gradus/nn/any_module.h"

namespace gradus::nn {

/// Modules one after the other, named "0", "1", …: `Sequential(Linear(4, 8), Dropout(0.1), Linear(8, 2))`. Made of one Sequential alone it
/// is a copy of that, as C++ has it; push_back puts one inside another.
class GRADUS_API Sequential : public Module {
 public:
  template <TensorModule... Ms>
  requires(sizeof...(Ms) > 0) explicit Sequential(const Ms&... modules) : Sequential() { (push_back(modules), ...); }
  Sequential() : Module("Sequential") { steps(); }

  /// Adds a module at the end, for every handle to this Sequential.
  template <TensorModule M>
  void push_back(const M& module) {
    const AnyModule step = module;
    register_module(std::to_string(size()), step);
    steps().push_back(step);
  }

  /// The output of the last module; x when there is none.
  Tensor operator()(const Tensor& x) const {
    const ForwardScope here(*this);
    Tensor y = x;
    for (const AnyModule& step : steps()) y = step(y);
    return here.gives(std::move(y));
  }

  size_t size() const { return steps().size(); }

 private:
  std::vector<AnyModule>& steps() const { return contents<std::vector<AnyModule>>(); }
};

}  // namespace gradus::nn
