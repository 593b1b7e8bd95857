#include "gradus/ops/normalization.h"

#include <algorithm>
#include <array>

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"
#include "kernels/batch_norm.h"
#include "kernels/layer_norm.h"
#include "ops/finite.h"

namespace gradus {
namespace {

constexpr Op layer_norm_op("layer_norm", "native_layer_norm"), batch_norm_op("batch_norm", "native_batch_norm"),
    group_norm_op("group_norm");

/// A factor or summand of the normalised numbers, which may be undefined.
void check_parameter(Op op, const char* name, const Tensor& p, const Shape& shape, DType dtype) {
  if (!p.defined()) return;
  op.check<ShapeError>(p.shape() == shape, "{} has shape {}, expected {}", name, p.shape(), shape);
  op.check<DTypeError>(p.dtype() == dtype, "x is {} and {} {}; they must agree", gradus::name(dtype), name, gradus::name(p.dtype()));
}

void check_floating(Op op, const Tensor& x) {
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}; convert with .to(gradus::float32)",
                       name(x.dtype()));
}

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? elements<T>(x) : nullptr;
}

Tensor dense(const Tensor& x) { return x.defined() ? x.detach().contiguous() : x; }

/// h = (x - mean) * scale over some dimensions, out of public operations.
struct Normalized {
  Tensor h, scale;
  Dims dims;

  Normalized(const Tensor& x, const Dims& over, double eps) : dims(over) {
    const Tensor centred = sub(x, mean(x, dims, true));
    const Tensor variance = mean(square(centred), dims, true);
    scale = rsqrt(add(variance, eps));
    if (x.numel() > 0 && !all_finite(variance) && all_finite(centred)) scale = where(isfinite(variance), scale, scale_of_large(centred));
    h = mul(centred, scale);
  }

  /// 1 / sqrt(variance) where the variance is beyond the dtype's largest number, beside which eps is nothing.
  Tensor scale_of_large(const Tensor& centred) const {
    const Tensor top = clamp(amax(abs(centred), dims, true), 1.0);
    return div(rsqrt(mean(square(div(centred, top)), dims, true)), top);
  }

  /// The gradient of x for that of h.
  Tensor gradient(const Tensor& dh) const { return mul(scale, sub(sub(dh, mean(dh, dims, true)), mul(h, mean(mul(dh, h), dims, true)))); }
};

/// What layer_norm keeps for backward, and its gradients.
struct LayerNormPullback {
  Saved x, weight, mean, rstd;
  Shape shape;  // the normalised one
  double eps;

  /// By the kernel.
  void fused(const Tensor& dy, InputGradients dx) const {
    NoGradGuard no_grad;
    const Tensor d = dy.contiguous(), w = dense(*weight), idle = idle_rows(dy);
    const auto asked = [&](const Tensor& numbers) { return idle.defined() ? masked_fill(numbers, idle, 0) : numbers; };
    const Tensor seen = asked(*x), centre = asked(*mean), scale = asked(*rstd);
    const int64_t rows = mean->numel(), n = shape.numel();
    for (size_t i = 0; i < 3; ++i)
      if (dx.needs(i)) dx[i] = layer_norm_op.empty(i == 0 ? x->shape() : shape, x->dtype());
    dispatch_floating(layer_norm_op, x->dtype(), [&]<class T>() {
      kernels::layer_norm_backward<T>(rows, n, elements<T>(seen), data_or_null<T>(w), elements<T>(centre), elements<T>(scale),
                                      elements<T>(d), data_or_null<T>(dx[0]), data_or_null<T>(dx[1]), data_or_null<T>(dx[2]));
    });
  }

  /// Out of public operations, for a recorded backward pass.
  void composed(const Tensor& dy, InputGradients dx) const {
    const Tensor idle = idle_rows(dy);
    const Normalized n(idle.defined() ? masked_fill(*x, idle, 0) : *x, normalized_dims(), eps);
    if (dx.needs(0)) dx[0] = n.gradient(weight->defined() ? mul(dy, *weight) : dy);
    if (dx.needs(1)) dx[1] = mul(dy, n.h);
    if (dx.needs(2)) dx[2] = dy;
  }

 private:
  Dims normalized_dims() const {
    Dims last;
    for (int64_t d = x->dim() - shape.size(); d < x->dim(); ++d) last.push_back(d);
    return last;
  }

