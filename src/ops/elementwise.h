#pragma once

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "kernels/pointwise.h"
#include "ops/promote.h"

/// What elementwise operations share: broadcasting, allocation and the loop.
namespace gradus {

inline Layout broadcast_to(const char* op, const Tensor& x, const Shape& shape) {
  const Layout& layout = x.impl()->layout;
  return layout.shape == shape ? layout : expand(op, layout, shape);
}

template <class T>
const T* storage_of(const Tensor& x) {
  return static_cast<const T*>(x.impl()->storage->data());
}

/// x in the given dtype, outside the graph where it is converted.
inline Tensor converted(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  NoGradGuard no_grad;
  return to(x, dtype);
}

/// Throws DTypeError unless x is floating-point.
inline void check_real(const char* op, const Tensor& x) {
  check<DTypeError>(is_floating_point(impl_of(op, x).dtype), "{}: takes float32 or float64, got {}; convert with .to(gradus::float32)", op,
                    name(x.dtype()));
}

/// f over one tensor of element type X into a new one of element type Y.
template <class Y, class X, class F>
Tensor map_new(const char* op, const Tensor& x, F f) {
  Tensor y = new_tensor(op, x.shape(), dtype_of<Y>);
  kernels::map(f, kernels::Strided(y.data<Y>(), y.impl()->layout), kernels::Strided(storage_of<X>(x), x.impl()->layout));
  return y;
}

/// f over two tensors of element types A and B, broadcast, into a new one of element type Y.
template <class Y, class A, class B, class F>
Tensor map_new(const char* op, const Tensor& a, const Tensor& b, F f) {
  const Shape shape = broadcast_shapes(op, a.shape(), b.shape());
  Tensor y = new_tensor(op, shape, dtype_of<Y>);
  kernels::map(f, kernels::Strided(y.data<Y>(), y.impl()->layout), kernels::Strided(storage_of<A>(a), broadcast_to(op, a, shape)),
               kernels::Strided(storage_of<B>(b), broadcast_to(op, b, shape)));
  return y;
}

/// f over a tensor and one number for all of its elements, in the loops of two tensors.
template <class Y, class A, class F>
Tensor map_new(const char* op, const Tensor& a, A number, F f) {
  Tensor y = new_tensor(op, a.shape(), dtype_of<Y>);
  kernels::map(f, kernels::Strided(y.data<Y>(), y.impl()->layout), kernels::Strided(storage_of<A>(a), a.impl()->layout),
               kernels::Strided(&number, expand(op, Layout{}, a.shape())));
  return y;
}

/// A real function of one tensor, and its derivative as a function of the result: written once for numbers and tensors alike, so that the
/// backward pass is one loop, or, while it is recorded, public operations. Integers become float32.
template <class F, class D>
Tensor pointwise(const char* op, const Tensor& x, F f, D derivative_from_y) {
  impl_of(op, x);
  const Tensor real = is_floating_point(x.dtype()) ? x : to(x, DType::Float32);
  Tensor y = dispatch_floating(op, real.dtype(), [&]<class T>() { return map_new<T, T>(op, real, f); });
  return record(op, y, wrt(real, [op, derivative_from_y](const Tensor& dy, const Tensor& out) -> Tensor {
                  if (recording_backward()) return mul(dy, derivative_from_y(out));
                  return dispatch_floating(op, dy.dtype(), [&]<class T>() {
                    return map_new<T, T, T>(op, dy, out, [derivative_from_y](T d, T o) { return d * derivative_from_y(o); });
                  });
                }));
}

/// The same with the derivative as a function of x.
template <class F, class D>
Tensor pointwise_by_input(const char* op, const Tensor& x, F f, D derivative) {
  impl_of(op, x);
  const Tensor real = is_floating_point(x.dtype()) ? x : to(x, DType::Float32);
  Tensor y = dispatch_floating(op, real.dtype(), [&]<class T>() { return map_new<T, T>(op, real, f); });
  return record(op, y, wrt(real, [op, derivative, v = Saved(real)](const Tensor& dy) -> Tensor {
                  if (recording_backward()) return mul(dy, derivative(*v));
                  return dispatch_floating(op, dy.dtype(), [&]<class T>() {
                    return map_new<T, T, T>(op, dy, *v, [derivative](T d, T a) { return d * derivative(a); });
                  });
                }));
}

}  // namespace gradus
