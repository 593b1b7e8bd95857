#pragma once

#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gradus/tensor.h"
#include "kernels/recurrence.h"

/// What recurrent layers have in common as operations: checks, the form composed of other operations, and recording. Each kind adds its
/// equations, as a step and as kernels.
namespace gradus {

/// Everything a layer works on. The biases may be undefined; c0 is defined for an LSTM only.
using RecurrentInputs = std::array<Tensor, 7>;
enum RecurrentInput : size_t { kX, kH0, kWeightIh, kWeightHh, kBiasIh, kBiasHh, kC0 };

/// T, B, I, H of a layer, whose weights have `gates` * H rows, with every dtype and shape checked. H is the width of c0, if there is one:
/// h0 may be a projection. For a cell, one step, x is (B, I) and the state is called h.
kernels::RecurrenceSizes checked_sizes(const char* op, const RecurrentInputs& in, int64_t gates, bool cell = false);

/// Throws ShapeError "OP: WHAT has shape …, expected … for REASON" when x has another shape; only then is the reason put into words.
void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape, const std::function<std::string()>& reason);

/// A copy of the lengths that belongs to the layer alone, checked; undefined for undefined ones.
Tensor checked_lengths(const char* op, const Tensor& lengths, const kernels::RecurrenceSizes& s);

/// The states (the hidden state and, for an LSTM, the cell) after a step from those before it. `input_part` (B, gates * H) is
/// W_ih x + b_ih.
using RecurrentStep = std::function<std::vector<Tensor>(const Tensor& input_part, const std::vector<Tensor>& states)>;

/// A layer out of operations that can be differentiated any number of times: the output (T, B, H), then the last states.
std::vector<Tensor> composed_layer(const RecurrentStep& step, const RecurrentInputs& in, const Tensor& lengths, bool reverse);

/// One kind of recurrent layer. Graphs refer to its objects, which are constants.
struct RecurrentKind {
  const char* name;                    ///< of the recorded operation
  std::array<int64_t, 2> saved_width;  ///< in H, of the arrays that forward leaves for backward besides the states; 0 where there is none

  virtual std::vector<Tensor> step(const Tensor& input_part, const std::vector<Tensor>& states, const RecurrentInputs& in) const = 0;

  /// Fills saved, the hidden states after every step (T, B, H), next to h0, and what saved_width asks for, and the last states (B, H).
  virtual void forward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved,
                       std::span<const Tensor> last) const = 0;

  /// Fills dx, like `in` but undefined where no gradient is wanted, from the gradients of the output and the last states, undefined where
  /// there is none.
  virtual void backward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved,
                        std::span<const Tensor> dy, const RecurrentInputs& dx) const = 0;

 protected:
  constexpr RecurrentKind(const char* name_, std::array<int64_t, 2> saved_width_) : name(name_), saved_width(saved_width_) {}
  ~RecurrentKind() = default;
};

/// The layer by its kernels, on checked inputs and lengths: the output (T, B, H), then the last states. Backward is a kernel too, but under
/// create_graph it goes through the composed form.
std::vector<Tensor> fused_layer(const RecurrentKind& kind, const RecurrentInputs& in, const Tensor& lengths, kernels::RecurrenceSizes s);

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

template <class T>
kernels::RecurrentWeightsView<T> weights_view(const RecurrentInputs& in) {
  return {in[kWeightIh].data<T>(), in[kWeightHh].data<T>(), data_or_null<T>(in[kBiasIh]), data_or_null<T>(in[kBiasHh])};
}

template <class T>
kernels::RecurrentGradients<T> gradients_view(const RecurrentInputs& dx) {
  return {data_or_null<T>(dx[kX]),        data_or_null<T>(dx[kH0]),     data_or_null<T>(dx[kWeightIh]),
          data_or_null<T>(dx[kWeightHh]), data_or_null<T>(dx[kBiasIh]), data_or_null<T>(dx[kBiasHh])};
}

}  // namespace gradus
