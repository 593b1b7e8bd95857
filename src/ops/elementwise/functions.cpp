#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "kernels/math.h"
#include "ops/elementwise.h"
#include "ops/number_or_tensor.h"

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

namespace {

/// pi v. From 2^53 on, where every number is even, it stays what it is there, so that sine and cosine have a value at infinity too.
template <class T>
T sinc_angle(const T& v) {
  return at_most(at_least(v, -0x1p53), 0x1p53) * factor<T>(std::numbers::pi);
}

/// (cos(pi v) - sinc(v)) / v, and near 0, where that cancels, the series whose terms are (-1)^k 2k / (2k + 1)! (pi v)^(2k - 1) pi.
template <class T>
T sinc_slope(const T& v) {
  using std::cos, std::sin;
  constexpr double terms[] = {-1. / 3,       1. / 30,        -1. / 840,         1. / 45360,
                              -1. / 3991680, 1. / 518918400, -1. / 93405312000, 1. / 22230464256000};
  const auto near = is_within(v, -0.25, 0.25);
  const T low = choose<T>(near, v, 0) * factor<T>(std::numbers::pi), high = choose<T>(near, 1, v);
  const T square = low * low, angle = sinc_angle(high);
  T series = square * factor<T>(terms[7]) + factor<T>(terms[6]);
  for (int k = 5; k >= 0; --k) series = series * square + factor<T>(terms[k]);
  return choose<T>(near, series * low * factor<T>(std::numbers::pi),
                   (cos(angle) - sin(angle) / (high * factor<T>(std::numbers::pi))) / high);
}

}  // namespace

Tensor sinc(const Tensor& x) {
  return pointwise(
      Op("sinc"), x, []<class T>(T v) { return v == 0 ? T(1) : std::sin(sinc_angle(v)) / (v * static_cast<T>(std::numbers::pi)); },
      OfInput{[]<class T>(const T& v) { return sinc_slope(v); }});
}

}  // namespace gradus
