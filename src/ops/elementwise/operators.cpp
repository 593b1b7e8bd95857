#include "gradus/ops/elementwise.h"

#include "gradus/operators.h"

namespace gradus {

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

}  // namespace gradus
