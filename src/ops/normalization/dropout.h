#pragma once

#include "gradus/tensor.h"

namespace gradus {

/// dropout(relu(x), p) while training, in one pass each way: the same numbers of the same draws. What is above 0 in the result was kept and
/// above 0 in x, so that backward needs the result alone, which the next layer saves anyway, and neither x nor what was drawn.
Tensor relu_dropout(const Tensor& x, double p);

}  // namespace gradus
