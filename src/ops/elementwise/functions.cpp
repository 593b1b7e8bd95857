#include "gradus/ops/elementwise.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/creation.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "kernels/math.h"
#include "ops/elementwise.h"

namespace gradus {

Tensor sin(const Tensor& x) {
  return pointwise_by_input(
      "sin", x, [](auto v) { return std::sin(v); },
      [](const auto& v) {
        using std::cos;
        return cos(v);
      });
}

Tensor cos(const Tensor& x) {
  return pointwise_by_input(
      "cos", x, [](auto v) { return std::cos(v); },
      [](const auto& v) {
        using std::sin;
        return -sin(v);
      });
}

Tensor erf(const Tensor& x) {
  return pointwise_by_input(
      "erf", x, [](auto v) { return kernels::verf(v); },
      [](const auto& v) {
        using std::exp;
        return exp(-(v * v)) * (2 * std::numbers::inv_sqrtpi);
      });
}

Tensor expm1(const Tensor& x) {
  return pointwise(
      "expm1", x, [](auto v) { return std::expm1(v); }, [](const auto& y) { return y + 1; });
}

Tensor log1p(const Tensor& x) {
  return pointwise_by_input(
      "log1p", x, [](auto v) { return std::log1p(v); }, [](const auto& v) { return 1 / (v + 1); });
}

Tensor reciprocal(const Tensor& x) {
  return pointwise(
      "reciprocal", x, []<class T>(T v) { return T(1) / v; }, [](const auto& y) { return -(y * y); });
}

Tensor rsqrt(const Tensor& x) {
  return pointwise(
      "rsqrt", x, []<class T>(T v) { return T(1) / std::sqrt(v); }, [](const auto& y) { return y * y * y / -2; });
}

Tensor square(const Tensor& x) { return pow(x, 2); }

namespace {

/// A function that is flat wherever it has a derivative, in x's dtype.
template <class F>
Tensor step(const char* op, const Tensor& x, F f) {
  check<DTypeError>(impl_of(op, x).dtype != DType::Bool, "{}: not defined for bool; convert with .to(gradus::int64)", op);
  Tensor y = dispatch(x.dtype(), [&]<class T>() { return map_new<T, T>(op, x, f); });
  return record(op, y, wrt(x, [](const Tensor& dy) { return zeros_like(dy); }));
}

/// `f` on real numbers; whole numbers are their own floor, ceil and so on.
template <class F>
Tensor rounded(const char* op, const Tensor& x, F f) {
  return step(op, x, [f]<class T>(T v) {
    if constexpr (std::is_floating_point_v<T>) return f(v);
    else return v;
  });
}

}  // namespace

Tensor floor(const Tensor& x) {
  return rounded("floor", x, [](auto v) { return std::floor(v); });
}
Tensor ceil(const Tensor& x) {
  return rounded("ceil", x, [](auto v) { return std::ceil(v); });
}
Tensor trunc(const Tensor& x) {
  return rounded("trunc", x, [](auto v) { return std::trunc(v); });
}
Tensor round(const Tensor& x) {
  return rounded("round", x, [](auto v) { return std::nearbyint(v); });
}
Tensor sign(const Tensor& x) {
  return step("sign", x, []<class T>(T v) { return static_cast<T>((T(0) < v) - (v < T(0))); });
}

Tensor nan_to_num(const Tensor& x, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  if (!is_floating_point(impl_of("nan_to_num", x).dtype)) return clone(x);
  Tensor y = dispatch_floating("nan_to_num", x.dtype(), [&]<class T>() {
    const auto limit = static_cast<double>(std::numeric_limits<T>::max());
    const T none = static_cast<T>(nan), high = static_cast<T>(posinf.value_or(limit)), low = static_cast<T>(neginf.value_or(-limit));
    return map_new<T, T>("nan_to_num", x, [=](T v) {
      const T inside = v > std::numeric_limits<T>::max() ? high : v < std::numeric_limits<T>::lowest() ? low : v;
      return v != v ? none : inside;
    });
  });
  return record("nan_to_num", y, wrt(x, [x = Saved(x)](const Tensor& dy) { return where(isfinite(*x), dy, 0.0); }));
}

}  // namespace gradus
