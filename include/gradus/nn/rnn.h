#pragma once

#include <string>
#include <vector>

#include "gradus/nn/module.h"
#include "gradus/ops/recurrent.h"

namespace gradus::nn {

/// What a GRU or an RNN gives. D is 2 when bidirectional, otherwise 1.
struct RNNOutput {
  Tensor output;  ///< the last layer's hidden state at every step: (T, B, D * H), (B, T, D * H) if batch_first, (T, D * H) unbatched
  Tensor h_n;     ///< every layer's hidden state after its last step: (layers * D, B, H), also if batch_first; (layers * D, H) unbatched
};

/// What an LSTM gives: output and h_n as RNNOutput's, with proj_size features where that is set, and c_n, every layer's cell after its last
/// step: (layers * D, B, H); (layers * D, H) unbatched.
using LSTMOutput = RecurrentOutput;

/// How a GRU is made. The defaults are PyTorch's.
struct GRUOptions {
  int64_t num_layers = 1;  ///< the output of each is the input of the next
  bool bias = true;
  bool batch_first = false;    ///< x and output have the batch as their first dimension
  double dropout = 0;          ///< on the output of every layer but the last, while training
  bool bidirectional = false;  ///< a second direction reads from the end; their outputs stand side by side
  bool reset_after = true;     ///< false: the reset gate acts before the recurrent product, as in Cho et al. 2014
};

/// What a plain recurrent unit does with its sum.
enum class RNNNonlinearity { Tanh, Relu };

/// How an RNN is made; as GRUOptions.
struct RNNOptions {
  int64_t num_layers = 1;
  RNNNonlinearity nonlinearity = RNNNonlinearity::Tanh;
  bool bias = true;
  bool batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
};

/// How an LSTM is made; as GRUOptions.
struct LSTMOptions {
  int64_t num_layers = 1;
  bool bias = true;
  bool batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
  int64_t proj_size = 0;  ///< above 0: the hidden state is projected to this size, below H (Sak et al. 2014)
};

/// What layers of recurrent units have in common: layers, directions, dropout between layers, the order of dimensions, lengths.
/// Parameters have PyTorch's names, weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 and so on, with the suffix _reverse for the second
/// direction, and start uniform on (-1/sqrt(H), 1/sqrt(H)).
class GRADUS_API RecurrentLayers : public Module {
 public:
  int64_t input_size() const noexcept { return form_.input_size; }
  int64_t hidden_size() const noexcept { return form_.hidden_size; }

 protected:
  /// Everything that shapes the layers.
  struct Form {
    const char* name;
    int64_t gates, input_size, hidden_size, num_layers;
    bool bias, batch_first;
    double dropout;
    bool bidirectional;
    int64_t proj_size = 0;
    bool has_cells = false;
    /// Throws ValueError.
    void check_options() const;
    int64_t directions() const noexcept { return bidirectional ? 2 : 1; }
    int64_t state_size() const noexcept { return proj_size > 0 ? proj_size : hidden_size; }
  };
  RecurrentLayers(const Form& form, const std::string& more_details);
  /// The output and the last states; h0 and c0 are the initial ones of all layers, or undefined for zeros. Only an LSTM has cells.
  RecurrentOutput run(const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& lengths) const;

 private:
  /// The parameters of one layer in one direction; those that the form does not have are undefined.
  struct Weights {
    Parameter weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
  };

  /// One layer in one direction, gradus::gru_layer or the like.
  virtual RecurrentOutput run_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights,
                                    const Tensor& lengths, bool reverse) const = 0;
  void check_state(const char* name, const Tensor& state, const Tensor& x, int64_t size) const;

  Form form_;
  std::vector<Weights> weights_;  // layer by layer, its directions one after the other
};

/// Layers of gated recurrent units; gradus::gru_layer has the equations.
class GRADUS_API GRU : public RecurrentLayers {
 public:
  /// Throws ValueError unless sizes and num_layers are positive and dropout is in [0, 1], for dropout with a single layer, where there is
  /// nothing between layers to drop (PyTorch warns), and for more parameters than the machine's memory holds.
  GRU(int64_t input_size, int64_t hidden_size, const GRUOptions& options = {});