  /// Which rows are not finite though nobody asked for them, their gradient being 0: true in the shape of the mean. Undefined for none.
  Tensor idle_rows(const Tensor& dy) const {
    NoGradGuard no_grad;
    if (all_finite(*mean)) return {};
    return logical_and(logical_not(isfinite(*mean)), eq(sum(ne(dy, 0), normalized_dims(), true), 0));
  }
};

}  // namespace

LayerNormOutput native_layer_norm(const Tensor& given, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                                  double eps) {
  const Shape& shape = impl_of(layer_norm_op, given).layout.shape;
  const int64_t kept = shape.size() - normalized_shape.size();
  layer_norm_op.check<ShapeError>(!normalized_shape.empty(), "normalized_shape is empty; name the sizes of one dimension or more");
  layer_norm_op.check<ShapeError>(
      kept >= 0 && Shape(std::span(shape.begin() + std::max<int64_t>(kept, 0), shape.end())) == normalized_shape,
      "x has shape {}, which does not end in the normalized_shape {}", shape, normalized_shape);
  check_floating(layer_norm_op, given);
  check_parameter(layer_norm_op, "weight", weight, normalized_shape, given.dtype());
  check_parameter(layer_norm_op, "bias", bias, normalized_shape, given.dtype());

  const Tensor x = given.contiguous();
  Shape outer = shape;
  for (int64_t d = kept; d < outer.size(); ++d) outer[d] = 1;
  const int64_t rows = outer.numel(), n = normalized_shape.numel();
  LayerNormOutput y{layer_norm_op.empty(shape, x.dtype()), layer_norm_op.empty(outer, x.dtype()), layer_norm_op.empty(outer, x.dtype())};
  const Tensor w = dense(weight), b = dense(bias);
  dispatch_floating(layer_norm_op, x.dtype(), [&]<class T>() {
    kernels::layer_norm<T>(rows, n, elements<T>(x), data_or_null<T>(w), data_or_null<T>(b), eps, elements<T>(y.output), elements<T>(y.mean),
                           elements<T>(y.rstd));
  });
  const std::array<Tensor, 3> inputs{x, weight, bias};
  LayerNormPullback pullback{Saved(x), Saved(weight), Saved(y.mean), Saved(y.rstd), normalized_shape, eps};
  layer_norm_op.record_joint(std::span(&y.output, 1), inputs, [pullback = std::move(pullback)](std::span<Tensor> dy, InputGradients dx) {
    if (recording_backward()) pullback.composed(dy[0], dx);
    else pullback.fused(dy[0], dx);
  });
  return y;
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  return native_layer_norm(x, normalized_shape, weight, bias, eps).output;
}

namespace {

/// A tensor of one number a channel, to broadcast over x (N, C, …).
Tensor by_channel(const Tensor& p, int64_t rank) {
  Shape shape = Shape::filled(rank, 1);
  shape[1] = p.numel();
  return p.reshape(shape);
}

/// The dimensions that a channel's numbers are taken over.
Dims all_but_channels(int64_t rank) {
  Dims dims = 0;
  for (int64_t d = 2; d < rank; ++d) dims.push_back(d);
  return dims;
}

/// y * weight by channel, recorded as op. What is not finite in y, and has a gradient of 0, was not asked for: it leaves the weight's
/// alone.
Tensor times_by_channel(Op op, const Tensor& y, const Tensor& weight) {
  const Tensor w = by_channel(weight, y.dim());
  Tensor z;
  {
    NoGradGuard no_grad;
    z = mul(y, w);
  }
  return op.record(z, wrt(y, [w = Saved(w)](const Tensor& dz) { return mul(dz, *w); }),
                   wrt(w, [y = Saved(y)](const Tensor& dz) { return share_of(dz, *y); }));
}

/// (x - mean) * rstd with the running numbers, which are constants.
struct Standardized {
  Tensor h, scale;

  Standardized(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, double eps)
      : scale(by_channel(rsqrt(add(running_var, eps)), x.dim())) {
    h = mul(sub(x, by_channel(running_mean, x.dim())), scale);
  }
  Tensor gradient(const Tensor& dh) const { return mul(scale, dh); }
};

/// h * weight + bias by channel, out of public operations; `normalize(x)` gives h, and x's gradient for h's.
template <class F>
struct ScaledByChannel {
  F normalize;

