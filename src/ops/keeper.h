#pragma once

#include "gradus/tensor.h"
#include "kernels/kept_weights.h"

namespace gradus {

/// Where what products pack of a float32 weight is kept: with its elements. None where somebody outside may write these without its being
/// counted, as data() gave their address away. `is_inference` says that the product is not going to be recorded.
kernels::Keeper keeper_of(const Tensor& weight, bool is_inference);

}  // namespace gradus
