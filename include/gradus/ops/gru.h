#pragma once

#include <vector>

#include "gradus/tensor.h"

namespace gradus {

/// One direction of one layer.
struct GRUWeights {
  Tensor weight_ih;     ///< (3H, I), gates r, z, n one below the other
  Tensor weight_hh;     ///< (3H, H)
  Tensor bias_ih = {};  ///< (3H), or undefined
  Tensor bias_hh = {};  ///< (3H), or undefined
};

/// The states of a GRU.
struct GRUOutput {
  Tensor output;  ///< (T, B, H): the hidden state at every step
  Tensor h_n;     ///< (B, H): the hidden state after the last step
};

/// One layer of gated recurrent units in one direction (Cho et al. 2014, with the reset gate applied after the recurrent product, as
/// PyTorch and cuDNN do):
///
///     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
///     z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///     n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
///     h' = (1 - z) * n + z * h
///
/// x (T, B, I), h0 (B, H). `lengths` (B), int64, in 0 … T and in any order, or undefined: past its length a row's output is 0 and its
/// state is frozen. `reverse` goes from the last step to the first. With reset_after = false the reset gate acts on h before the
/// product, `n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)`, the textbook's equation.
/// The backward pass is a fused kernel; under create_graph it is composed of differentiable operations.
GRADUS_API GRUOutput gru_layer(const Tensor& x, const Tensor& h0, const GRUWeights& weights, const Tensor& lengths = {},
                               bool reverse = false, bool reset_after = true);

/// One step of the same: x (B, I), h (B, H) to h' (B, H).
GRADUS_API Tensor gru_cell(const Tensor& x, const Tensor& h, const GRUWeights& weights, bool reset_after = true);

}  // namespace gradus
