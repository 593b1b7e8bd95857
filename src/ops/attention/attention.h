#pragma once

#include "gradus/tensor.h"

namespace gradus {

/// weights value, as matmul makes it: the values (…, S, V) mixed by weights (…, L, S). A value whose weight is 0 does not count, be it NaN
/// or infinite, and passes nothing back.
Tensor weighted_sum(const Tensor& weights, const Tensor& value);

}  // namespace gradus
