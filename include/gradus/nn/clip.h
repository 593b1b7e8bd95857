#pragma once

#include <vector>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), where norm, which it returns, is the norm of all of them together: the
/// (sum |g|^p)^(1/p) for norm_type p, the largest |g| for infinity. Parameters without a gradient are passed over.
/// Throws ValueError that names the first parameter whose gradient is not finite, by name or by place, and then changes nothing.
GRADUS_API double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2);
/// The same for all parameters of a module, which errors then name.
GRADUS_API double clip_grad_norm_(const Module& module, double max_norm, double norm_type = 2);

}  // namespace gradus::nn
