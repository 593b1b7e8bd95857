#include "gradus/ops/product.h"

#include <algorithm>

#include "autograd/op.h"
#include "core/layout.h"
#include "ops/promote.h"

namespace gradus {

Tensor bilinear(const Tensor& x1, const Tensor& x2, const Tensor& weight, const Tensor& bias) {
  constexpr Op op("bilinear");
  op.takes(x1, x2, weight);
  const Shape &a = x1.shape(), &b = x2.shape();
  const Shape& w = weight.shape();
  op.check<ShapeError>(w.size() == 3, "weight has shape {}, expected (outputs, first features, second features)", w);
  op.check<ShapeError>(!a.empty() && !b.empty() && a.back() == w[1] && b.back() == w[2],
                       "x1 of shape {} and x2 of shape {} must end in {} and {} features, as weight of shape {} has them", a, b, w[1], w[2],
                       w);
  Shape y = a, other = b;
  y[y.size() - 1] = other[other.size() - 1] = w[0];
  op.check<ShapeError>(y == other, "x1 of shape {} and x2 of shape {} must agree in all dimensions but the last", a, b);
  const bool alike = x1.dtype() == x2.dtype() && x1.dtype() == weight.dtype() && (!bias.defined() || bias.dtype() == x1.dtype());
  op.check<DTypeError>(alike && x1.dtype() != DType::Bool, "x1 is {}, x2 {} and weight {}; all must be alike, and no bool",
                       name(x1.dtype()), name(x2.dtype()), name(weight.dtype()));
  op.check<ShapeError>(!bias.defined() || bias.shape() == Shape(w[0]), "bias has shape {}, expected [{}], one number an output",
                       bias.defined() ? bias.shape() : Shape(), w[0]);
  const int64_t rows = y.numel() / std::max<int64_t>(w[0], 1);
  const Tensor rotated = weight.permute({1, 0, 2}).reshape({w[1], w[0] * w[2]});                 // (I, O J)
  const Tensor partial = matmul(x1.reshape({rows, w[1]}), rotated).reshape({rows, w[0], w[2]});  // x1 W
  const Tensor result = matmul(partial, x2.reshape({rows, w[2], 1})).reshape(y);
  return bias.defined() ? result + bias : result;
}

}  // namespace gradus
