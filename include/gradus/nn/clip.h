#pragma once

#include <vector>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), where norm, which it returns, is the norm of all of them together as one
/// vector: (sum |g|^p)^(1/p) for norm_type p, the largest |g| for infinity, summed in double precision. PyTorch returns it as a tensor.
/// Parameters without a gradient are passed over. Throws ValueError that names the first parameter whose gradient is not finite, by its
/// place in the list, unless error_if_nonfinite is false (PyTorch's default): then NaN and infinity are scaled like any other number, and
/// leave nothing to train with. Throws ValueError on a negative max_norm or a norm_type that is not positive. When it throws, nothing was
/// changed.
GRADUS_API double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2,
                                  bool error_if_nonfinite = true);
/// The same for all parameters of a module, which errors give by name.
GRADUS_API double clip_grad_norm_(const Module& module, double max_norm, double norm_type = 2, bool error_if_nonfinite = true);

/// The norm that clip_grad_norm_ returns, without a change; NaN or infinity where a gradient is not finite. PyTorch 2 has it as
/// get_total_norm, of the gradients. Throws ValueError on a norm_type that is not positive.
GRADUS_API double grad_norm(const std::vector<Tensor>& parameters, double norm_type = 2);

/// Clamps every element of every gradient to [-clip_value, clip_value]. Throws ValueError when clip_value is negative or NaN.
GRADUS_API void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value);

}  // namespace gradus::nn
