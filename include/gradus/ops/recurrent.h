#pragma once

#include "gradus/tensor.h"

/// Layers of plain recurrent units and of LSTM in one direction; gru.h has the GRU's. T steps, B rows, I inputs, H hidden units. `lengths`
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

}  // namespace gradus
