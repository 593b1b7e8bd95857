#pragma once

#include <atomic>
#include <vector>

#include "gradus/tensor.h"

namespace gradus {

/// Called at the first step of an optimizer, with its name and its parameters, to warn of what takes part in the backward pass and is
/// trained by nobody. Modules set it, which optimizers do not know.
using UntrainedReport = void (*)(const char* optimizer, const std::vector<Tensor>& parameters);
extern std::atomic<UntrainedReport> report_untrained;

}  // namespace gradus
