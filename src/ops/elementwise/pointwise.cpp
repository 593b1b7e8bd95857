#include "gradus/ops/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradus/creation.h"
#include "kernels/math.h"
#include "kernels/select.h"
#include "ops/elementwise.h"

namespace gradus {
namespace {

/// Integers wrap around on overflow, as on the machine; signed overflow would be undefined.
template <class T, class F>
T wrapping(F f, T x, T y) {
  if constexpr (std::is_same_v<T, int64_t>) return static_cast<T>(f(static_cast<uint64_t>(x), static_cast<uint64_t>(y)));
  else return static_cast<T>(f(x, y));
}
constexpr auto plus = []<class T>(T x, T y) { return wrapping<T>([](auto a, auto b) { return a + b; }, x, y); };
constexpr auto minus = []<class T>(T x, T y) { return wrapping<T>([](auto a, auto b) { return a - b; }, x, y); };
constexpr auto times = []<class T>(T x, T y) { return wrapping<T>([](auto a, auto b) { return a * b; }, x, y); };
constexpr auto over = [](auto x, auto y) { return x / y; };

template <Takes takes = Takes::Any, class X, class Y, class F>
Tensor arithmetic(const Op& op, const X& x, const Y& y, F f) {
  return binary<takes>(op, x, y, kernels::Light{f});
}

void refuse_bool(const Op& op, DType x, DType y, const char* remedy) {
  op.check<DTypeError>(x != DType::Bool && y != DType::Bool, "not defined for bool; {}", remedy);
}
constexpr const char* sub_remedy = "use logical_not or ne to compare, or convert with .to(gradus::int64)";

/// A number times alpha, in the kind that both make.
void check_alpha(const Op& op, Scalar alpha, DType dtype) {
  op.check<DTypeError>(kind(alpha.dtype()) <= kind(dtype), "alpha is a {}, but the result is {}; convert the tensors first",
                       kind(alpha.dtype()) == 2 ? "floating-point number" : "whole number", name(dtype));
}

/// x, or alpha * y added to it by `plus` or taken away by `minus`.
template <class F>
Tensor with_multiple(const Op& op, const Tensor& x, const Tensor& y, Scalar alpha, F f) {
  if (alpha.to<double>() == 1) return arithmetic(op, x, y, f);
  check_alpha(op, alpha, result_type(x, y));
  return arithmetic(op, x, y, [alpha, f]<class T>(T a, T b) { return f(a, times(alpha.to<T>(), b)); });
}

}  // namespace

Tensor add(const Tensor& x, const Tensor& y, Scalar alpha) {
  constexpr Op op("add");
  op.takes(x, y);
  const bool plain = alpha.to<double>() == 1;
  return op.record(with_multiple(op, x, y, alpha, plus), wrt(x, [](const Tensor& dz) { return dz; }),
                   wrt(y, [alpha, plain](const Tensor& dz) { return plain ? dz : dz * alpha; }));
}

Tensor add(const Tensor& x, Scalar y) {
  constexpr Op op("add");
  return op.record(arithmetic(op, x, y, plus), wrt(x, [](const Tensor& dz) { return dz; }));
}

Tensor sub(const Tensor& x, const Tensor& y, Scalar alpha) {
  constexpr Op op("sub");
  op.takes(x, y);
  refuse_bool(op, x.dtype(), y.dtype(), sub_remedy);
  const bool plain = alpha.to<double>() == 1;
  return op.record(with_multiple(op, x, y, alpha, minus), wrt(x, [](const Tensor& dz) { return dz; }),
                   wrt(y, [alpha, plain](const Tensor& dz) { return plain ? -dz : -(dz * alpha); }));
}

Tensor sub(const Tensor& x, Scalar y) {
  constexpr Op op("sub");
  op.takes(x);
  refuse_bool(op, x.dtype(), y.dtype(), sub_remedy);
  return op.record(arithmetic(op, x, y, minus), wrt(x, [](const Tensor& dz) { return dz; }));
}

Tensor sub(Scalar x, const Tensor& y) {
  constexpr Op op("sub", "rsub_1");
  op.takes(y);
  refuse_bool(op, x.dtype(), y.dtype(), sub_remedy);
  return op.record(arithmetic(op, y, x, []<class T>(T b, T a) { return minus(a, b); }), wrt(y, [](const Tensor& dz) { return -dz; }));
}

Tensor mul(const Tensor& x, const Tensor& y) {
  constexpr Op op("mul");
  op.takes(x, y);
  Tensor z = arithmetic(op, x, y, times);
  // A factor is kept only for the sake of the other's gradient: keeping one that has a history takes a handle of its own.
  const auto kept = [](const Tensor& factor, const Tensor& other) { return other.requires_grad() ? Saved(factor) : Saved(); };
  return op.record(z, wrt(x, [y = kept(y, x)](const Tensor& dz) { return dz * *y; }),
                   wrt(y, [x = kept(x, y)](const Tensor& dz) { return dz * *x; }));
}

Tensor mul(const Tensor& x, Scalar y) {
  constexpr Op op("mul");
  return op.record(arithmetic(op, x, y, times), wrt(x, [y](const Tensor& dz) { return dz * y; }));
}

Tensor div(const Tensor& x, const Tensor& y) {
  constexpr Op op("div");
  op.takes(x, y);
  return op.record(arithmetic<Takes::Reals>(op, x, y, over), wrt(x, [y = Saved(y)](const Tensor& dz) { return dz / *y; }),
                   wrt(y, [x = Saved(x), y = Saved(y)](const Tensor& dz) { return -(dz * (*x / *y / *y)); }));
}

Tensor div(const Tensor& x, Scalar y) {
  constexpr Op op("div");
  return op.record(arithmetic<Takes::Reals>(op, x, y, over), wrt(x, [y](const Tensor& dz) { return dz / y; }));
}

Tensor div(Scalar x, const Tensor& y) {
  constexpr Op op("div");
  op.takes(y);
  const auto under = [](auto b, auto a) { return a / b; };
  return op.record(arithmetic<Takes::Reals>(op, y, x, under),
                   wrt(y, [x, y = Saved(y)](const Tensor& dz) { return -(dz * (x / *y / *y)); }));
}

namespace {

/// Whole powers of integers, by squaring; wraps around.
int64_t integer_power(int64_t x, int64_t exponent) {
  uint64_t result = 1, square = static_cast<uint64_t>(x);
  for (; exponent > 0; exponent >>= 1, square *= square)
    if (exponent & 1) result *= square;
  return static_cast<int64_t>(result);
}

constexpr auto power = []<class T>(T x, T exponent) -> T {
  if constexpr (std::is_floating_point_v<T>) return std::pow(x, exponent);
  else return static_cast<T>(integer_power(x, exponent));
};

}  // namespace

Tensor pow(const Tensor& x, const Tensor& exponent) {
  constexpr Op op("pow", "pow_1");
  op.takes(x, exponent);
  if (result_type(x, exponent) == DType::Int64)
    op.check<ValueError>(!(exponent < 0).any().item<bool>(), "integers have no negative powers; convert with .to(gradus::float32)");
  return op.record(arithmetic<Takes::Numbers>(op, x, exponent, power),
                   wrt(x, [x = Saved(x), e = Saved(exponent)](const Tensor& dz) { return dz * where(*e == 0, 0.0, *e * pow(*x, *e - 1)); }),
                   wrt(exponent, [x = Saved(x), e = Saved(exponent)](const Tensor& dz, const Tensor& z) {
                     return dz * where((*x == 0) & (*e >= 0), 0.0, z * log(*x));
                   }));
}

Tensor pow(const Tensor& x, Scalar exponent) {
  constexpr Op op("pow");
  op.takes(x);
  const double e = exponent.to<double>();
  op.check<ValueError>(result_type(x, exponent) != DType::Int64 || e >= 0,
                       "integers have no negative powers, got {}; convert with .to(gradus::float32)", e);
  Tensor z;
  if (e == 2) z = arithmetic<Takes::Numbers>(op, x, exponent, []<class T>(T a, T) { return times(a, a); });
  else z = arithmetic<Takes::Numbers>(op, x, exponent, power);
  return op.record(z, wrt(x, [x = Saved(x), e](const Tensor& dz) {
                     if (e == 0) return zeros_like(dz);
                     return dz * (pow(*x, e - 1) * e);
                   }));
}

Tensor pow(Scalar x, const Tensor& exponent) {
  constexpr Op op("pow");
  op.takes(exponent);
  return pow(full({}, x, {.dtype = result_type(exponent, x)}), exponent);
}

Tensor neg(const Tensor& x) {
  constexpr Op op("neg");
  op.takes(x);
  refuse_bool(op, x.dtype(), x.dtype(), "use logical_not");
  return op.record(unary<Takes::Numbers>(op, x, []<class T>(T a) { return a == T(0) ? static_cast<T>(-a) : minus(T(0), a); }),
                   wrt(x, [](const Tensor& dy) { return -dy; }));
}

Tensor abs(const Tensor& x) {
  constexpr Op op("abs");
  op.takes(x);
  refuse_bool(op, x.dtype(), x.dtype(), "it is its own absolute value");
  Tensor y = unary<Takes::Numbers>(op, x, []<class T>(T a) {
    if constexpr (std::is_floating_point_v<T>) return std::fabs(a);
    else return a < T(0) ? minus(T(0), a) : a;
  });
  return op.record(y, wrt(x, [x = Saved(x)](const Tensor& dy) { return where(*x > 0, dy, where(*x < 0, -dy, 0.0)); }));
}

Tensor exp(const Tensor& x) {
  return pointwise(
      Op("exp"), x, [](auto v) { return kernels::vexp(v); }, OfOutput{[](const auto& y) { return y; }});
}

Tensor log(const Tensor& x) {
  constexpr Op op("log");
  return op.record(unary<Takes::Reals>(op, x, [](auto v) { return kernels::vlog(v); }),
                   wrt(x, [x = Saved(x)](const Tensor& dy) { return dy / *x; }));
}

Tensor sqrt(const Tensor& x) {
  return pointwise(
      Op("sqrt"), x, [](auto v) { return std::sqrt(v); }, OfOutput{[](const auto& y) { return 1 / (y * 2); }});
}

Tensor tanh(const Tensor& x) {
  return pointwise(
      Op("tanh"), x, [](auto v) { return kernels::vtanh(v); }, OfOutput{[](const auto& y) { return 1 - y * y; }});
}

Tensor sigmoid(const Tensor& x) {
  return pointwise(
      Op("sigmoid"), x, [](auto v) { return kernels::vsigmoid(v); }, OfOutput{[](const auto& y) { return y * (1 - y); }});
}

Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max) {
  constexpr Op op("clamp");
  op.takes(x);
  op.check<ValueError>(min || max, "give a min, a max or both");
  DType dtype = x.dtype();
  if (min) dtype = std::max(dtype, result_type(x, *min));
  if (max) dtype = std::max(dtype, result_type(x, *max));
  op.check<DTypeError>(dtype != DType::Bool, "not defined for bool; convert with .to(gradus::int64)");
  const Tensor v = x.to(dtype);
  const auto is_nan = [](const std::optional<Scalar>& bound) { return std::isnan(bound->to<double>()); };
  // Between bounds of which one is NaN there is nothing; a single one that is NaN is passed over. So says PyTorch.
  Tensor y = min && max && (is_nan(min) || is_nan(max)) ? full_like(v.detach(), std::numeric_limits<double>::quiet_NaN()) : v.detach();
  if (min) y = arithmetic<Takes::Numbers>(op, y, *min, []<class T>(T a, T low) { return a < low ? low : a; });
  if (max) y = arithmetic<Takes::Numbers>(op, y, *max, []<class T>(T a, T high) { return a > high ? high : a; });
  return op.record(y, wrt(v, [v = Saved(v), min, max](const Tensor& dy) {
                     Tensor inside = min ? *v >= *min : *v <= *max;
                     if (min && max) inside = inside & (*v <= *max);
                     return where(inside, dy, 0.0);
                   }));
}

