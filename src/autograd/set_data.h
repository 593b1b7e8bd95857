#pragma once

#include "gradus/tensor.h"

namespace gradus {

/// Gives x the elements, shape and dtype of `value`, for every handle to x; a gradient that it holds is converted. x must be a leaf.
void set_data(const Tensor& x, const Tensor& value);

}  // namespace gradus
