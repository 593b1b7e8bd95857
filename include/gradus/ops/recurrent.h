#pragma once

#include "gradus/tensor.h"

/// Layers of recurrent units in one direction: plain ones, LSTMs and GRUs. T steps, B rows, I inputs, H hidden units, G gates. `lengths`
/// (B), int64, 0 to T in any order, or undefined: past its length a row's output is 0 and its state frozen. `reverse` reads from the last
/// step to the first. Initial states may be undefined, for zeros. Both passes are fused kernels; under create_graph, or with a projection,
/// they consist of differentiable operations. All throw StateError, DTypeError, ShapeError or ValueError that says what does not fit.
namespace gradus {

/// The parameters of one layer in one direction. Their rows are the gates, one below the other: i, f, g, o of an LSTM, r, z, n of a GRU.
struct RecurrentWeights {
  Tensor weight_ih;       ///< (G H, I)
  Tensor weight_hh;       ///< (G H, H), or (G H, P) with a projection
  Tensor bias_ih = {};    ///< (G H), or undefined
  Tensor bias_hh = {};    ///< (G H), or undefined
  Tensor weight_hr = {};  ///< (P, H), for an LSTM only: projects the hidden state; or undefined
};

/// What a layer gives.
struct RecurrentOutput {
  Tensor output;  ///< (T, B, H), or (T, B, P) with a projection: the hidden state after every step
  Tensor h_n;     ///< (B, H) or (B, P): after the last
  Tensor c_n;     ///< (B, H): the cell of an LSTM after the last; of others undefined
};

/// h' = f(W_ih x + b_ih + W_hh h + b_hh) with f tanh, or relu (Elman 1990). x (T, B, I), h0 (B, H).
GRADUS_API RecurrentOutput rnn_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths = {},
                                     bool reverse = false, bool relu = false);

/// i, f, g, o = the four parts of W_ih x + b_ih + W_hh h + b_hh, in this order; c' = sigmoid(f) c + sigmoid(i) tanh(g);
/// h' = sigmoid(o) tanh(c'), times weight_hr where there is one (Hochreiter & Schmidhuber 1997, Sak et al. 2014).
/// x (T, B, I), h0 (B, H) or (B, P), c0 (B, H).
GRADUS_API RecurrentOutput lstm_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights,
                                      const Tensor& lengths = {}, bool reverse = false);

/// Gated recurrent units (Cho et al. 2014, with the reset gate applied after the recurrent product, as PyTorch and cuDNN do):
///
///     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
///     z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///     n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
///     h' = (1 - z) * n + z * h
///
/// x (T, B, I), h0 (B, H). With reset_after = false the reset gate acts on h before the product, the textbook's equation,
/// `n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)`.
GRADUS_API RecurrentOutput gru_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& weights, const Tensor& lengths = {},
                                     bool reverse = false, bool reset_after = true);

/// One step of the same: x (B, I), h (B, H) to h' (B, H).
GRADUS_API Tensor gru_cell(const Tensor& x, const Tensor& h, const RecurrentWeights& weights, bool reset_after = true);

}  // namespace gradus
