#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gradus/tensor.h"

namespace gradus {

/// Tensors by name, in order: what `state_dict` gives and `load_state_dict` takes, of modules, optimizers, schedulers, averages and data
/// loaders alike. io::save_safetensors writes one of them, io::save_checkpoint several.
using StateDict = std::vector<std::pair<std::string, Tensor>>;

}  // namespace gradus
