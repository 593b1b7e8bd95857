#include "gradus/ops/activation.h"

#include "autograd/op.h"
#include "core/random.h"
#include "gradus/ops/elementwise.h"
#include "ops/elementwise.h"
#include "ops/finite.h"
#include "ops/number_or_tensor.h"

/// Activations that are straight (hardswish: a parabola) between a few kinks. A kink's derivative is that of the piece which PyTorch counts
/// it to.
namespace gradus {
namespace {

/// A function that takes integers too, which stay integers.
template <class F, class D>
Tensor of_any_number(const Op& op, const Tensor& x, F f, D derivative) {
  op.takes(x);
  if (!is_floating_point(x.dtype())) return unary<Takes::Numbers>(op, x, f);
  return pointwise(op, x, f, OfInput{derivative});
}

/// A bound for elements of `dtype`. Beyond int64 a number has no value there.
void check_bound(const Op& op, const char* what, double bound, DType dtype) {
  op.check<ValueError>(is_floating_point(dtype) || (bound >= -0x1p63 && bound < 0x1p63), "{} {} is no number that {} holds", what, bound,
                       name(dtype));
}

/// `zero` where |x| <= lambd, f(x) elsewhere, whose slope is 1.
template <class F>
Tensor shrink(const Op& op, const Tensor& x, double lambd, F f) {
  check_real(op, x);
  return pointwise(op, x, f, OfInput{[lambd]<class T>(const T& v) { return choose<T>(is_within(v, -lambd, lambd), 0.0, 1.0); }});
}

/// A line through 0 with slope 1 above it and `slope` below.
Tensor leaky(const Op& op, const Tensor& x, double slope) {
  check_real(op, x);
  return pointwise(
      op, x, [slope]<class T>(T v) { return v > T(0) ? v : v * static_cast<T>(slope); },
      OfInput{[slope]<class T>(const T& v) { return choose<T>(v > factor<T>(0), 1.0, slope); }});
}

}  // namespace

Tensor relu(const Tensor& x) {
  constexpr Op op("relu");
  op.takes(x);
  op.check<DTypeError>(x.dtype() != DType::Bool, "not defined for bool; it is never negative");
  return op.record(unary<Takes::Numbers>(op, x, []<class T>(T a) { return a < T(0) ? T(0) : a; }),
                   wrt(x, [](const Tensor& dy, const Tensor& y) {
                     if (recording_backward()) return masked_fill(dy, y <= 0, 0);
                     return binary<Takes::Reals>(Op("relu"), dy, y, []<class T>(T d, T v) { return v <= T(0) ? T(0) : d; });
                   }));
}

namespace {

Tensor hardtanh(const Op& op, const Tensor& x, double min_val, double max_val) {
  op.takes(x);
  check_bound(op, "min_val", min_val, x.dtype());
  check_bound(op, "max_val", max_val, x.dtype());
  return of_any_number(
      op, x,
      [=]<class T>(T v) {
        const T low = static_cast<T>(min_val), high = static_cast<T>(max_val);
        const T above = v < low ? low : v;
        return above > high ? high : above;
      },
      [=]<class T>(const T& v) { return choose<T>(is_beyond(v, min_val, max_val), 0.0, 1.0); });
}

}  // namespace

Tensor hardtanh(const Tensor& x, double min_val, double max_val) { return hardtanh(Op("hardtanh"), x, min_val, max_val); }

Tensor relu6(const Tensor& x) { return hardtanh(Op("relu6", "hardtanh"), x, 0, 6); }

Tensor hardsigmoid(const Tensor& x) {
  constexpr Op op("hardsigmoid");
  check_real(op, x);
  return pointwise(
      op, x, []<class T>(T v) { return at_most(at_least(v + 3, 0), 6) / 6; },
      OfInput{[]<class T>(const T& v) { return choose<T>(v > factor<T>(-3), choose<T>(v < factor<T>(3), 1.0 / 6, 0.0), 0.0); }});
}

Tensor hardswish(const Tensor& x) {
  constexpr Op op("hardswish");
  check_real(op, x);
  return pointwise(
      op, x, []<class T>(T v) { return v >= T(3) ? v : at_least(v, -3) * at_most(at_least(v + 3, 0), 6) / 6; },
      OfInput{[]<class T>(const T& v) {
        const T slope = v / factor<T>(3) + factor<T>(0.5);
        return choose<T>(v < factor<T>(-3), 0.0, choose<T>(v >= factor<T>(3), 1.0, slope));
      }});
}

Tensor hardshrink(const Tensor& x, double lambd) {
  return shrink(Op("hardshrink"), x, lambd, [lambd]<class T>(T v) { return is_within(v, -lambd, lambd) ? T(0) : v; });
}

Tensor softshrink(const Tensor& x, double lambd) {
  constexpr Op op("softshrink");
  op.check<ValueError>(lambd >= 0, "lambd is {}, but must not be negative", lambd);
  return shrink(op, x, lambd, [lambd]<class T>(T v) {
    const T l = static_cast<T>(lambd);
    return v > l ? v - l : v < -l ? v + l : T(0);
  });
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  constexpr Op op("threshold");
  op.takes(x);
  check_bound(op, "threshold", threshold, x.dtype());
  check_bound(op, "value", value, x.dtype());
  return of_any_number(
      op, x, [=]<class T>(T v) { return v <= static_cast<T>(threshold) ? static_cast<T>(value) : v; },
      [=]<class T>(const T& v) { return choose<T>(v <= factor<T>(threshold), 0.0, 1.0); });
}

Tensor leaky_relu(const Tensor& x, double negative_slope) { return leaky(Op("leaky_relu"), x, negative_slope); }

Tensor prelu(const Tensor& x, const Tensor& weight) {
  constexpr Op op("prelu");
  check_real(op, x);
  op.takes(weight);
  const Shape &shape = x.shape(), &given = weight.shape();
  op.check<DTypeError>(weight.dtype() == x.dtype(), "x is {} and weight {}; they must agree", name(x.dtype()), name(weight.dtype()));
  op.check<ShapeError>(given.size() <= 1, "weight has shape {}; expected one slope, or one for each channel", given);
  const int64_t channels = shape.size() > 1 ? shape[1] : 1;
  op.check<ShapeError>(given.numel() == 1 || (shape.size() > 0 && given.numel() == channels),
                       "weight has shape {}, but x of shape {} has {} channels (dimension 1); give 1 slope or as many", given, shape,
                       channels);
  Dims along;  // (C, 1, …), to broadcast against (…, C, d1, …)
  if (shape.size() > 0) along.push_back(given.numel());
  for (int64_t d = 2; d < shape.size(); ++d) along.push_back(1);
  const Tensor slope = weight.reshape(along);
  Tensor y = binary<Takes::Reals>(op, x, slope, []<class T>(T v, T w) { return v > T(0) ? v : v * w; });
  return op.record(y, wrt(x, [x = Saved(x), slope = Saved(slope)](const Tensor& dy) { return where(*x > 0, dy, dy * *slope); }),
                   wrt(slope, [x = Saved(x)](const Tensor& dy) { return where(*x > 0, 0.0, share_of(dy, *x)); }));
}

Tensor rrelu(const Tensor& x, double lower, double upper, bool training) {
  constexpr Op op("rrelu");
  check_real(op, x);
  op.check<ValueError>(lower <= upper, "lower {} is above upper {}", lower, upper);
  if (!training) return leaky(op, x, (lower + upper) / 2);
  // 1 where x > 0; elsewhere one draw an element in row-major order, as PyTorch draws.
  Tensor slope = op.empty(x.shape(), x.dtype());
  {
    NoGradGuard no_grad;
    const Tensor dense = x.detach().contiguous();
    LockedGenerator generator;
    dispatch_floating(op, x.dtype(), [&]<class T>() {
      const T* from = elements<T>(dense);
      T* to = elements<T>(slope);
      const double low = static_cast<T>(lower), high = static_cast<T>(upper);
      for (int64_t i = 0; i < dense.numel(); ++i)
        to[i] = from[i] <= 0 ? static_cast<T>(generator->uniform_double() * (high - low) + low) : T(1);
    });
  }
  return x * slope;
}

}  // namespace gradus
