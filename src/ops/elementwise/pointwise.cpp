#include "gradus/ops/elementwise.h"

#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/shape.h"
#include "kernels/math.h"
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

/// f on x and y in the dtype where they meet, `dtype`.
template <class F>
Tensor arithmetic(const char* op, const Tensor& x, const Tensor& y, DType dtype, F f) {
  const Tensor a = converted(x, dtype), b = converted(y, dtype);
  return dispatch(op, dtype, [&]<class T>() { return map_new<T, T, T>(op, a, b, kernels::Light{f}); });
}

template <class F>
Tensor arithmetic(const char* op, const Tensor& x, Scalar y, DType dtype, F f) {
  const Tensor a = converted(x, dtype);
  return dispatch(op, dtype, [&]<class T>() { return map_new<T, T>(op, a, y.to<T>(), kernels::Light{f}); });
}

/// f on x in a dtype of its own choice.
template <class F>
Tensor unary(const char* op, const Tensor& x, F f) {
  return dispatch(op, x.dtype(), [&]<class T>() { return map_new<T, T>(op, x, f); });
}

/// The dtype in which an operation on real numbers works: float32 for integers.
DType real(DType dtype) { return is_floating_point(dtype) ? dtype : DType::Float32; }

void refuse_bool(const char* op, DType x, DType y, const char* remedy) {
  check<DTypeError>(x != DType::Bool && y != DType::Bool, "{}: not defined for bool; {}", op, remedy);
}
constexpr const char* sub_remedy = "use logical_not or ne to compare, or convert with .to(gradus::int64)";

/// A number times alpha, in the kind that both make.
void check_alpha(const char* op, Scalar alpha, DType dtype) {
  check<DTypeError>(kind(alpha.dtype()) <= kind(dtype), "{}: alpha is a {}, but the result is {}; convert the tensors first", op,
                    kind(alpha.dtype()) == 2 ? "floating-point number" : "whole number", name(dtype));
}

}  // namespace

Tensor add(const Tensor& x, const Tensor& y, Scalar alpha) {
  impl_of("add", x);
  impl_of("add", y);
  const DType dtype = result_type(x, y);
  const bool plain = alpha.to<double>() == 1;
  if (!plain) check_alpha("add", alpha, dtype);
  Tensor z = plain ? arithmetic("add", x, y, dtype, plus)
                   : arithmetic("add", x, y, dtype, [alpha]<class T>(T a, T b) { return plus(a, times(alpha.to<T>(), b)); });
  return record("add", z, wrt(x, [](const Tensor& dz) { return dz; }),
                wrt(y, [alpha, plain](const Tensor& dz) { return plain ? dz : mul(dz, alpha); }));
}

Tensor add(const Tensor& x, Scalar y) {
  impl_of("add", x);
  return record("add", arithmetic("add", x, y, result_type(x, y), plus), wrt(x, [](const Tensor& dz) { return dz; }));
}

Tensor sub(const Tensor& x, const Tensor& y, Scalar alpha) {
  impl_of("sub", x);
  impl_of("sub", y);
  refuse_bool("sub", x.dtype(), y.dtype(), sub_remedy);
  const DType dtype = result_type(x, y);
  const bool plain = alpha.to<double>() == 1;
  if (!plain) check_alpha("sub", alpha, dtype);
  Tensor z = plain ? arithmetic("sub", x, y, dtype, minus)
                   : arithmetic("sub", x, y, dtype, [alpha]<class T>(T a, T b) { return minus(a, times(alpha.to<T>(), b)); });
  return record("sub", z, wrt(x, [](const Tensor& dz) { return dz; }),
                wrt(y, [alpha, plain](const Tensor& dz) { return plain ? neg(dz) : neg(mul(dz, alpha)); }));
}

Tensor sub(const Tensor& x, Scalar y) {
  impl_of("sub", x);
  refuse_bool("sub", x.dtype(), y.dtype(), sub_remedy);
  return record("sub", arithmetic("sub", x, y, result_type(x, y), minus), wrt(x, [](const Tensor& dz) { return dz; }));
}

Tensor sub(Scalar x, const Tensor& y) {
  impl_of("sub", y);
  refuse_bool("sub", x.dtype(), y.dtype(), sub_remedy);
  Tensor z = arithmetic("sub", y, x, result_type(y, x), []<class T>(T b, T a) { return minus(a, b); });
  return record("rsub_1", z, wrt(y, [](const Tensor& dz) { return neg(dz); }));
}

Tensor mul(const Tensor& x, const Tensor& y) {
  impl_of("mul", x);
  impl_of("mul", y);
  Tensor z = arithmetic("mul", x, y, result_type(x, y), times);
  // A factor is kept only for the sake of the other's gradient: keeping one that has a history takes a handle of its own.
  const auto kept = [](const Tensor& factor, const Tensor& other) { return other.requires_grad() ? Saved(factor) : Saved(); };
  return record("mul", z, wrt(x, [y = kept(y, x)](const Tensor& dz) { return mul(dz, *y); }),
                wrt(y, [x = kept(x, y)](const Tensor& dz) { return mul(dz, *x); }));
}

