// The program of docs/tutorials/09_your_own_operation.md: an operation with a derivative of its own, and how to be sure of it.

// [start:includes]
#include <gradus/gradus.h>

#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <vector>

namespace autograd = gradus::autograd;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:composed]
/// log cosh x of other operations. x: any shape → the same shape
static Tensor composed(const Tensor& x) { return ((x.exp() + (-x).exp()) / 2).log(); }
// [end:composed]

// [start:log_cosh]
struct LogCosh : autograd::Function<LogCosh> {
  static constexpr const char* name = "log_cosh";

  static std::vector<Tensor> forward(autograd::Context& ctx, const std::vector<Tensor>& inputs) {
    const Tensor& x = inputs[0];                                       // any shape
    ctx.save_for_backward({x});                                        // what backward needs
    const Tensor size = x.abs();                                       // |x|
    return {size + gradus::log1p((size * -2).exp()) - std::log(2.0)};  // the same shape
  }

  static std::vector<Tensor> backward(autograd::Context& ctx, const std::vector<Tensor>& grads) {
    const Tensor x = ctx.saved_tensors()[0];
    return {grads[0] * x.tanh()};  // dL/dx = dL/dy · dy/dx
  }
};

static Tensor log_cosh(const Tensor& x) { return LogCosh::apply({x})[0]; }
// [end:log_cosh]

// [start:wrong]
struct Wrong : LogCosh {
  static std::vector<Tensor> backward(autograd::Context& ctx, const std::vector<Tensor>& grads) {
    return {grads[0] * ctx.saved_tensors()[0].sigmoid()};  // looks much like tanh, and is not
  }
  static std::vector<Tensor> apply(const std::vector<Tensor>& inputs) {
    return autograd::apply_function(inputs, name, &forward, &backward);
  }
};
// [end:wrong]

// [start:once]
struct OnceOnly : LogCosh {
  static std::vector<Tensor> backward(autograd::Context& ctx, const std::vector<Tensor>& grads) {
    return {grads[0] * ctx.saved_tensors()[0].detach().tanh()};  // right, but x's part in it is forgotten
  }
  static std::vector<Tensor> apply(const std::vector<Tensor>& inputs) {
    return autograd::apply_function(inputs, name, &forward, &backward);
  }
};
// [end:once]

// [start:round]
struct RoundStraightThrough : autograd::Function<RoundStraightThrough> {
  static constexpr const char* name = "round_straight_through";
  static std::vector<Tensor> forward(autograd::Context&, const std::vector<Tensor>& inputs) { return {inputs[0].round()}; }
  static std::vector<Tensor> backward(autograd::Context&, const std::vector<Tensor>& grads) { return {grads[0]}; }
};
// [end:round]

// [start:answer_1]
struct Hypot : autograd::Function<Hypot> {
  static constexpr const char* name = "hypot";

  static std::vector<Tensor> forward(autograd::Context& ctx, const std::vector<Tensor>& in) {  // x and y of one shape
    const Tensor z = (in[0] * in[0] + in[1] * in[1]).sqrt();
    ctx.save_for_backward({in[0], in[1], z});
    return {z};
  }
  static std::vector<Tensor> backward(autograd::Context& ctx, const std::vector<Tensor>& grads) {
    const std::vector<Tensor> saved = ctx.saved_tensors();
    Tensor dx, dy;
    if (ctx.needs_input_grad(0)) dx = grads[0] * saved[0] / saved[2];
    if (ctx.needs_input_grad(1)) dy = grads[0] * saved[1] / saved[2];
    return {dx, dy};
  }
};
// [end:answer_1]

// [start:answer_2]
/// x as it is; its gradient comes back multiplied by -factor.
static Tensor reverse_gradient(const Tensor& x, double factor) {
  const auto forward = [](autograd::Context&, const std::vector<Tensor>& in) { return std::vector<Tensor>{in[0].clone()}; };
  const auto backward = [factor](autograd::Context&, const std::vector<Tensor>& grads) { return std::vector<Tensor>{grads[0] * -factor}; };
  return autograd::apply_function({x}, "reverse_gradient", forward, backward)[0];
}
// [end:answer_2]

