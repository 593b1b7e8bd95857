#pragma once

#include "gradus/tensor.h"
#include "kernels/kept_weights.h"

namespace gradus {

/// Where what products pack of a float32 weight is kept: with its elements. None where somebody outside may write these without its being
/// counted, as data() gave their address away. To be asked under the caller's guards: they say whether the product is inference.
kernels::Keeper keeper_of(const Tensor& weight);

}  // namespace gradus
