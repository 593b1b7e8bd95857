#pragma once

#include <vector>

#include "gradus/tensor.h"

/// Layers of plain recurrent units and of LSTM in one direction. T steps, B rows, I inputs, H hidden units. `lengths`
/// (B), int64, 0 to T in any order, or undefined: past its length a row's output is 0 and its state frozen. `reverse` reads from the last
/// step to the first. Both passes are fused kernels; under create_graph, or with a projection, they consist of differentiable operations.
namespace gradus {

/// The parameters of one layer; the biases may be undefined.
struct RecurrentWeights {
  Tensor weight_ih;       ///< (G H, I) for G gates
  Tensor weight_hh;       ///< (G H, H), or (G H, P) with a projection
  Tensor bias_ih = {};    ///< (G H)
  Tensor bias_hh = {};    ///< (G H)
  Tensor weight_hr = {};  ///< (P, H): projects the hidden state, for LSTM only
};

/// What a layer gives.
struct RNNLayerOutput {
  Tensor output;  ///< (T, B, H): the hidden state after every step
  Tensor h_n;     ///< (B, H): after the last
};

/// h' = f(W_ih x + b_ih + W_hh h + b_hh) with f tanh, or relu (Elman 1990). x (T, B, I), h0 (B, H).
/// Throws ShapeError, DTypeError or ValueError that says what does not fit.
GRADUS_API RNNLayerOutput rnn_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths = {},
                                    bool reverse = false, bool relu = false);

/// What an LSTM layer gives.
struct LSTMLayerOutput {
  Tensor output;  ///< (T, B, H), or (T, B, P) with a projection: the hidden state after every step
  Tensor h_n;     ///< (B, H) or (B, P): after the last
  Tensor c_n;     ///< (B, H): the cell after the last
};

/// i, f, g, o = the four parts of W_ih x + b_ih + W_hh h + b_hh, in this order; c' = sigmoid(f) c + sigmoid(i) tanh(g);
/// h' = sigmoid(o) tanh(c'), times weight_hr where there is one (Hochreiter & Schmidhuber 1997, Sak et al. 2014).
/// x (T, B, I), h0 (B, H) or (B, P), c0 (B, H).
GRADUS_API LSTMLayerOutput lstm_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights,
                                      const Tensor& lengths = {}, bool reverse = false);

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
