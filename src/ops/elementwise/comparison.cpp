#include "gradus/ops/elementwise.h"

#include "gradus/ops/shape.h"
#include "ops/elementwise.h"

namespace gradus {
namespace {

/// f on x and y in the dtype where they meet.
template <class F>
Tensor compare(const char* op, const Tensor& x, const Tensor& y, F f) {
  impl_of(op, x);
  impl_of(op, y);
  const DType dtype = result_type(x, y);
  const Tensor a = converted(x, dtype), b = converted(y, dtype);
  return dispatch(op, dtype, [&]<class T>() { return map_new<bool, T, T>(op, a, b, f); });
}

template <class F>
Tensor compare(const char* op, const Tensor& x, Scalar y, F f) {
  impl_of(op, x);
  const DType dtype = result_type(x, y);
  const Tensor a = converted(x, dtype);
  return dispatch(op, dtype, [&]<class T>() { return map_new<bool, T>(op, a, y.to<T>(), f); });
}

/// A property of each element.
template <class F>
Tensor test(const char* op, const Tensor& x, F f) {
  impl_of(op, x);
  return dispatch(op, x.dtype(), [&]<class T>() { return map_new<bool, T>(op, x, f); });
}

constexpr auto equals = []<class T>(T a, T b) { return a == b; };
constexpr auto differs = []<class T>(T a, T b) { return a != b; };
constexpr auto less = []<class T>(T a, T b) { return a < b; };
constexpr auto at_most = []<class T>(T a, T b) { return a <= b; };
constexpr auto greater = []<class T>(T a, T b) { return a > b; };
constexpr auto at_least = []<class T>(T a, T b) { return a >= b; };

}  // namespace

Tensor eq(const Tensor& x, const Tensor& y) { return compare("eq", x, y, equals); }
Tensor eq(const Tensor& x, Scalar y) { return compare("eq", x, y, equals); }
Tensor ne(const Tensor& x, const Tensor& y) { return compare("ne", x, y, differs); }
Tensor ne(const Tensor& x, Scalar y) { return compare("ne", x, y, differs); }
Tensor lt(const Tensor& x, const Tensor& y) { return compare("lt", x, y, less); }
Tensor lt(const Tensor& x, Scalar y) { return compare("lt", x, y, less); }
Tensor le(const Tensor& x, const Tensor& y) { return compare("le", x, y, at_most); }
Tensor le(const Tensor& x, Scalar y) { return compare("le", x, y, at_most); }
Tensor gt(const Tensor& x, const Tensor& y) { return compare("gt", x, y, greater); }
Tensor gt(const Tensor& x, Scalar y) { return compare("gt", x, y, greater); }
Tensor ge(const Tensor& x, const Tensor& y) { return compare("ge", x, y, at_least); }
Tensor ge(const Tensor& x, Scalar y) { return compare("ge", x, y, at_least); }

Tensor logical_not(const Tensor& x) {
  return test("logical_not", x, []<class T>(T a) { return a == T(0); });
}
Tensor logical_and(const Tensor& x, const Tensor& y) {
  return compare("logical_and", x, y, []<class T>(T a, T b) { return a != T(0) && b != T(0); });
}
Tensor logical_or(const Tensor& x, const Tensor& y) {
  return compare("logical_or", x, y, []<class T>(T a, T b) { return a != T(0) || b != T(0); });
}
Tensor isnan(const Tensor& x) {
  return test("isnan", x, []<class T>(T a) { return a != a; });
}
Tensor isfinite(const Tensor& x) {
  return test("isfinite", x, []<class T>(T a) { return a - a == T(0); });
}

Tensor isinf(const Tensor& x) {
  const Tensor v = is_floating_point(impl_of("isinf", x).dtype) ? x.detach() : to(x, DType::Float64);
  return dispatch_floating("isinf", v.dtype(),
                           [&]<class T>() { return map_new<bool, T>("isinf", v, [](T a) { return (a == a) & (a - a != T(0)); }); });
}

}  // namespace gradus
