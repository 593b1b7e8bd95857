#include "gradus/ops/normalization.h"

#include <array>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/ops.h"
#include "kernels/layer_norm.h"

namespace gradus {
namespace {

/// A factor or summand of the normalised numbers, which may be undefined.
void check_parameter(const char* op, const char* name, const Tensor& p, const Shape& shape, DType dtype) {
  if (!p.defined()) return;
  check<ShapeError>(p.shape() == shape, "{}: {} has shape {}, expected {}", op, name, p.shape(), shape);
  check<DTypeError>(p.dtype() == dtype, "{}: x is {} and {} {}; they must agree", op, gradus::name(dtype), name, gradus::name(p.dtype()));
}

void check_floating(const char* op, const Tensor& x) {
  check<DTypeError>(is_floating_point(x.dtype()), "{}: takes float32 or float64, got {}; convert with .to(gradus::float32)", op,
                    name(x.dtype()));
}

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

Tensor dense(const Tensor& x) { return x.defined() ? x.detach().contiguous() : x; }

/// What layer_norm keeps for backward, and its gradients.
struct LayerNormTape {
  Saved x, weight, mean, rstd;
  Shape shape;  // the normalised one
  double eps;
  std::array<bool, 3> wanted;  // the gradients of x, weight and bias

  /// By the kernel.
  void fused(const Tensor& dy, std::span<Tensor> dx) const {
    NoGradGuard no_grad;
    const Tensor d = dy.contiguous(), w = dense(*weight);
    const int64_t rows = mean->numel(), n = shape.numel();
    for (size_t i = 0; i < 3; ++i)
      if (wanted[i]) dx[i] = new_tensor("layer_norm", i == 0 ? x->shape() : shape, x->dtype());
    dispatch_floating("layer_norm", x->dtype(), [&]<class T>() {
      kernels::layer_norm_backward<T>(rows, n, x->data<T>(), data_or_null<T>(w), mean->data<T>(), rstd->data<T>(), d.data<T>(),
                                      data_or_null<T>(dx[0]), data_or_null<T>(dx[1]), data_or_null<T>(dx[2]));
    });
  }

  /// Out of public operations, for a recorded backward pass.
  void composed(const Tensor& dy, std::span<Tensor> dx) const {
    Dims last;
    for (int64_t d = x->dim() - shape.size(); d < x->dim(); ++d) last.push_back(d);
    const Tensor centred = sub(*x, gradus::mean(*x, last, true));
    const Tensor scale = gradus::rsqrt(add(gradus::mean(square(centred), last, true), eps)), h = mul(centred, scale);
    if (wanted[0]) {
      const Tensor g = weight->defined() ? mul(dy, *weight) : dy;
      dx[0] = mul(scale, sub(sub(g, gradus::mean(g, last, true)), mul(h, gradus::mean(mul(g, h), last, true))));
    }
    if (wanted[1]) dx[1] = mul(dy, h);
    if (wanted[2]) dx[2] = dy;
  }
};

}  // namespace

LayerNormOutput native_layer_norm(const Tensor& given, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                                  double eps) {
  const Shape& shape = impl_of("layer_norm", given).layout.shape;
  const int64_t kept = shape.size() - normalized_shape.size();
  check<ShapeError>(!normalized_shape.empty(), "layer_norm: normalized_shape is empty; name the sizes of one dimension or more");
  check<ShapeError>(kept >= 0 && Shape(std::span(shape.begin() + std::max<int64_t>(kept, 0), shape.end())) == normalized_shape,
                    "layer_norm: x has shape {}, which does not end in the normalized_shape {}", shape, normalized_shape);
  check_floating("layer_norm", given);
  check_parameter("layer_norm", "weight", weight, normalized_shape, given.dtype());
  check_parameter("layer_norm", "bias", bias, normalized_shape, given.dtype());

  const Tensor x = given.contiguous();
  Shape outer = shape;
  for (int64_t d = kept; d < outer.size(); ++d) outer[d] = 1;
  const int64_t rows = outer.numel(), n = normalized_shape.numel();
  LayerNormOutput y{new_tensor("layer_norm", shape, x.dtype()), new_tensor("layer_norm", outer, x.dtype()),
                    new_tensor("layer_norm", outer, x.dtype())};
  const Tensor w = dense(weight), b = dense(bias);
  dispatch_floating("layer_norm", x.dtype(), [&]<class T>() {
    kernels::layer_norm<T>(rows, n, x.data<T>(), data_or_null<T>(w), data_or_null<T>(b), eps, y.output.data<T>(), y.mean.data<T>(),
                           y.rstd.data<T>());
  });
  const std::array<Tensor, 3> inputs{x, weight, bias};
  LayerNormTape tape{Saved(x), Saved(weight), Saved(y.mean), Saved(y.rstd), normalized_shape, eps, {}};
  for (size_t i = 0; i < 3; ++i) tape.wanted[i] = inputs[i].defined() && inputs[i].requires_grad();
  record_joint("native_layer_norm", std::span(&y.output, 1), inputs, [tape = std::move(tape)](std::span<Tensor> dy, std::span<Tensor> dx) {
    if (recording_backward()) tape.composed(dy[0], dx);
    else tape.fused(dy[0], dx);
  });
  return y;
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  return native_layer_norm(x, normalized_shape, weight, bias, eps).output;
}

}  // namespace gradus
