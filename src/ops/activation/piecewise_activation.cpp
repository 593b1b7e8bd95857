#include "gradus/ops/activation.h"

#include "autograd/record.h"
#include "core/random.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "ops/elementwise.h"
#include "ops/number_or_tensor.h"

/// Activations that are straight (hardswish: a parabola) between a few kinks. A kink's derivative is that of the piece which PyTorch counts
/// it to.
namespace gradus {
namespace {

/// A function that takes integers too, which stay integers.
template <class F, class D>
Tensor of_any_number(const char* op, const Tensor& x, F f, D derivative) {
  check<DTypeError>(impl_of(op, x).dtype != DType::Bool, "{}: not defined for bool; convert with .to(gradus::int64)", op);
  if (x.dtype() == DType::Int64) return map_new<int64_t, int64_t>(op, x, f);
  return pointwise_by_input(op, x, f, derivative);
}

/// `zero` where |x| <= lambd, f(x) elsewhere, whose slope is 1.
template <class F>
Tensor shrink(const char* op, const Tensor& x, double lambd, F f) {
  check_real(op, x);
  return pointwise_by_input(op, x, f, [lambd]<class T>(const T& v) { return choose<T>(is_within(v, -lambd, lambd), 0.0, 1.0); });
}

/// A line through 0 with slope 1 above it and `slope` below.
Tensor leaky(const char* op, const Tensor& x, double slope) {
  check_real(op, x);
  return pointwise_by_input(
      op, x, [slope]<class T>(T v) { return v > T(0) ? v : v * static_cast<T>(slope); },
      [slope]<class T>(const T& v) { return choose<T>(is_above(v, 0), 1.0, slope); });
}

}  // namespace

Tensor relu(const Tensor& x) {
  impl_of("relu", x);
  check<DTypeError>(x.dtype() != DType::Bool, "relu: not defined for bool; it is never negative");
  Tensor y = dispatch("relu", x.dtype(), [&]<class T>() { return map_new<T, T>("relu", x, [](T a) { return a < T(0) ? T(0) : a; }); });
  return record("relu", y, wrt(x, [](const Tensor& dy, const Tensor& out) { return masked_fill(dy, le(out, 0), 0); }));
}

Tensor hardtanh(const Tensor& x, double min_val, double max_val) {
  return of_any_number(
      "hardtanh", x,
      [=]<class T>(T v) {
        const T low = static_cast<T>(min_val), high = static_cast<T>(max_val);
        const T above = v < low ? low : v;
        return above > high ? high : above;
      },
      [=]<class T>(const T& v) { return choose<T>(is_beyond(v, min_val, max_val), 0.0, 1.0); });
}

Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }

Tensor hardsigmoid(const Tensor& x) {
  check_real("hardsigmoid", x);
  return pointwise_by_input(
      "hardsigmoid", x, []<class T>(T v) { return at_most(at_least(v + 3, 0), 6) / 6; },
      []<class T>(const T& v) { return choose<T>(is_above(v, -3), choose<T>(is_below(v, 3), 1.0 / 6, 0.0), 0.0); });
}

Tensor hardswish(const Tensor& x) {
  check_real("hardswish", x);
  return pointwise_by_input(
      "hardswish", x, []<class T>(T v) { return v * at_most(at_least(v + 3, 0), 6) / 6; },
      []<class T>(const T& v) {
        const T slope = v / factor<T>(3) + factor<T>(0.5);
        return choose<T>(is_below(v, -3), 0.0, choose<T>(is_at_least(v, 3), 1.0, slope));
      });
}

Tensor hardshrink(const Tensor& x, double lambd) {
  return shrink("hardshrink", x, lambd, [lambd](auto v) { return is_within(v, -lambd, lambd) ? decltype(v)(0) : v; });
}

Tensor softshrink(const Tensor& x, double lambd) {
  check<ValueError>(lambd >= 0, "softshrink: lambd is {}, but must not be negative", lambd);
  return shrink("softshrink", x, lambd, [lambd]<class T>(T v) {
    const T l = static_cast<T>(lambd);
    return v > l ? v - l : v < -l ? v + l : T(0);
  });
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  return of_any_number(
      "threshold", x, [=]<class T>(T v) { return v <= static_cast<T>(threshold) ? static_cast<T>(value) : v; },
      [=]<class T>(const T& v) { return choose<T>(is_at_most(v, threshold), 0.0, 1.0); });
}

Tensor leaky_relu(const Tensor& x, double negative_slope) { return leaky("leaky_relu", x, negative_slope); }

Tensor prelu(const Tensor& x, const Tensor& weight) {
  check_real("prelu", x);
  const Shape& shape = x.shape();
  const Shape& given = impl_of("prelu", weight).layout.shape;
  check<DTypeError>(weight.dtype() == x.dtype(), "prelu: x is {} and weight {}; they must agree", name(x.dtype()), name(weight.dtype()));
  check<ShapeError>(given.size() <= 1, "prelu: weight has shape {}; expected one slope, or one for each channel", given);
  const int64_t channels = shape.size() > 1 ? shape[1] : 1;
  check<ShapeError>(given.numel() == 1 || (shape.size() > 0 && given.numel() == channels),
                    "prelu: weight has shape {}, but x of shape {} has {} channels (dimension 1); give 1 slope or as many", given, shape,
                    channels);
  Dims along;  // (C, 1, …), to broadcast against (…, C, d1, …)
  if (shape.size() > 0) along.push_back(given.numel());
  for (int64_t d = 2; d < shape.size(); ++d) along.push_back(1);
  const Tensor slope = reshape(weight, along);
  Tensor y = dispatch_floating(
      "prelu", x.dtype(), [&]<class T>() { return map_new<T, T, T>("prelu", x, slope, [](T v, T w) { return v > T(0) ? v : v * w; }); });
  return record("prelu", y,
                wrt(x, [x = Saved(x), slope = Saved(slope)](const Tensor& dy) { return where(gt(*x, 0), dy, mul(dy, *slope)); }),
                wrt(slope, [x = Saved(x)](const Tensor& dy) { return where(gt(*x, 0), 0.0, mul(dy, *x)); }));
}

Tensor rrelu(const Tensor& x, double lower, double upper, bool training) {
  check_real("rrelu", x);
  check<ValueError>(lower <= upper, "rrelu: lower {} is above upper {}", lower, upper);
  if (!training) return leaky("rrelu", x, (lower + upper) / 2);
  // 1 where x > 0; elsewhere one draw an element in row-major order, as PyTorch draws.
  Tensor slope = new_tensor("rrelu", x.shape(), x.dtype());
  {
    NoGradGuard no_grad;
    const Tensor dense = x.detach().contiguous();
    LockedGenerator generator;
    dispatch_floating("rrelu", x.dtype(), [&]<class T>() {
      const T* from = dense.data<T>();
      T* to = slope.data<T>();
      const double low = static_cast<T>(lower), high = static_cast<T>(upper);
      for (int64_t i = 0; i < dense.numel(); ++i)
        to[i] = from[i] <= 0 ? static_cast<T>(generator->uniform_double() * (high - low) + low) : T(1);
    });
  }
  return mul(x, slope);
}

}  // namespace gradus
