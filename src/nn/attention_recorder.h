#pragma once

#include "gradus/nn/module.h"

namespace gradus::nn {

/// Whether anybody wants to see weights.
bool attention_is_recorded() noexcept;

/// Leaves a layer's weights with the recorders of this thread whose models it is in.
void record_attention(const Module& layer, const Tensor& weights);

}  // namespace gradus::nn
