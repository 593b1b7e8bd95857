#include "gradus/operators.h"

#include "autograd/in_place.h"
#include "gradus/ops/elementwise.h"
#include "ops/elementwise.h"

namespace gradus {
namespace {

/// f bit by bit on int64, on bool as such.
template <class Y, class F>
Tensor bitwise(const Op& op, const Tensor& x, const Y& y, F f) {
  return binary<Takes::Whole>(op, x, y, [f]<class T>(T a, T b) { return static_cast<T>(f(a, b)); });
}

constexpr Op and_op("bitwise_and"), or_op("bitwise_or"), xor_op("bitwise_xor");
constexpr auto both = [](auto a, auto b) { return a & b; };
constexpr auto either = [](auto a, auto b) { return a | b; };
constexpr auto one = [](auto a, auto b) { return a ^ b; };

}  // namespace

Tensor operator+(const Tensor& x, const Tensor& y) { return add(x, y); }
Tensor operator+(const Tensor& x, Scalar y) { return add(x, y); }
Tensor operator+(Scalar x, const Tensor& y) { return add(y, x); }
Tensor operator-(const Tensor& x, const Tensor& y) { return sub(x, y); }
Tensor operator-(const Tensor& x, Scalar y) { return sub(x, y); }
Tensor operator-(Scalar x, const Tensor& y) { return sub(x, y); }
Tensor operator*(const Tensor& x, const Tensor& y) { return mul(x, y); }
Tensor operator*(const Tensor& x, Scalar y) { return mul(x, y); }
Tensor operator*(Scalar x, const Tensor& y) { return mul(y, x); }
Tensor operator/(const Tensor& x, const Tensor& y) { return div(x, y); }
Tensor operator/(const Tensor& x, Scalar y) { return div(x, y); }
Tensor operator/(Scalar x, const Tensor& y) { return div(x, y); }
Tensor operator-(const Tensor& x) { return neg(x); }

Tensor operator==(const Tensor& x, const Tensor& y) { return eq(x, y); }
Tensor operator==(const Tensor& x, Scalar y) { return eq(x, y); }
Tensor operator==(Scalar x, const Tensor& y) { return eq(y, x); }
Tensor operator!=(const Tensor& x, const Tensor& y) { return ne(x, y); }
Tensor operator!=(const Tensor& x, Scalar y) { return ne(x, y); }
Tensor operator!=(Scalar x, const Tensor& y) { return ne(y, x); }
Tensor operator<(const Tensor& x, const Tensor& y) { return lt(x, y); }
Tensor operator<(const Tensor& x, Scalar y) { return lt(x, y); }
Tensor operator<(Scalar x, const Tensor& y) { return gt(y, x); }
Tensor operator<=(const Tensor& x, const Tensor& y) { return le(x, y); }
Tensor operator<=(const Tensor& x, Scalar y) { return le(x, y); }
Tensor operator<=(Scalar x, const Tensor& y) { return ge(y, x); }
Tensor operator>(const Tensor& x, const Tensor& y) { return gt(x, y); }
Tensor operator>(const Tensor& x, Scalar y) { return gt(x, y); }
Tensor operator>(Scalar x, const Tensor& y) { return lt(y, x); }
Tensor operator>=(const Tensor& x, const Tensor& y) { return ge(x, y); }
Tensor operator>=(const Tensor& x, Scalar y) { return ge(x, y); }
Tensor operator>=(Scalar x, const Tensor& y) { return le(y, x); }

Tensor operator~(const Tensor& x) { return x.dtype() == DType::Bool ? logical_not(x) : bitwise(Op("bitwise_not"), x, Scalar(-1), one); }
Tensor operator&(const Tensor& x, const Tensor& y) { return bitwise(and_op, x, y, both); }
Tensor operator&(const Tensor& x, Scalar y) { return bitwise(and_op, x, y, both); }
Tensor operator&(Scalar x, const Tensor& y) { return bitwise(and_op, y, x, both); }
Tensor operator|(const Tensor& x, const Tensor& y) { return bitwise(or_op, x, y, either); }
Tensor operator|(const Tensor& x, Scalar y) { return bitwise(or_op, x, y, either); }
Tensor operator|(Scalar x, const Tensor& y) { return bitwise(or_op, y, x, either); }
Tensor operator^(const Tensor& x, const Tensor& y) { return bitwise(xor_op, x, y, one); }
Tensor operator^(const Tensor& x, Scalar y) { return bitwise(xor_op, x, y, one); }
Tensor operator^(Scalar x, const Tensor& y) { return bitwise(xor_op, y, x, one); }

Tensor& Tensor::operator&=(const Tensor& other) & {
  in_place("and_", *this, [&](const Tensor& x) { return x & other; });
  return *this;
}
Tensor& Tensor::operator|=(const Tensor& other) & {
  in_place("or_", *this, [&](const Tensor& x) { return x | other; });
  return *this;
}
Tensor& Tensor::operator^=(const Tensor& other) & {
  in_place("xor_", *this, [&](const Tensor& x) { return x ^ other; });
  return *this;
}

}  // namespace gradus
