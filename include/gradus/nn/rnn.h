#pragma once

#include <vector>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// What a recurrent layer gives. D is 2 when bidirectional, otherwise 1.
struct RNNOutput {
  Tensor output;  ///< the last layer's hidden state at every step: (T, B, D * H), (B, T, D * H) if batch_first, (T, D * H) unbatched
  Tensor h_n;     ///< every layer's hidden state after its last step: (layers * D, B, H), also if batch_first; (layers * D, H) unbatched
};

/// How a GRU is made. The defaults are PyTorch's.
struct GRUOptions {
  int64_t num_layers = 1;  ///< the output of each is the input of the next
  bool bias = true;
  bool batch_first = false;    ///< x and output have the batch as their first dimension
  double dropout = 0;          ///< on the output of every layer but the last, while training
  bool bidirectional = false;  ///< a second direction reads from the end; their outputs stand side by side
  bool reset_after = true;     ///< false: the reset gate acts before the recurrent product, as in Cho et al. 2014
};

/// Layers of gated recurrent units; gradus::gru_layer has the equations.
/// Parameters have PyTorch's names, weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 and so on, with the suffix _reverse for the second
/// direction, and start uniform on (-1/sqrt(H), 1/sqrt(H)).
class GRADUS_API GRU : public Module {
 public:
  /// Throws ValueError unless sizes and num_layers are positive and dropout is in [0, 1], and for dropout with a single layer, where
  /// there is nothing between layers to drop (PyTorch warns).
  GRU(int64_t input_size, int64_t hidden_size, const GRUOptions& options = {});

  /// x (T, B, I), (B, T, I) if batch_first, or (T, I) for one sequence; h0 (layers * D, B, H), (layers * D, H) for one sequence, or
  /// undefined for zeros. `lengths` (B), int64, 0 to T in any order: past its length a row's output is 0 and its state frozen.
  RNNOutput operator()(const Tensor& x, const Tensor& h0 = {}, const Tensor& lengths = {}) const;

  int64_t input_size() const noexcept { return input_size_; }
  int64_t hidden_size() const noexcept { return hidden_size_; }
  const GRUOptions& options() const noexcept { return options_; }

 private:
  int64_t directions() const noexcept { return options_.bidirectional ? 2 : 1; }
  void check_input(const Tensor& x, const Tensor& h0, const Tensor& lengths) const;

  int64_t input_size_;
  int64_t hidden_size_;
  GRUOptions options_;
  std::vector<Parameter> weights_;  // for each layer and direction: weight_ih, weight_hh and, with bias, bias_ih, bias_hh
};

/// One step of a GRU: x (B, I), h (B, H) or undefined for zeros, to h' (B, H); or the same without the batch.
class GRADUS_API GRUCell : public Module {
 public:
  /// Throws ValueError unless both sizes are positive.
  GRUCell(int64_t input_size, int64_t hidden_size, bool bias = true);
  Tensor operator()(const Tensor& x, const Tensor& h = {}) const;

  Parameter weight_ih;  ///< (3H, I)
  Parameter weight_hh;  ///< (3H, H)
  Parameter bias_ih;    ///< (3H), or undefined
  Parameter bias_hh;    ///< (3H), or undefined
};

}  // namespace gradus::nn
