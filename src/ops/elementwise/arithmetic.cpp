#include "gradus/ops/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradus/creation.h"
#include "ops/elementwise.h"
#include "ops/index_check.h"

namespace gradus {
namespace {

constexpr int64_t smallest = std::numeric_limits<int64_t>::min();

/// Integer division has no result for every pair; says where there is none: at 0, and, where the quotient is asked for, at the one that is
/// beyond int64.
void check_divisible(const Op& op, const Tensor& x, const Tensor& y, bool for_quotient) {
  op.takes(x, y);
  if (result_type(x, y) != DType::Int64) return;
  const Shape shape = broadcast_shapes(op, x.shape(), y.shape());
  const auto dense = [&](const Tensor& v) { return converted(v.detach(), DType::Int64).expand(shape).contiguous(); };
  const Tensor xs = dense(x), ys = dense(y);
  const int64_t *a = elements<int64_t>(xs), *b = elements<int64_t>(ys);
  for (int64_t i = 0, n = shape.numel(); i < n; ++i) {
    if (b[i] == 0) op.fail<ValueError>("integer division of {} by zero at {}; convert with .to(gradus::float32)", a[i], place_of(i, shape));
    if (for_quotient && a[i] == smallest && b[i] == -1)
      op.fail<ValueError>("{} / -1 at {} is beyond int64; convert with .to(gradus::float64)", a[i], place_of(i, shape));
  }
}

/// Python's floor division: exact where x / y would round up over a whole number.
template <class T>
T floor_quotient(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (b == 0) return a / b;
    const T mod = std::fmod(a, b);
    T quotient = (a - mod) / b;
    if (mod != 0 && (b < 0) != (mod < 0)) quotient -= 1;
    if (quotient == 0) return std::copysign(T(0), a / b);
    const T whole = std::floor(quotient);
    return quotient - whole > T(0.5) ? whole + 1 : whole;
  } else {
    const T quotient = a / b;
    return quotient - (a % b != 0 && (a < 0) != (b < 0));
  }
}

template <class T>
T trunc_quotient(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::trunc(a / b);
  else return a / b;
}

template <class T>
T trunc_remainder(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
  else return b == T(-1) ? T(0) : a % b;  // smallest % -1 is a trap
}

template <class T>
T floor_remainder(T a, T b) {
  const T rest = trunc_remainder(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/// y as a tensor that widens x no further than a plain number does.
Tensor number_beside(const Tensor& x, Scalar y) { return full({}, y, {.dtype = result_type(x, y)}); }

}  // namespace

Tensor div(const Tensor& x, const Tensor& y, std::string_view rounding_mode) {
  constexpr Op op("div");
  op.check<ValueError>(rounding_mode == "floor" || rounding_mode == "trunc", "rounding_mode is \"{}\"; it must be \"trunc\" or \"floor\"",
                       rounding_mode);
  check_divisible(op, x, y, true);
  Tensor z = rounding_mode == "floor" ? binary<Takes::Numbers>(op, x, y, []<class T>(T a, T b) { return floor_quotient(a, b); })
                                      : binary<Takes::Numbers>(op, x, y, []<class T>(T a, T b) { return trunc_quotient(a, b); });
  const auto flat = [](const Tensor& dz) { return zeros_like(dz); };
  return op.record(z, wrt(x, flat), wrt(y, flat));
}

Tensor div(const Tensor& x, Scalar y, std::string_view rounding_mode) {
  Op("div").takes(x);
  return div(x, number_beside(x, y), rounding_mode);
}
Tensor floor_divide(const Tensor& x, const Tensor& y) { return div(x, y, "floor"); }
Tensor floor_divide(const Tensor& x, Scalar y) { return div(x, y, "floor"); }

Tensor remainder(const Tensor& x, const Tensor& y) {
  constexpr Op op("remainder");
  check_divisible(op, x, y, false);
  return op.record(binary<Takes::Numbers>(op, x, y, []<class T>(T a, T b) { return floor_remainder(a, b); }),
                   wrt(x, [](const Tensor& dz) { return dz; }),
                   wrt(y, [x = Saved(x), y = Saved(y)](const Tensor& dz) { return -(dz * div(*x, *y, "floor")); }));
}
Tensor remainder(const Tensor& x, Scalar y) {
  Op("remainder").takes(x);
  return remainder(x, number_beside(x, y));
}

Tensor fmod(const Tensor& x, const Tensor& y) {
  constexpr Op op("fmod");
  check_divisible(op, x, y, false);
  return op.record(binary<Takes::Numbers>(op, x, y, []<class T>(T a, T b) { return trunc_remainder(a, b); }),
                   wrt(x, [](const Tensor& dz) { return dz; }),
                   wrt(y, [x = Saved(x), y = Saved(y)](const Tensor& dz) { return -(dz * div(*x, *y, "trunc")); }));
}
Tensor fmod(const Tensor& x, Scalar y) {
  Op("fmod").takes(x);
  return fmod(x, number_beside(x, y));
}

namespace {

constexpr auto is_greater = [](const auto& a, const auto& b) { return a > b; };
constexpr auto is_less = [](const auto& a, const auto& b) { return a < b; };

/// The one of x and y that lies `beyond` the other, bool included.
template <class Beyond>
Tensor extreme(const Op& op, const Tensor& x, const Tensor& y, Beyond beyond) {
  Tensor z = binary(op, x, y, [beyond]<class T>(T p, T q) { return ((p != p) | beyond(p, q)) ? p : q; });
  const auto pull = [beyond](const Tensor& own, const Tensor& other) {
    return [own = Saved(own), other = Saved(other), beyond](const Tensor& dz) {
      return where(beyond(*other, *own), 0.0, where(*own == *other, dz * 0.5, dz));
    };
  };
  return op.record(z, wrt(x, pull(x, y)), wrt(y, pull(y, x)));
}

/// One bound of clamp: x where it is within, or is NaN, the bound elsewhere; `beyond(x, bound)` says where it is not within.
template <class Beyond>
Tensor bounded(const Op& op, const Tensor& x, const Tensor& bound, Beyond beyond) {
  Tensor y = binary<Takes::Numbers>(op, x, bound, [beyond]<class T>(T a, T b) { return (beyond(a, b) | ((b != b) & (a == a))) ? b : a; });
  return op.record(
      y, wrt(x, [x = Saved(x), bound = Saved(bound), beyond](const Tensor& dy) { return masked_fill(dy, beyond(*x, *bound), 0); }),
      wrt(bound, [x = Saved(x), bound = Saved(bound), beyond](const Tensor& dy) { return where(beyond(*x, *bound), dy, 0.0); }));
}

}  // namespace

Tensor maximum(const Tensor& x, const Tensor& y) { return extreme(Op("maximum"), x, y, is_greater); }
Tensor minimum(const Tensor& x, const Tensor& y) { return extreme(Op("minimum"), x, y, is_less); }

Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max) {
  constexpr Op op("clamp");
  op.takes(x);
  op.check<ValueError>(min.defined() || max.defined(), "give a min, a max or both");
  const Tensor low = min.defined() ? bounded(op, x, min, is_less) : x;
  return max.defined() ? bounded(op, low, max, is_greater) : low;
}

namespace {

/// v / (a^2 + b^2), also where the squares leave the range of T while a and b don't.
constexpr auto over_squares = []<class T>(T v, T a, T b) {
  constexpr T least = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon(), most = std::numeric_limits<T>::max();
  const T sum = a * a + b * b, size = std::fmax(std::fabs(a), std::fabs(b)), p = a / size, q = b / size;
  return (sum > least && sum <= most) || !(size <= most) ? v / sum : v / size / (p * p + q * q) / size;
};

/// dz * v / (a^2 + b^2), for numbers of one loop or as public operations.
Tensor times_over_squares(const Op& op, const Tensor& dz, const Tensor& v, const Tensor& a, const Tensor& b) {
  if (recording_backward()) {
    const Tensor size = maximum(a.detach().abs(), b.detach().abs()), p = a / size, q = b / size;
    return dz * (v / size / (p * p + q * q) / size);
  }
  const DType dtype = dz.dtype();
  return with_type<Takes::Reals>(dtype, [&]<class T>() {
    const Tensor factor = map_new<T, T, T, T>(
        op, [](T x, T y, T z) { return over_squares(x, y, z); }, converted(v, dtype), converted(a, dtype), converted(b, dtype));
    return dz * factor;
  });
}

}  // namespace

Tensor atan2(const Tensor& y, const Tensor& x) {
  constexpr Op op("atan2");
  op.takes(y, x);
  op.check<DTypeError>(result_type(y, x) != DType::Bool, "not defined for bool; convert with .to(gradus::int64)");
  return op.record(binary<Takes::Reals>(op, y, x, [](auto a, auto b) { return std::atan2(a, b); }),
                   wrt(y, [op, x = Saved(x), y = Saved(y)](const Tensor& dz) { return times_over_squares(op, dz, *x, *x, *y); }),
                   wrt(x, [op, x = Saved(x), y = Saved(y)](const Tensor& dz) { return -times_over_squares(op, dz, *y, *x, *y); }));
}

namespace {

void check_same_dtype(const Op& op, const Tensor& x, const Tensor& y) {
  op.takes(x, y);
  op.check<DTypeError>(x.dtype() == y.dtype(), "dtypes {} and {} differ; convert one with .to()", name(x.dtype()), name(y.dtype()));
}

/// start + weight * (end - start), from the nearer end, so that a weight of 1 gives the end itself.
constexpr auto between = []<class T>(T start, T end, T weight) {
  return weight < T(0.5) ? start + weight * (end - start) : end - (end - start) * (1 - weight);
};

}  // namespace

Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  constexpr Op op("lerp", "lerp_1");
  check_same_dtype(op, start, end);
  check_same_dtype(op, start, weight);
  check_real(op, start);
  return op.record(with_type<Takes::Reals>(start.dtype(), [&]<class T>() { return map_new<T, T, T, T>(op, between, start, end, weight); }),
                   wrt(start, [w = Saved(weight)](const Tensor& dz) { return dz * (1 - *w); }),
                   wrt(end, [w = Saved(weight)](const Tensor& dz) { return dz * *w; }),
                   wrt(weight, [start = Saved(start), end = Saved(end)](const Tensor& dz) { return dz * (*end - *start); }));
}
Tensor lerp(const Tensor& start, const Tensor& end, double weight) {
  constexpr Op op("lerp");
  check_same_dtype(op, start, end);
  check_real(op, start);
  const auto at_weight = [weight]<class T>(T from, T to) { return between(from, to, static_cast<T>(weight)); };
  return op.record(binary<Takes::Reals>(op, start, end, at_weight), wrt(start, [weight](const Tensor& dz) { return dz * (1 - weight); }),
                   wrt(end, [weight](const Tensor& dz) { return dz * weight; }));
}

