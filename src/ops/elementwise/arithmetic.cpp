#include "gradus/ops/elementwise.h"

#include <cmath>
#include <limits>

#include "gradus/creation.h"
#include "gradus/ops/reduction.h"
#include "ops/elementwise.h"
#include "ops/index_check.h"

namespace gradus {
namespace {

constexpr int64_t smallest = std::numeric_limits<int64_t>::min();

/// x and y in the dtype where they meet, for an operation that bool does not have.
struct Pair {
  Tensor x, y;
  DType dtype;
};

Pair meet(const char* op, const Tensor& x, const Tensor& y) {
  impl_of(op, x);
  impl_of(op, y);
  const DType dtype = result_type(x, y);
  check<DTypeError>(dtype != DType::Bool, "{}: not defined for bool; convert with .to(gradus::int64)", op);
  return {converted(x, dtype), converted(y, dtype), dtype};
}

/// Integer division has no result for every pair; says where there is none.
void check_divisible(const char* op, const Pair& p) {
  if (p.dtype != DType::Int64) return;
  const Shape shape = broadcast_shapes(op, p.x.shape(), p.y.shape());
  const Tensor x = p.x.detach().expand(shape).contiguous(), y = p.y.detach().expand(shape).contiguous();
  const int64_t *a = x.data<int64_t>(), *b = y.data<int64_t>();
  for (int64_t i = 0, n = shape.numel(); i < n; ++i) {
    if (b[i] == 0)
      fail<ValueError>("{}: integer division of {} by zero at {}; convert with .to(gradus::float32)", op, a[i], place_of(i, shape));
    if (a[i] == smallest && b[i] == -1)
      fail<ValueError>("{}: {} / -1 at {} is beyond int64; convert with .to(gradus::float64)", op, a[i], place_of(i, shape));
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
  else return a % b;
}

template <class T>
T floor_remainder(T a, T b) {
  const T rest = trunc_remainder(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

template <class F>
Tensor map_pair(const char* op, const Pair& p, F f) {
  return dispatch(op, p.dtype, [&]<class T>() {
    if constexpr (std::is_same_v<T, bool>) return Tensor();
    else return map_new<T, T, T>(op, p.x, p.y, f);
  });
}

/// y as a tensor that widens x no further than a plain number does.
Tensor number_beside(const Tensor& x, Scalar y) { return full({}, y, {.dtype = result_type(x, y)}); }

}  // namespace

Tensor div(const Tensor& x, const Tensor& y, std::string_view rounding_mode) {
  check<ValueError>(rounding_mode == "floor" || rounding_mode == "trunc", "div: rounding_mode is \"{}\"; it must be \"trunc\" or \"floor\"",
                    rounding_mode);
  const Pair p = meet("div", x, y);
  check_divisible("div", p);
  Tensor z = rounding_mode == "floor" ? map_pair("div", p, []<class T>(T a, T b) { return floor_quotient(a, b); })
                                      : map_pair("div", p, []<class T>(T a, T b) { return trunc_quotient(a, b); });
  const auto flat = [](const Tensor& dz) { return zeros_like(dz); };
  return record("div", z, wrt(x, flat), wrt(y, flat));
}

Tensor div(const Tensor& x, Scalar y, std::string_view rounding_mode) {
  impl_of("div", x);
  return div(x, number_beside(x, y), rounding_mode);
}
Tensor floor_divide(const Tensor& x, const Tensor& y) { return div(x, y, "floor"); }
Tensor floor_divide(const Tensor& x, Scalar y) { return div(x, y, "floor"); }

Tensor remainder(const Tensor& x, const Tensor& y) {
  const Pair p = meet("remainder", x, y);
  check_divisible("remainder", p);
  return record("remainder", map_pair("remainder", p, []<class T>(T a, T b) { return floor_remainder(a, b); }),
                wrt(x, [](const Tensor& dz) { return dz; }),
                wrt(y, [x = Saved(x), y = Saved(y)](const Tensor& dz) { return neg(mul(dz, div(*x, *y, "floor"))); }));
}
Tensor remainder(const Tensor& x, Scalar y) {
  impl_of("remainder", x);
  return remainder(x, number_beside(x, y));
}

Tensor fmod(const Tensor& x, const Tensor& y) {
  const Pair p = meet("fmod", x, y);
  check_divisible("fmod", p);
  return record("fmod", map_pair("fmod", p, []<class T>(T a, T b) { return trunc_remainder(a, b); }),
                wrt(x, [](const Tensor& dz) { return dz; }),
                wrt(y, [x = Saved(x), y = Saved(y)](const Tensor& dz) { return neg(mul(dz, div(*x, *y, "trunc"))); }));
}
Tensor fmod(const Tensor& x, Scalar y) {
  impl_of("fmod", x);
  return fmod(x, number_beside(x, y));
}

namespace {

/// The one of x and y that `better` prefers, bool included.
template <class Better>
Tensor choose(const char* op, const Tensor& x, const Tensor& y, Better better) {
  impl_of(op, x);
  impl_of(op, y);
  const DType dtype = result_type(x, y);
  const Tensor a = converted(x, dtype), b = converted(y, dtype);
  Tensor z = dispatch(
      op, dtype, [&]<class T>() { return map_new<T, T, T>(op, a, b, [better](T p, T q) { return ((p != p) | better(p, q)) ? p : q; }); });
  const auto pull = [better](const Tensor& own, const Tensor& other) {
    return [own = Saved(own), other = Saved(other), better](const Tensor& dz) {
      return where(better(*other, *own), 0.0, where(eq(*own, *other), mul(dz, 0.5), dz));
    };
  };
  return record(op, z, wrt(x, pull(x, y)), wrt(y, pull(y, x)));
}

struct Greater {
  template <class T>
  auto operator()(const T& a, const T& b) const {
    return a > b;
  }
  Tensor operator()(const Tensor& a, const Tensor& b) const { return gt(a, b); }
};
struct Less {
  template <class T>
  auto operator()(const T& a, const T& b) const {
    return a < b;
  }
  Tensor operator()(const Tensor& a, const Tensor& b) const { return lt(a, b); }
};

}  // namespace

Tensor maximum(const Tensor& x, const Tensor& y) { return choose("maximum", x, y, Greater()); }
Tensor minimum(const Tensor& x, const Tensor& y) { return choose("minimum", x, y, Less()); }

namespace {

/// One bound of clamp: x where it is within, or is NaN, the bound elsewhere; `beyond(x, bound)` says where it is not within.
template <class Beyond>
Tensor bounded(const Tensor& x, const Tensor& bound, Beyond beyond) {
  const Pair p = meet("clamp", x, bound);
  Tensor y = map_pair("clamp", p, [beyond]<class T>(T a, T b) { return (beyond(a, b) | ((b != b) & (a == a))) ? b : a; });
  return record("clamp", y,
                wrt(x, [x = Saved(x), bound = Saved(bound), beyond](const Tensor& dy) { return masked_fill(dy, beyond(*x, *bound), 0); }),
                wrt(bound, [x = Saved(x), bound = Saved(bound), beyond](const Tensor& dy) { return where(beyond(*x, *bound), dy, 0.0); }));
}

}  // namespace

Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max) {
  impl_of("clamp", x);
  check<ValueError>(min.defined() || max.defined(), "clamp: give a min, a max or both");
  const Tensor low = min.defined() ? bounded(x, min, Less()) : x;
  return max.defined() ? bounded(low, max, Greater()) : low;
}

Tensor atan2(const Tensor& y, const Tensor& x) {
  Pair p = meet("atan2", y, x);
  if (p.dtype == DType::Int64) p = {p.x.to(DType::Float32), p.y.to(DType::Float32), DType::Float32};
  Tensor z = dispatch_floating("atan2", p.dtype,
                               [&]<class T>() { return map_new<T, T, T>("atan2", p.x, p.y, [](T a, T b) { return std::atan2(a, b); }); });
  const auto over_square = [](const Tensor& v, const Tensor& a, const Tensor& b) { return div(v, add(mul(a, a), mul(b, b))); };
  return record("atan2", z,
                wrt(y, [x = Saved(x), y = Saved(y), over_square](const Tensor& dz) { return mul(dz, over_square(*x, *x, *y)); }),
                wrt(x, [x = Saved(x), y = Saved(y), over_square](const Tensor& dz) { return neg(mul(dz, over_square(*y, *x, *y))); }));
}

namespace {
void check_same_dtype(const char* op, const Tensor& x, const Tensor& y) {
  check<DTypeError>(impl_of(op, x).dtype == impl_of(op, y).dtype, "{}: dtypes {} and {} differ; convert one with .to()", op,
                    name(x.dtype()), name(y.dtype()));
}
}  // namespace

Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  check_same_dtype("lerp", start, end);
  check_same_dtype("lerp", start, weight);
  return add(start, mul(weight, sub(end, start)));
}
Tensor lerp(const Tensor& start, const Tensor& end, double weight) {
  check_same_dtype("lerp", start, end);
  return add(start, mul(sub(end, start), weight));
}

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  const Tensor product = mul(a, b);
  // Of a factor for integers only the whole part counts, as in PyTorch.
  return add(x, product, std::max(product.dtype(), impl_of("addcmul", x).dtype) == DType::Int64 ? Scalar(value.to<int64_t>()) : value);
}

Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  check<DTypeError>(is_floating_point(impl_of("addcdiv", x).dtype) || is_floating_point(impl_of("addcdiv", a).dtype) ||
                        is_floating_point(impl_of("addcdiv", b).dtype),
                    "addcdiv: integers do not divide into integers; convert with .to(gradus::float32)");
  return add(x, div(a, b), value);
}

Tensor rsub(const Tensor& x, const Tensor& y, Scalar alpha) { return sub(y, x, alpha); }
Tensor rsub(const Tensor& x, Scalar y) { return sub(y, x); }

Tensor logical_xor(const Tensor& x, const Tensor& y) { return ne(ne(x, false), ne(y, false)); }

}  // namespace gradus
