#include "gradus/ops/recurrent.h"

#include "core/dispatch.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "kernels/gru.h"
#include "ops/recurrent/recurrence.h"

namespace gradus {
namespace {

struct Gru final : RecurrentKind {
  bool reset_after;

  constexpr explicit Gru(bool reset_after_) : RecurrentKind("gru", {3, 1}), reset_after(reset_after_) {}

  std::vector<Tensor> step(const Tensor& input_part, const std::vector<Tensor>& states, const RecurrentInputs& in) const override {
    const Tensor &h = states[0], &weight = in[kWeightHh], &bias = in[kBiasHh];
    const int64_t H = h.size(1);
    const auto gate = [&](const Tensor& x, int64_t i) { return narrow(x, 1, i * H, H); };
    const auto bias_of = [&](int64_t from, int64_t length) { return bias.defined() ? narrow(bias, 0, from, length) : Tensor(); };
    const Tensor rz = linear(h, narrow(weight, 0, 0, 2 * H), bias_of(0, 2 * H));
    const Tensor weight_hn = narrow(weight, 0, 2 * H, H), bias_hn = bias_of(2 * H, H);
    const Tensor r = sigmoid(gate(input_part, 0) + gate(rz, 0));
    const Tensor z = sigmoid(gate(input_part, 1) + gate(rz, 1));
    const Tensor inner = reset_after ? r * linear(h, weight_hn, bias_hn) : linear(r * h, weight_hn, bias_hn);
    const Tensor n = tanh(gate(input_part, 2) + inner);
    return {n + z * (h - n)};
  }

  void forward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved,
               std::span<const Tensor> last) const override {
    dispatch_floating(name, in[kX].dtype(), [&]<class T>() {
      kernels::gru_forward<T>({s, reset_after}, in[kX].data<T>(), weights_view<T>(in), saved_view<T>(saved), last[0].data<T>());
    });
  }

  void backward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved, std::span<const Tensor> dy,
                const RecurrentInputs& dx) const override {
    dispatch_floating(name, in[kX].dtype(), [&]<class T>() {
      kernels::gru_backward<T>({s, reset_after}, in[kX].data<T>(), weights_view<T>(in), saved_view<T>(saved), data_or_null<T>(dy[0]),
                               data_or_null<T>(dy[1]), gradients_view<T>(dx));
    });
  }

 private:
  template <class T>
  static kernels::GruSaved<T> saved_view(std::span<const Tensor> saved) {
    return {.gates = saved[1].data<T>(), .inner = saved[2].data<T>(), .states = saved[0].data<T>()};
  }
};

const Gru& kind_of(bool reset_after) {
  static constexpr Gru before(false), after(true);
  return reset_after ? after : before;
}

RecurrentInputs inputs_of(const Tensor& x, const Tensor& h0, const GRUWeights& w) {
  return {x, h0, w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh};
}

}  // namespace

GRUOutput gru_layer(const Tensor& x, const Tensor& h0, const GRUWeights& weights, const Tensor& lengths, bool reverse, bool reset_after) {
  const RecurrentInputs in = inputs_of(x, h0, weights);
  kernels::RecurrenceSizes s = checked_sizes("gru_layer", in, 3);
  s.reverse = reverse;
  const std::vector<Tensor> y = fused_layer(kind_of(reset_after), in, checked_lengths("gru_layer", lengths, s), s);
  return {y[0], y[1]};
}

Tensor gru_cell(const Tensor& x, const Tensor& h, const GRUWeights& weights, bool reset_after) {
  RecurrentInputs in = inputs_of(x, h, weights);
  const kernels::RecurrenceSizes s = checked_sizes("gru_cell", in, 3, true);
  in[kX] = unsqueeze(x, 0);
  return fused_layer(kind_of(reset_after), in, {}, s)[1];
}

}  // namespace gradus
