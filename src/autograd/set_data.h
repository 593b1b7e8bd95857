#pragma once

#include "gradus/tensor.h"

namespace gradus {

/// Gives x the elements, shape and dtype of `value`, for every handle to x; a gradient that it holds is converted, and so are those that a
/// graph recorded before still brings. Where such a graph saved x, its backward throws AutogradError. x must be a leaf.
void set_data(const Tensor& x, const Tensor& value);

}  // namespace gradus
