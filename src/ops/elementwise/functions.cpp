#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "kernels/math.h"
#include "ops/elementwise.h"

namespace gradus {

Tensor sin(const Tensor& x) {
  using std::cos;
  return pointwise(
      Op("sin"), x, [](auto v) { return std::sin(v); }, OfInput{[](const auto& v) { return cos(v); }});
}

Tensor cos(const Tensor& x) {
  using std::sin;
  return pointwise(
      Op("cos"), x, [](auto v) { return std::cos(v); }, OfInput{[](const auto& v) { return -sin(v); }});
}

Tensor erf(const Tensor& x) {
  using std::exp;
  return pointwise(
      Op("erf"), x, [](auto v) { return kernels::verf(v); },
      OfInput{[](const auto& v) { return exp(-(v * v)) * (2 * std::numbers::inv_sqrtpi); }});
}

Tensor expm1(const Tensor& x) {
  return pointwise(
      Op("expm1"), x, [](auto v) { return std::expm1(v); }, OfOutput{[](const auto& y) { return y + 1; }});
}

Tensor log1p(const Tensor& x) {
  return pointwise(
      Op("log1p"), x, [](auto v) { return std::log1p(v); }, OfInput{[](const auto& v) { return 1 / (v + 1); }});
}

Tensor reciprocal(const Tensor& x) {
  return pointwise(
      Op("reciprocal"), x, []<class T>(T v) { return T(1) / v; }, OfOutput{[](const auto& y) { return -(y * y); }});
}

Tensor rsqrt(const Tensor& x) {
  // Halved before the last product, which then overflows only where the derivative does.
  return pointwise(
      Op("rsqrt"), x, []<class T>(T v) { return T(1) / std::sqrt(v); }, OfOutput{[](const auto& y) { return y * y * (y / -2); }});
}

Tensor square(const Tensor& x) { return pow(x, 2); }

namespace {

/// A function that is flat wherever it has a derivative, in x's dtype.
template <class F>
Tensor step(const Op& op, const Tensor& x, F f) {
  return op.record(unary<Takes::Numbers>(op, x, f), wrt(x, [](const Tensor& dy) { return zeros_like(dy); }));
}

/// `f` on real numbers; whole numbers are their own floor, ceil and so on.
template <class F>
Tensor rounded(const Op& op, const Tensor& x, F f) {
  return step(op, x, [f]<class T>(T v) {
    if constexpr (std::is_floating_point_v<T>) return f(v);
    else return v;
  });
}

}  // namespace

Tensor floor(const Tensor& x) {
  return rounded(Op("floor"), x, [](auto v) { return std::floor(v); });
}
Tensor ceil(const Tensor& x) {
  return rounded(Op("ceil"), x, [](auto v) { return std::ceil(v); });
}
Tensor trunc(const Tensor& x) {
  return rounded(Op("trunc"), x, [](auto v) { return std::trunc(v); });
}
Tensor round(const Tensor& x) {
  return rounded(Op("round"), x, [](auto v) { return std::nearbyint(v); });
}
Tensor sign(const Tensor& x) {
  return step(Op("sign"), x, []<class T>(T v) { return static_cast<T>((T(0) < v) - (v < T(0))); });
}

Tensor nan_to_num(const Tensor& x, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  constexpr Op op("nan_to_num");
  op.takes(x);
  if (!is_floating_point(x.dtype())) return x.clone();
  const auto replaced = [=]<class T>(T v) {
    constexpr T most = std::numeric_limits<T>::max();
    const T high = posinf ? static_cast<T>(*posinf) : most, low = neginf ? static_cast<T>(*neginf) : -most;
    const T inside = v > most ? high : v < -most ? low : v;
    return v != v ? static_cast<T>(nan) : inside;
  };
  return op.record(unary<Takes::Reals>(op, x, replaced), wrt(x, [x = Saved(x)](const Tensor& dy) { return where(isfinite(*x), dy, 0.0); }));
}

}  // namespace gradus
