#include "gradus/ops/recurrent.h"

#include "kernels/lstm.h"

#include <fmt/format.h>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "ops/recurrent/recurrence.h"

namespace gradus {
namespace {

struct Lstm final : RecurrentKind {
  constexpr Lstm() : RecurrentKind("lstm", {4, 1}) {}

  std::vector<Tensor> step(const Tensor& input_part, const std::vector<Tensor>& states, const RecurrentInputs& in) const override {
    const std::vector<Tensor> g = chunk(input_part + linear(states[0], in[kWeightHh], in[kBiasHh]), 4, 1);  // i, f, g, o
    const Tensor c = sigmoid(g[1]) * states[1] + sigmoid(g[0]) * tanh(g[2]);
    return {sigmoid(g[3]) * tanh(c), c};
  }

  void forward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved,
               std::span<const Tensor> last) const override {
    dispatch_floating(name, in[kX].dtype(), [&]<class T>() {
      kernels::lstm_forward<T>(s, in[kX].data<T>(), in[kC0].data<T>(), weights_view<T>(in), saved_view<T>(saved),
                               {last[0].data<T>(), last[1].data<T>()});
    });
  }

  void backward(const kernels::RecurrenceSizes& s, const RecurrentInputs& in, std::span<const Tensor> saved, std::span<const Tensor> dy,
                const RecurrentInputs& dx) const override {
    dispatch_floating(name, in[kX].dtype(), [&]<class T>() {
      kernels::lstm_backward<T>(s, in[kX].data<T>(), in[kC0].data<T>(), weights_view<T>(in), saved_view<T>(saved), data_or_null<T>(dy[0]),
                                {data_or_null<T>(dy[1]), data_or_null<T>(dy[2])}, gradients_view<T>(dx), data_or_null<T>(dx[kC0]));
    });
  }

 private:
  template <class T>
  static kernels::LstmSaved<T> saved_view(std::span<const Tensor> saved) {
    return {.gates = saved[1].data<T>(), .cells = saved[2].data<T>(), .states = saved[0].data<T>()};
  }
};

}  // namespace

LSTMLayerOutput lstm_layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const RecurrentWeights& w, const Tensor& lengths,
                           bool reverse) {
  static constexpr Lstm kind;
  const char* op = "lstm_layer";
  check<ShapeError>(impl_of(op, h0).layout.shape == impl_of(op, c0).layout.shape || w.weight_hr.defined(),
                    "{}: h0 has shape {} and c0 {}; without weight_hr they must be alike", op, h0.shape(), c0.shape());
  const RecurrentInputs in{x, h0, w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh, c0};
  kernels::RecurrenceSizes s = checked_sizes(op, in, 4);
  s.reverse = reverse;
  const Tensor of_layer = checked_lengths(op, lengths, s);
  if (!w.weight_hr.defined()) {
    const std::vector<Tensor> y = fused_layer(kind, in, of_layer, s);
    return {y[0], y[1], y[2]};
  }
  const int64_t P = h0.size(1);
  check<DTypeError>(w.weight_hr.dtype() == x.dtype(), "{}: x is {} but weight_hr is {}; all must have one dtype", op, name(x.dtype()),
                    name(w.weight_hr.dtype()));
  expect_shape(op, "weight_hr", w.weight_hr, {P, s.H}, [&] { return fmt::format("projection size {} and hidden size {}", P, s.H); });
  const auto projected = [&](const Tensor& input_part, const std::vector<Tensor>& states) {
    std::vector<Tensor> next = kind.step(input_part, states, in);
    next[0] = linear(next[0], w.weight_hr);
    return next;
  };
  const std::vector<Tensor> y = composed_layer(projected, in, of_layer, reverse);
  return {y[0], y[1], y[2]};
}

}  // namespace gradus
