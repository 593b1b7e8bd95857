#include "gradus/ops/recurrent.h"

#include "kernels/rnn.h"

#include "core/dispatch.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "ops/recurrent/recurrence.h"

namespace gradus {
namespace {

using kernels::Nonlinearity;

struct Rnn final : RecurrentKind {
  Nonlinearity f;

  constexpr explicit Rnn(Nonlinearity f_) : RecurrentKind("rnn", {0, 0}), f(f_) {}

  std::vector<Tensor> step(const Tensor& input_part, const std::vector<Tensor>& states, const RecurrentInputs& in) const override {
    const Tensor sum = input_part + linear(states[0], in[kWeightHh], in[kBiasHh]);
    return {f == Nonlinearity::Relu ? relu(sum) : tanh(sum)};
  }

  void forward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved,
               std::span<const Tensor> last) const override {
    dispatch_floating(name, in[kX].dtype(), [&]<class T>() {
      kernels::rnn_forward<T>(s, f, in[kX].data<T>(), weights_view<T>(in), saved[0].data<T>(), last[0].data<T>());
    });
  }

  void backward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved, std::span<const Tensor> dy,
                const RecurrentInputs& dx) const override {
    dispatch_floating(name, in[kX].dtype(), [&]<class T>() {
      kernels::rnn_backward<T>(s, f, in[kX].data<T>(), weights_view<T>(in), saved[0].data<T>(), data_or_null<T>(dy[0]),
                               data_or_null<T>(dy[1]), gradients_view<T>(dx));
    });
  }
};

}  // namespace

RNNLayerOutput rnn_layer(const Tensor& x, const Tensor& h0, const RecurrentWeights& w, const Tensor& lengths, bool reverse, bool use_relu) {
  static constexpr Rnn with_tanh(Nonlinearity::Tanh), with_relu(Nonlinearity::Relu);
  const RecurrentInputs in{x, h0, w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh};
  kernels::RecurrenceSizes s = checked_sizes("rnn_layer", in, 1);
  s.reverse = reverse;
  const std::vector<Tensor> y = fused_layer(use_relu ? with_relu : with_tanh, in, checked_lengths("rnn_layer", lengths, s), s);
  return {y[0], y[1]};
}

}  // namespace gradus
