#pragma once

#include <functional>
#include <vector>

#include "gradus/nn/module.h"
#include "nn/module_state.h"

namespace gradus::nn {

/// While one lives, it is told on this thread of what every module gives back: the module's state and the tensors. One at a time is told;
/// an inner one takes the place of the outer.
class OutputWatch {
 public:
  using Tell = std::function<void(const detail::ModuleState&, const std::vector<Tensor>& outputs)>;

  explicit OutputWatch(Tell tell);
  ~OutputWatch();
  OutputWatch(const OutputWatch&) = delete;
  OutputWatch& operator=(const OutputWatch&) = delete;

  void tell(const detail::ModuleState& module, const std::vector<Tensor>& outputs) const { tell_(module, outputs); }

 private:
  Tell tell_;
  const OutputWatch* const outer_;
};

}  // namespace gradus::nn