Tensor mul(const Tensor& x, Scalar y) {
  impl_of("mul", x);
  return record("mul", arithmetic("mul", x, y, result_type(x, y), times), wrt(x, [y](const Tensor& dz) { return mul(dz, y); }));
}

namespace {

/// x / y in `dtype`, which is floating-point.
template <class X, class Y>
Tensor divide(const X& x, const Y& y, DType dtype) {
  return arithmetic("div", x, y, dtype, over);
}

}  // namespace

Tensor div(const Tensor& x, const Tensor& y) {
  impl_of("div", x);
  impl_of("div", y);
  return record("div", divide(x, y, real(result_type(x, y))), wrt(x, [y = Saved(y)](const Tensor& dz) { return div(dz, *y); }),
                wrt(y, [x = Saved(x), y = Saved(y)](const Tensor& dz) { return neg(mul(dz, div(div(*x, *y), *y))); }));
}

Tensor div(const Tensor& x, Scalar y) {
  impl_of("div", x);
  return record("div", divide(x, y, real(result_type(x, y))), wrt(x, [y](const Tensor& dz) { return div(dz, y); }));
}

Tensor div(Scalar x, const Tensor& y) {
  impl_of("div", y);
  const Tensor numerator = full({}, x, {.dtype = real(result_type(y, x))});
  return record("div", divide(numerator, y, real(result_type(y, x))),
                wrt(y, [x, y = Saved(y)](const Tensor& dz) { return neg(mul(dz, div(div(x, *y), *y))); }));
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
  impl_of("pow", x);
  impl_of("pow", exponent);
  const DType dtype = result_type(x, exponent);
  check<DTypeError>(dtype != DType::Bool, "pow: not defined for bool; convert with .to(gradus::int64)");
  if (dtype == DType::Int64)
    check<ValueError>(!lt(exponent, 0).any().item<bool>(), "pow: integers have no negative powers; convert with .to(gradus::float32)");
  return record("pow_1", arithmetic("pow", x, exponent, dtype, power),
                wrt(x, [x = Saved(x),
                        e = Saved(exponent)](const Tensor& dz) { return mul(dz, where(eq(*e, 0), 0.0, mul(*e, pow(*x, sub(*e, 1))))); }),
                wrt(exponent, [x = Saved(x), e = Saved(exponent)](const Tensor& dz, const Tensor& z) {
                  const Tensor flat = logical_and(eq(*x, 0), ge(*e, 0));
                  return mul(dz, where(flat, 0.0, mul(z, log(*x))));
                }));
}

Tensor pow(const Tensor& x, Scalar exponent) {
  impl_of("pow", x);
  const DType dtype = result_type(x, exponent);
  check<DTypeError>(dtype != DType::Bool, "pow: not defined for bool; convert with .to(gradus::int64)");
  const double e = exponent.to<double>();
  check<ValueError>(dtype != DType::Int64 || e >= 0, "pow: integers have no negative powers, got {}; convert with .to(gradus::float32)", e);
  Tensor z;
  if (e == 2) z = arithmetic("pow", x, exponent, dtype, [](auto a, auto) { return times(a, a); });
  else z = arithmetic("pow", x, exponent, dtype, power);
  return record("pow", z, wrt(x, [x = Saved(x), e](const Tensor& dz) {
                  if (e == 0) return zeros_like(dz);
                  return mul(dz, mul(pow(*x, e - 1), e));
                }));
}

Tensor pow(Scalar x, const Tensor& exponent) {
  impl_of("pow", exponent);
  return pow(full({}, x, {.dtype = result_type(exponent, x)}), exponent);
}

Tensor neg(const Tensor& x) {
  impl_of("neg", x);
  refuse_bool("neg", x.dtype(), x.dtype(), "use logical_not");
  return record("neg", unary("neg", x, []<class T>(T a) { return a == T(0) ? static_cast<T>(-a) : minus(T(0), a); }),
                wrt(x, [](const Tensor& dy) { return neg(dy); }));
}

Tensor abs(const Tensor& x) {
  impl_of("abs", x);
  refuse_bool("abs", x.dtype(), x.dtype(), "it is its own absolute value");
  Tensor y = unary("abs", x, []<class T>(T a) {
    if constexpr (std::is_floating_point_v<T>) return std::fabs(a);
    else return a < T(0) ? minus(T(0), a) : a;
  });
  return record("abs", y, wrt(x, [x = Saved(x)](const Tensor& dy) { return where(gt(*x, 0), dy, where(lt(*x, 0), neg(dy), 0.0)); }));
}

Tensor exp(const Tensor& x) {
  return pointwise(
      "exp", x, [](auto v) { return kernels::vexp(v); }, [](const auto& y) { return y; });
}

Tensor log(const Tensor& x) {
  impl_of("log", x);
  const Tensor v = to(x, real(x.dtype()));
  Tensor y = dispatch_floating("log", v.dtype(), [&]<class T>() { return map_new<T, T>("log", v, [](T a) { return kernels::vlog(a); }); });
  return record("log", y, wrt(v, [v = Saved(v)](const Tensor& dy) { return div(dy, *v); }));
}