  /// x (T, B, I), (B, T, I) if batch_first, or (T, I) for one sequence; h0 (layers * D, B, H), (layers * D, H) for one sequence, or
  /// undefined for zeros. `lengths` (B), int64, 0 to T in any order: past its length a row's output is 0 and its state frozen.
  RNNOutput operator()(const Tensor& x, const Tensor& h0 = {}, const Tensor& lengths = {}) const;

  const GRUOptions& options() const noexcept { return options_; }

 private:
  RecurrentOutput run_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights, const Tensor& lengths,
                            bool reverse) const override;

  GRUOptions options_;
};

/// Layers of plain recurrent units; gradus::rnn_layer has the equation.
class GRADUS_API RNN : public RecurrentLayers {
 public:
  /// Throws as GRU.
  RNN(int64_t input_size, int64_t hidden_size, const RNNOptions& options = {});
  /// As GRU.
  RNNOutput operator()(const Tensor& x, const Tensor& h0 = {}, const Tensor& lengths = {}) const;
  const RNNOptions& options() const noexcept { return options_; }

 private:
  RecurrentOutput run_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights, const Tensor& lengths,
                            bool reverse) const override;

  RNNOptions options_;
};

/// Layers of long short-term memory; gradus::lstm_layer has the equations.
class GRADUS_API LSTM : public RecurrentLayers {
 public:
  /// Throws as GRU, and ValueError unless proj_size is in [0, hidden_size).
  LSTM(int64_t input_size, int64_t hidden_size, const LSTMOptions& options = {});
  /// As GRU, with the cells c0 (layers * D, B, H) beside h0. Give both or none (ValueError).
  LSTMOutput operator()(const Tensor& x, const Tensor& h0 = {}, const Tensor& c0 = {}, const Tensor& lengths = {}) const;
  const LSTMOptions& options() const noexcept { return options_; }

 private:
  RecurrentOutput run_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& weights, const Tensor& lengths,
                            bool reverse) const override;

  LSTMOptions options_;
};

/// One step of a GRU: x (B, I), h (B, H) or undefined for zeros, to h' (B, H); or the same without the batch.
class GRADUS_API GRUCell : public Module {
 public:
  /// Throws ValueError unless both sizes are positive and the parameters fit into memory.
  GRUCell(int64_t input_size, int64_t hidden_size, bool bias = true);
  Tensor operator()(const Tensor& x, const Tensor& h = {}) const;

  Parameter weight_ih;  ///< (3H, I)
  Parameter weight_hh;  ///< (3H, H)
  Parameter bias_ih;    ///< (3H), or undefined
  Parameter bias_hh;    ///< (3H), or undefined
};

/// One step of a plain recurrent unit, as GRUCell.
class GRADUS_API RNNCell : public Module {
 public:
  RNNCell(int64_t input_size, int64_t hidden_size, bool bias = true, RNNNonlinearity nonlinearity = RNNNonlinearity::Tanh);
  Tensor operator()(const Tensor& x, const Tensor& h = {}) const;

  Parameter weight_ih;  ///< (H, I)
  Parameter weight_hh;  ///< (H, H)
  Parameter bias_ih;    ///< (H), or undefined
  Parameter bias_hh;    ///< (H), or undefined

 private:
  RNNNonlinearity nonlinearity_;
};

/// The state of an LSTMCell.
struct LSTMState {
  Tensor h;  ///< (B, H), or (H)
  Tensor c;  ///< likewise
};

/// One step of an LSTM: x (B, I), h and c (B, H) or undefined for zeros, to the state after it; or the same without the batch.
class GRADUS_API LSTMCell : public Module {
 public:
  /// Throws ValueError unless both sizes are positive and the parameters fit into memory.
  LSTMCell(int64_t input_size, int64_t hidden_size, bool bias = true);
  LSTMState operator()(const Tensor& x, const Tensor& h = {}, const Tensor& c = {}) const;

  Parameter weight_ih;  ///< (4H, I)
  Parameter weight_hh;  ///< (4H, H)
  Parameter bias_ih;    ///< (4H), or undefined
  Parameter bias_hh;    ///< (4H), or undefined
};

}  // namespace gradus::nn