namespace {

/// f(x, value * a, b) in one floating-point dtype, by_a and by_b being its derivatives. `value * a` comes first, as in PyTorch: a tiny
/// value keeps what overflows without it.
template <class F, class A, class B>
Tensor with_product(const Op& op, DType dtype, const Tensor& given_x, const Tensor& given_a, const Tensor& given_b, Scalar value, F f,
                    A by_a, B by_b) {
  const Tensor x = given_x.to(dtype), a = given_a.to(dtype), b = given_b.to(dtype);
  Tensor z = with_type<Takes::Reals>(dtype, [&]<class T>() {
    return map_new<T, T, T, T>(
        op, [f, v = value.to<T>()](T p, T q, T r) { return f(p, v * q, r); }, x, a, b);
  });
  return op.record(z, wrt(x, [](const Tensor& dz) { return dz; }),
                   wrt(a, [b = Saved(b), value, by_a](const Tensor& dz) { return dz * by_a(*b, value); }),
                   wrt(b, [a = Saved(a), b = Saved(b), value, by_b](const Tensor& dz) { return dz * by_b(*a * value, *b); }));
}

}  // namespace

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  constexpr Op op("addcmul");
  op.takes(x, a, b);
  const bool alike = x.dtype() == a.dtype() && a.dtype() == b.dtype() && is_floating_point(x.dtype());
  const Tensor product = alike ? Tensor() : a * b;
  const DType dtype = alike ? x.dtype() : result_type(x, product);
  if (is_floating_point(dtype))
    return with_product(
        op, dtype, x, a, b, value, [](auto p, auto q, auto r) { return p + q * r; }, [](const Tensor& r, Scalar v) { return r * v; },
        [](const Tensor& q, const Tensor&) { return q; });
  if (std::max(product.dtype(), x.dtype()) != DType::Int64) return add(x, product, value);
  // Of a factor for integers only the whole part counts, as in PyTorch.
  op.check<ValueError>(!is_floating_point(value.dtype()) || std::fabs(value.to<double>()) < 0x1p63,
                       "value {} is no number that int64 holds", value.to<double>());
  return add(x, product, value.to<int64_t>());
}

Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  constexpr Op op("addcdiv");
  op.takes(x, a, b);
  op.check<DTypeError>(is_floating_point(x.dtype()) || is_floating_point(a.dtype()) || is_floating_point(b.dtype()),
                       "integers do not divide into integers; convert with .to(gradus::float32)");
  const bool alike = x.dtype() == a.dtype() && a.dtype() == b.dtype();
  return with_product(
      op, alike ? x.dtype() : result_type(x, a / b), x, a, b, value, [](auto p, auto q, auto r) { return p + q / r; },
      [](const Tensor& r, Scalar v) { return v / r; }, [](const Tensor& q, const Tensor& r) { return -(q / r / r); });
}

Tensor rsub(const Tensor& x, const Tensor& y, Scalar alpha) { return sub(y, x, alpha); }
Tensor rsub(const Tensor& x, Scalar y) { return sub(y, x); }

}  // namespace gradus