  Tensor operator()(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    Tensor y = normalize(x.detach()).h;
    if (weight.defined()) y = mul(y, by_channel(weight, x.dim()));
    return bias.defined() ? add(y, by_channel(bias, x.dim())) : y;
  }
  void gradients(const Tensor& x, const Tensor& weight, const Tensor& dy, InputGradients dx) const {
    const auto n = normalize(x);
    if (dx.needs(0)) dx[0] = n.gradient(weight.defined() ? mul(dy, by_channel(weight, x.dim())) : dy);
    const Dims dims = all_but_channels(x.dim());
    if (dx.needs(1)) dx[1] = sum(share_of(dy, n.h), dims);
    if (dx.needs(2)) dx[2] = sum(dy, dims);
  }
};

/// The same, recorded as op.
template <class F>
Tensor scaled_by_channel(Op op, const Tensor& x, const Tensor& weight, const Tensor& bias, F normalize) {
  const ScaledByChannel<F> layer{normalize};
  Tensor y;
  {
    NoGradGuard no_grad;
    y = layer(x, weight, bias);
  }
  op.record_joint(
      std::span(&y, 1), std::array{x, weight, bias},
      [x = Saved(x), weight = Saved(weight), layer](std::span<Tensor> dy, InputGradients dx) { layer.gradients(*x, *weight, dy[0], dx); });
  return y;
}

/// batch_norm over the numbers of the batch, by its kernel. What the kernel cannot do, where something is not finite or backward is
/// recorded, public operations do.
struct BatchNorm {
  Tensor y, mean, variance, rstd;

  static kernels::ChannelSizes sizes(const Tensor& x) {
    return {x.size(0), x.size(1), x.numel() / std::max<int64_t>(x.size(0) * x.size(1), 1)};
  }
  /// Of a channel's numbers beside each other: fewer leave most of the kernel's lanes empty. (A guess, not measured.)
  static constexpr int64_t fewest_beside = 8;
  /// Whether a channel's numbers lie in rows long enough for the kernel.
  static bool takes(const Tensor& x) { return x.numel() > 0 && sizes(x).inner >= fewest_beside; }

