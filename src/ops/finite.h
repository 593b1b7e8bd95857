#pragma once

#include "gradus/tensor.h"

namespace gradus {

/// Whether no element of x, which is floating-point, is NaN or infinite.
bool all_finite(const Tensor& x);

/// share * x, where a share of 0 asks nothing of an x that is not finite, nor of its gradient.
Tensor share_of(const Tensor& share, const Tensor& x);

}  // namespace gradus
