#pragma once

#include <array>

#include "autograd/op.h"
#include "gradus/ops/recurrent.h"
#include "kernels/recurrent.h"

/// A layer of recurrent units twice: as one fused operation, and composed of operations that can be differentiated any number of times.
namespace gradus {

/// What a layer works on. The biases may be undefined; c0 is defined for an LSTM only.
struct LayerInputs {
  Tensor x, h0, c0;
  RecurrentWeights weights;

  /// In the order of a node's edges. weight_hr is not among them: what has a projection is composed.
  std::array<Tensor*, 7> fields() noexcept {
    return {&x, &h0, &weights.weight_ih, &weights.weight_hh, &weights.bias_ih, &weights.bias_hh, &c0};
  }
  std::array<const Tensor*, 7> fields() const noexcept {
    return {&x, &h0, &weights.weight_ih, &weights.weight_hh, &weights.bias_ih, &weights.bias_hh, &c0};
  }
};

/// The layer by its kernels, on checked inputs. `lengths` belong to the layer alone. Backward is a kernel too, but under create_graph it
/// goes through the composed form.
RecurrentOutput fused_layer(kernels::RecurrentKind kind, const LayerInputs& in, const Tensor& lengths, kernels::RecurrentSizes s);

/// The same out of other operations.
RecurrentOutput composed_layer(kernels::RecurrentKind kind, const LayerInputs& in, const Tensor& lengths, bool reverse);

/// (T, B, 1): whether a row is still within its length.
Tensor mask_of(const Tensor& lengths, int64_t T);

}  // namespace gradus