// [start:answer_3]
struct RunningSum : autograd::Function<RunningSum> {
  static constexpr const char* name = "running_sum";
  static std::vector<Tensor> forward(autograd::Context&, const std::vector<Tensor>& in) {  // (N)
    std::vector<double> sums = in[0].to_vector<double>();
    for (size_t i = 1; i < sums.size(); ++i) sums[i] += sums[i - 1];
    return {gradus::from_vector(sums, in[0].size(0)).to(in[0].dtype())};
  }
  static std::vector<Tensor> backward(autograd::Context&, const std::vector<Tensor>& grads) {
    return {apply({grads[0].flip({0})})[0].flip({0})};  // x[i] is in all sums from i on
  }
};
// [end:answer_3]

int main() {
  region("overflow");
  // [start:overflow]
  Tensor x = gradus::tensor({0.0, 1.0, 100.0}).requires_grad_();  // (3) float32
  Tensor y = composed(x);                                         // (3)
  std::cout << "value " << y.detach() << "\nslope " << autograd::grad({y.sum()}, {x})[0] << "\n";
  // [end:overflow]

  region("used");
  // [start:used]
  Tensor z = log_cosh(x);  // (3)
  std::cout << z << "\nslope " << autograd::grad({z.sum()}, {x})[0] << "\n";
  // [end:used]

  region("gradcheck");
  // [start:gradcheck]
  const auto f = [](const std::vector<Tensor>& in) { return std::vector<Tensor>{log_cosh(in[0])}; };
  gradus::manual_seed(0);
  const Tensor points = gradus::randn({3, 4}, {.dtype = gradus::float64}).requires_grad_();  // (3, 4)
  std::cout << "first derivative:  " << (autograd::gradcheck(f, {points}) ? "right" : "wrong") << "\n";
  std::cout << "second derivative: " << (autograd::gradgradcheck(f, {points}) ? "right" : "wrong") << "\n";
  // [end:gradcheck]

  region("wrong");
  // [start:caught]
  try {
    autograd::gradcheck([](const std::vector<Tensor>& in) { return Wrong::apply(in); }, {points});
  } catch (const gradus::AutogradError& error) {
    std::cout << error.what() << "\n";
  }
  // [end:caught]

  region("once");
  // [start:caught_once]
  const auto once = [](const std::vector<Tensor>& in) { return OnceOnly::apply(in); };
  std::cout << "first derivative:  " << (autograd::gradcheck(once, {points}) ? "right" : "wrong") << "\n";
  try {
    autograd::gradgradcheck(once, {points});
  } catch (const gradus::AutogradError& error) {
    std::cout << "second derivative: " << error.what() << "\n";
  }
  // [end:caught_once]

  region("round");
  // [start:rounded]
  Tensor weight = gradus::tensor({0.4, 0.8, -1.2}).requires_grad_();  // (3)
  Tensor level = gradus::tensor({2.0, 1.0, -1.0});                    // (3): what the rounded weights should be
  gradus::optim::SGD sgd({weight}, {.lr = 0.1});
  for (int step = 0; step < 20; ++step) {
    Tensor error = RoundStraightThrough::apply({weight})[0] - level;  // (3)
    sgd.zero_grad();
    (error * error).sum().backward();
    sgd.step();
  }
  std::cout << "weight " << weight.detach() << ", rounded " << weight.detach().round() << "\n";
  // [end:rounded]

  region("answer_1");
  // [start:run_1]
  const Tensor a = gradus::randn({5}, {.dtype = gradus::float64}).requires_grad_(),
               b = gradus::randn({5}, {.dtype = gradus::float64}).requires_grad_();
  const auto hypot = [](const std::vector<Tensor>& in) { return Hypot::apply(in); };
  std::cout << "right: " << (autograd::gradcheck(hypot, {a, b}) && autograd::gradgradcheck(hypot, {a, b}) ? "yes" : "no") << "\n";
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  Tensor w = gradus::tensor({1.0, 2.0}).requires_grad_();  // (2)
  reverse_gradient(w * 3, 0.5).sum().backward();
  std::cout << w.grad() << "\n";
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  const auto running = [](const std::vector<Tensor>& in) { return RunningSum::apply(in); };
  std::cout << RunningSum::apply({gradus::tensor({1.0, 2.0, 3.0, 4.0})})[0] << "\n";
  std::cout << "right: " << (autograd::gradcheck(running, {a}) && autograd::gradgradcheck(running, {a}) ? "yes" : "no") << "\n";
  // [end:run_3]
}
