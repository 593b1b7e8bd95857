#include "gradus/ops/elementwise.h"
#include "ops/elementwise.h"

namespace gradus {
namespace {

constexpr auto equals = []<class T>(T a, T b) { return a == b; };
constexpr auto differs = []<class T>(T a, T b) { return a != b; };
constexpr auto less = []<class T>(T a, T b) { return a < b; };
constexpr auto less_or_equal = []<class T>(T a, T b) { return a <= b; };
constexpr auto greater = []<class T>(T a, T b) { return a > b; };
constexpr auto greater_or_equal = []<class T>(T a, T b) { return a >= b; };

}  // namespace

Tensor eq(const Tensor& x, const Tensor& y) { return binary(Op("eq"), x, y, equals); }
Tensor eq(const Tensor& x, Scalar y) { return binary(Op("eq"), x, y, equals); }
Tensor ne(const Tensor& x, const Tensor& y) { return binary(Op("ne"), x, y, differs); }
Tensor ne(const Tensor& x, Scalar y) { return binary(Op("ne"), x, y, differs); }
Tensor lt(const Tensor& x, const Tensor& y) { return binary(Op("lt"), x, y, less); }
Tensor lt(const Tensor& x, Scalar y) { return binary(Op("lt"), x, y, less); }
Tensor le(const Tensor& x, const Tensor& y) { return binary(Op("le"), x, y, less_or_equal); }
Tensor le(const Tensor& x, Scalar y) { return binary(Op("le"), x, y, less_or_equal); }
Tensor gt(const Tensor& x, const Tensor& y) { return binary(Op("gt"), x, y, greater); }
Tensor gt(const Tensor& x, Scalar y) { return binary(Op("gt"), x, y, greater); }
Tensor ge(const Tensor& x, const Tensor& y) { return binary(Op("ge"), x, y, greater_or_equal); }
Tensor ge(const Tensor& x, Scalar y) { return binary(Op("ge"), x, y, greater_or_equal); }

Tensor logical_not(const Tensor& x) {
  return unary(Op("logical_not"), x, []<class T>(T a) { return a == T(0); });
}
Tensor logical_and(const Tensor& x, const Tensor& y) {
  return binary(Op("logical_and"), x, y, []<class T>(T a, T b) { return a != T(0) && b != T(0); });
}
Tensor logical_or(const Tensor& x, const Tensor& y) {
  return binary(Op("logical_or"), x, y, []<class T>(T a, T b) { return a != T(0) || b != T(0); });
}
Tensor logical_xor(const Tensor& x, const Tensor& y) {
  return binary(Op("logical_xor"), x, y, []<class T>(T a, T b) { return (a != T(0)) != (b != T(0)); });
}

Tensor isnan(const Tensor& x) {
  return unary(Op("isnan"), x, []<class T>(T a) { return a != a; });
}
Tensor isfinite(const Tensor& x) {
  return unary(Op("isfinite"), x, []<class T>(T a) { return a - a == T(0); });
}
Tensor isinf(const Tensor& x) {
  return unary(Op("isinf"), x, []<class T>(T a) { return static_cast<bool>((a == a) & (a - a != T(0))); });
}

}  // namespace gradus
