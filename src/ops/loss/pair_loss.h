#pragma once

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/loss.h"
#include "kernels/pair_loss.h"
#include "ops/elementwise.h"
#include "ops/finite.h"
#include "ops/number_or_tensor.h"

/// What losses share: the reduction, and losses that compare element with element.
namespace gradus {

inline Tensor reduced_loss(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? losses.sum() : losses.mean();
}

/// Throws ShapeError unless a prediction and its target have one shape.
inline void check_same_shape(Op op, const Tensor& x, const Tensor& target) {
  op.check<ShapeError>(impl_of(op, x).layout.shape == impl_of(op, target).layout.shape,
                       "input has shape {} and target {}; they must be equal, bring one to the other with reshape or expand", x.shape(),
                       target.shape());
}

/// Throws DTypeError unless a class weight or a target has the dtype of the input.
inline void check_same_dtype(Op op, const Tensor& x, const char* what, const Tensor& other) {
  op.check<DTypeError>(other.dtype() == x.dtype(), "input is {} and {} {}; they must agree", name(x.dtype()), what, name(other.dtype()));
}

/// ln(1 + e^x), for all x.
template <class T>
T softplus_of(const T& x) {
  if constexpr (std::is_same_v<T, Tensor>) return neg(logsigmoid(neg(x)));
  else return (x > 0 ? x : x == x ? T(0) : x) + log1p_of(exp_of(x > 0 ? -x : x));
}

/// f(x, target) of each pair of elements, reduced. x and target have one shape and one floating-point dtype. f and its derivatives by x
/// and by the target are written once for numbers and tensors: the loss and its gradient are one loop each, or, while the backward pass is
/// recorded, public operations.
template <class F, class Dx, class Dt>
Tensor pair_loss(Op op, const Tensor& x, const Tensor& target, Reduction reduction, F f, Dx by_x, Dt by_target) {
  const bool one = reduction != Reduction::None;
  const Tensor a = x.contiguous(), b = target.contiguous();
  const int64_t n = a.numel();
  const double scale = reduction == Reduction::Mean ? 1 / static_cast<double>(n) : 1;
  Tensor loss = dispatch_floating(op, a.dtype(), [&]<class T>() {
    if (!one) return map_new<T, T, T>(op, f, a, b);
    const T total = kernels::pair_sum(n, elements<T>(a), elements<T>(b), f);
    return full({}, reduction == Reduction::Mean ? total / static_cast<T>(n) : total, {.dtype = dtype_of<T>});
  });
  const auto pullback = [=](auto derivative) {
    return [=, a = Saved(a), b = Saved(b)](const Tensor& dy) -> Tensor {
      if (recording_backward()) return dy * scale * derivative(*a, *b);
      Tensor gradient = op.empty(a->shape(), a->dtype());
      const Tensor d = dy.contiguous();
      dispatch_floating(op, a->dtype(), [&]<class T>() {
        kernels::pair_gradient(n, elements<T>(*a), elements<T>(*b), elements<T>(d), one, static_cast<T>(scale), elements<T>(gradient),
                               derivative);
      });
      return gradient;
    };
  };
  return op.record(loss, wrt(a, pullback(by_x)), wrt(b, pullback(by_target)));
}

}  // namespace gradus