  BatchNorm(const Tensor& given, const Tensor& weight, const Tensor& bias, double eps) {
    const Tensor x = given.detach().contiguous(), w = dense(weight), b = dense(bias);
    const Shape channels{x.size(1)};
    y = batch_norm_op.empty(x.shape(), x.dtype());
    for (Tensor* numbers : {&mean, &variance, &rstd}) *numbers = batch_norm_op.empty(channels, x.dtype());
    dispatch_floating(batch_norm_op, x.dtype(), [&]<class T>() {
      kernels::batch_norm<T>(sizes(x), elements<T>(x), data_or_null<T>(w), data_or_null<T>(b), eps, elements<T>(y), elements<T>(mean),
                             elements<T>(variance), elements<T>(rstd));
    });
  }
  bool is_finite() const { return all_finite(mean) && all_finite(variance); }
};

/// The gradients of it by the kernel.
void batch_norm_gradients(const Tensor& given, const Tensor& weight, const Tensor& mean, const Tensor& rstd, const Tensor& dy,
                          InputGradients dx) {
  NoGradGuard no_grad;
  const Tensor x = given.contiguous(), w = dense(weight), d = dy.contiguous();
  for (size_t i = 0; i < 3; ++i)
    if (dx.needs(i)) dx[i] = batch_norm_op.empty(i == 0 ? x.shape() : mean.shape(), x.dtype());
  dispatch_floating(batch_norm_op, x.dtype(), [&]<class T>() {
    kernels::batch_norm_backward<T>(BatchNorm::sizes(x), elements<T>(x), data_or_null<T>(w), elements<T>(mean), elements<T>(rstd),
                                    elements<T>(d), data_or_null<T>(dx[0]), data_or_null<T>(dx[1]), data_or_null<T>(dx[2]));
  });
}

/// running = (1 - momentum) * running + momentum * current, where there are running numbers; `current()` gives those of now.
template <class F>
void update_running(const Tensor& running, double momentum, F current) {
  NoGradGuard no_grad;
  if (running.defined()) running.copy_(running * (1 - momentum) + current() * momentum);
}

/// batch_norm in training; the running variance is that with n - 1.
Tensor trained_batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight, const Tensor& bias,
                          double momentum, double eps) {
  const Dims dims = all_but_channels(x.dim());
  const auto normalize = [dims, eps](const Tensor& v) { return Normalized(v, dims, eps); };
  if (BatchNorm::takes(x))
    if (const BatchNorm by_kernel(x, weight, bias, eps); by_kernel.is_finite()) {
      Tensor y = by_kernel.y;
      batch_norm_op.record_joint(std::span(&y, 1), std::array{x, weight, bias},
                                 [x = Saved(x), weight = Saved(weight), mean = Saved(by_kernel.mean), rstd = Saved(by_kernel.rstd),
                                  layer = ScaledByChannel<decltype(normalize)>{normalize}](std::span<Tensor> dy, InputGradients dx) {
                                   if (recording_backward()) layer.gradients(*x, *weight, dy[0], dx);
                                   else batch_norm_gradients(*x, *weight, *mean, *rstd, dy[0], dx);
                                 });
      const auto count = static_cast<double>(BatchNorm::sizes(x).count());
      update_running(running_mean, momentum, [&] { return by_kernel.mean; });
      update_running(running_var, momentum, [&] { return by_kernel.variance * (count / (count - 1)); });
      return y;
    }
  const Tensor y = scaled_by_channel(batch_norm_op, x, weight, bias, normalize);
  if (x.numel() > 0) {
    update_running(running_mean, momentum, [&] { return mean(x.detach(), dims); });
    update_running(running_var, momentum, [&] { return var(x.detach(), dims); });
  }
  return y;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight, const Tensor& bias,
                  bool training, double momentum, double eps) {
  const Shape& shape = impl_of(batch_norm_op, x).layout.shape;
  if (shape == Shape(0)) return x.clone();  // nothing, without channels: PyTorch takes it
  batch_norm_op.check<ShapeError>(shape.size() >= 2, "x has shape {}, expected (batch, channels, …)", shape);
  check_floating(batch_norm_op, x);
  const int64_t channels = shape[1];
  const std::array named{std::pair("running_mean", running_mean), std::pair("running_var", running_var), std::pair("weight", weight),
                         std::pair("bias", bias)};
  for (const auto& [name, tensor] : named) check_parameter(batch_norm_op, name, tensor, channels, x.dtype());
  for (const Tensor& running : {running_mean, running_var}) {
    batch_norm_op.check<ValueError>(training || running.defined(), "without training it needs running_mean and running_var");
    batch_norm_op.check<AutogradError>(!running.defined() || !running.requires_grad(),
                                       "running_mean and running_var have no gradient; give their detach()");
  }
  if (!training)
    return scaled_by_channel(batch_norm_op, x, weight, bias,
                             [center = Saved(running_mean), spread = Saved(running_var), eps](const Tensor& v) {
                               return Standardized(v, *center, *spread, eps);
                             });
  batch_norm_op.check<ValueError>(x.numel() != channels || x.numel() == 0, "x of shape {} has one value a channel, which has no variance",
                                  shape);
  return trained_batch_norm(x, running_mean, running_var, weight, bias, momentum, eps);
}

Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  const Shape& shape = impl_of(group_norm_op, x).layout.shape;
  group_norm_op.check<ShapeError>(shape.size() >= 2, "x has shape {}, expected (batch, channels, …)", shape);
  check_floating(group_norm_op, x);
  group_norm_op.check<ValueError>(num_groups > 0, "num_groups is {}, but must be positive", num_groups);
  group_norm_op.check<ShapeError>(shape[1] % num_groups == 0, "the {} channels of shape {} do not divide into {} groups", shape[1], shape,
                                  num_groups);
  check_parameter(group_norm_op, "weight", weight, shape[1], x.dtype());
  check_parameter(group_norm_op, "bias", bias, shape[1], x.dtype());
  const int64_t numbers = x.numel() / std::max<int64_t>(shape[0] * num_groups, 1);  // of a group
  group_norm_op.check<ValueError>(shape[0] * numbers != 1, "x of shape {} has one value a group, which has no variance", shape);
  Tensor y = layer_norm(x.reshape({shape[0], num_groups, numbers}), numbers, {}, {}, eps).reshape(shape);
  if (weight.defined()) y = times_by_channel(group_norm_op, y, weight);
  return bias.defined() ? add(y, by_channel(bias, shape.size())) : y;
}

Tensor normalize(const Tensor& x, double p, const Dims& dims, double eps) { return div(x, clamp(norm(x, p, dims, true), eps)); }

}  // namespace gradus