Tensor sqrt(const Tensor& x) {
  return pointwise(
      "sqrt", x, [](auto v) { return std::sqrt(v); }, [](const auto& y) { return 1 / (y * 2); });
}

Tensor tanh(const Tensor& x) {
  return pointwise(
      "tanh", x, [](auto v) { return kernels::vtanh(v); }, [](const auto& y) { return 1 - y * y; });
}

Tensor sigmoid(const Tensor& x) {
  return pointwise(
      "sigmoid", x, [](auto v) { return kernels::vsigmoid(v); }, [](const auto& y) { return y * (1 - y); });
}

Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max) {
  impl_of("clamp", x);
  check<ValueError>(min || max, "clamp: give a min, a max or both");
  DType dtype = x.dtype();
  if (min) dtype = std::max(dtype, result_type(x, *min));
  if (max) dtype = std::max(dtype, result_type(x, *max));
  check<DTypeError>(dtype != DType::Bool, "clamp: not defined for bool; convert with .to(gradus::int64)");
  const Tensor v = x.to(dtype);
  Tensor y = v.detach();
  if (min) y = arithmetic("clamp", y, *min, dtype, []<class T>(T a, T low) { return a < low ? low : a; });
  if (max) y = arithmetic("clamp", y, *max, dtype, []<class T>(T a, T high) { return a > high ? high : a; });
  return record("clamp", y, wrt(v, [v = Saved(v), min, max](const Tensor& dy) {
                  Tensor inside = min ? ge(*v, *min) : le(*v, *max);
                  if (min && max) inside = logical_and(inside, le(*v, *max));
                  return where(inside, dy, 0.0);
                }));
}

Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) {
  impl_of("where", condition);
  impl_of("where", x);
  impl_of("where", y);
  check<DTypeError>(condition.dtype() == DType::Bool, "where: the condition must be bool, got {}; compare, as in x > 0",
                    name(condition.dtype()));
  const DType dtype = result_type(x, y);
  const Tensor a = converted(x, dtype), b = converted(y, dtype);
  const Shape shape = broadcast_shapes("where", broadcast_shapes("where", condition.shape(), x.shape()), y.shape());
  Tensor z = new_tensor("where", shape, dtype);
  dispatch("where", dtype, [&]<class T>() {
    kernels::map([](bool c, T p, T q) { return c ? p : q; }, kernels::Strided(z.data<T>(), z.impl()->layout),
                 kernels::Strided(storage_of<bool>(condition), broadcast_to("where", condition, shape)),
                 kernels::Strided(storage_of<T>(a), broadcast_to("where", a, shape)),
                 kernels::Strided(storage_of<T>(b), broadcast_to("where", b, shape)));
  });
  return record("where", z, wrt(x, [c = Saved(condition)](const Tensor& dz) { return where(*c, dz, 0.0); }),
                wrt(y, [c = Saved(condition)](const Tensor& dz) { return where(*c, 0.0, dz); }));
}

Tensor where(const Tensor& condition, const Tensor& x, Scalar y) {
  impl_of("where", x);
  return where(condition, x, full({}, y, {.dtype = result_type(x, y)}));
}

Tensor where(const Tensor& condition, Scalar x, const Tensor& y) {
  impl_of("where", y);
  return where(condition, full({}, x, {.dtype = result_type(y, x)}), y);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  impl_of("masked_fill", x);
  impl_of("masked_fill", mask);
  check<DTypeError>(mask.dtype() == DType::Bool, "masked_fill: the mask must be bool, got {}; compare, as in x > 0", name(mask.dtype()));
  check<DTypeError>(kind(value.dtype()) <= kind(x.dtype()),
                    "masked_fill: a floating-point value does not fit into {}; convert the tensor first", name(x.dtype()));
  const Tensor v = x.detach();
  Tensor y = dispatch("masked_fill", x.dtype(), [&]<class T>() {
    return map_new<T, T, bool>("masked_fill", v, mask, [f = value.to<T>()](T a, bool m) { return m ? f : a; });
  });
  return record("masked_fill", y, wrt(x, [mask = Saved(mask)](const Tensor& dy) { return masked_fill(dy, *mask, 0); }));
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  check<ShapeError>(impl_of("masked_fill", value).layout.rank() == 0, "masked_fill: value has shape {}, but must be a scalar; use where",
                    value.shape());
  check<DTypeError>(kind(value.dtype()) <= kind(impl_of("masked_fill", x).dtype),
                    "masked_fill: a value of dtype {} does not fit into {}; convert the tensor first", name(value.dtype()),
                    name(x.dtype()));
  check<DTypeError>(impl_of("masked_fill", mask).dtype == DType::Bool, "masked_fill: the mask must be bool, got {}; compare, as in x > 0",
                    name(mask.dtype()));
  return where(mask, value.to(x.dtype()), x);
}

}  // namespace gradus