namespace {
void check_condition(const Op& op, const char* what, const Tensor& condition) {
  op.check<DTypeError>(condition.dtype() == DType::Bool, "the {} must be bool, got {}; compare, as in x > 0", what,
                       name(condition.dtype()));
}
}  // namespace

Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) {
  constexpr Op op("where");
  op.takes(condition, x, y);
  check_condition(op, "condition", condition);
  const DType dtype = result_type(x, y);
  const Tensor a = converted(x, dtype), b = converted(y, dtype);
  Tensor z = with_type<Takes::Any>(dtype, [&]<class T>() {
    return map_new<T, bool, T, T>(
        op, [](bool c, T p, T q) { return kernels::select(c, p, q); }, condition, a, b);
  });
  return op.record(z, wrt(x, [c = Saved(condition)](const Tensor& dz) { return where(*c, dz, 0.0); }),
                   wrt(y, [c = Saved(condition)](const Tensor& dz) { return where(*c, 0.0, dz); }));
}

Tensor where(const Tensor& condition, const Tensor& x, Scalar y) {
  Op("where").takes(condition, x);
  return where(condition, x, full({}, y, {.dtype = result_type(x, y)}));
}

Tensor where(const Tensor& condition, Scalar x, const Tensor& y) {
  Op("where").takes(condition, y);
  return where(condition, full({}, x, {.dtype = result_type(y, x)}), y);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  constexpr Op op("masked_fill");
  op.takes(x, mask);
  check_condition(op, "mask", mask);
  op.check<DTypeError>(fits_into(value.dtype(), x.dtype()), "a floating-point value does not fit into {}; convert the tensor first",
                       name(x.dtype()));
  Tensor y = with_type<Takes::Any>(x.dtype(), [&]<class T>() {
    return map_new<T, T, bool>(
        op, [f = value.to<T>()](T a, bool m) { return kernels::select(m, f, a); }, x, mask);
  });
  return op.record(y, wrt(x, [mask = Saved(mask)](const Tensor& dy) { return masked_fill(dy, *mask, 0); }));
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  constexpr Op op("masked_fill");
  op.takes(x, mask, value);
  op.check<ShapeError>(value.dim() == 0, "value has shape {}, but must be a scalar; use where", value.shape());
  op.check<DTypeError>(fits_into(value.dtype(), x.dtype()), "a value of dtype {} does not fit into {}; convert the tensor first",
                       name(value.dtype()), name(x.dtype()));
  check_condition(op, "mask", mask);
  return where(mask, value.to(x.dtype()), x);
}

}  // namespace gradus
