#include "gradus/ops/functional.h"

#include <algorithm>

#include "autograd/record.h"
#include "core/check.h"
#include "core/layout.h"
#include "gradus/ops.h"
#include "ops/promote.h"

namespace gradus {

Tensor glu(const Tensor& x, int64_t dim) {
  const Shape& shape = impl_of("glu", x).layout.shape;
  check<ShapeError>(shape.size() > 0, "glu: a scalar has no halves");
  dim = wrap_dim("glu", dim, shape.size());
  check<ShapeError>(shape[dim] % 2 == 0, "glu: shape {} has {} elements along dimension {}, which do not halve", shape, shape[dim], dim);
  check<DTypeError>(is_floating_point(x.dtype()), "glu: takes float32 or float64, got {}; convert with .to(gradus::float32)",
                    name(x.dtype()));
  const int64_t half = shape[dim] / 2;
  return mul(narrow(x, dim, 0, half), sigmoid(narrow(x, dim, half, half)));
}

Tensor softmin(const Tensor& x, int64_t dim, std::optional<DType> dtype) { return softmax(neg(x), dim, dtype); }

Tensor normalize(const Tensor& x, double p, const Dims& dims, double eps) { return div(x, clamp(norm(x, p, dims, true), eps)); }

namespace {

/// max(||x||, eps) along dim, with the gradient of ||x||.
Tensor bounded_norm(const Tensor& x, int64_t dim, double eps) {
  const Tensor length = norm(x, 2, dim, true), number = length.detach();
  return add(length, sub(clamp(number, eps), number));
}

}  // namespace

Tensor cosine_similarity(const Tensor& x, const Tensor& y, int64_t dim, double eps) {
  const DType dtype = (impl_of("cosine_similarity", x), impl_of("cosine_similarity", y), result_type(x, y));
  check<DTypeError>(is_floating_point(dtype),
                    "cosine_similarity: takes float32 or float64, got {} and {}; convert with .to(gradus::float32)", name(x.dtype()),
                    name(y.dtype()));
  const Shape shape = broadcast_shapes("cosine_similarity", x.shape(), y.shape());
  const Tensor a = expand(to(x, dtype), shape), b = expand(to(y, dtype), shape);
  return sum(mul(div(a, bounded_norm(a, dim, eps)), div(b, bounded_norm(b, dim, eps))), dim);
}

Tensor bilinear(const Tensor& x1, const Tensor& x2, const Tensor& weight, const Tensor& bias) {
  const Shape &a = impl_of("bilinear", x1).layout.shape, &b = impl_of("bilinear", x2).layout.shape;
  const Shape& w = impl_of("bilinear", weight).layout.shape;
  check<ShapeError>(w.size() == 3, "bilinear: weight has shape {}, expected (outputs, first features, second features)", w);
  check<ShapeError>(!a.empty() && !b.empty() && a.back() == w[1] && b.back() == w[2],
                    "bilinear: x1 of shape {} and x2 of shape {} must end in {} and {} features, as weight of shape {} has them", a, b,
                    w[1], w[2], w);
  Shape y = a, other = b;
  y[y.size() - 1] = other[other.size() - 1] = w[0];
  check<ShapeError>(y == other, "bilinear: x1 of shape {} and x2 of shape {} must agree in all dimensions but the last", a, b);
  const bool alike = x1.dtype() == x2.dtype() && x1.dtype() == weight.dtype() && (!bias.defined() || bias.dtype() == x1.dtype());
  check<DTypeError>(alike && x1.dtype() != DType::Bool, "bilinear: x1 is {}, x2 {} and weight {}; all must be alike, and no bool",
                    name(x1.dtype()), name(x2.dtype()), name(weight.dtype()));
  check<ShapeError>(!bias.defined() || bias.shape() == Shape(w[0]), "bilinear: bias has shape {}, expected [{}], one number an output",
                    bias.defined() ? bias.shape() : Shape(), w[0]);
  const int64_t rows = y.numel() / std::max<int64_t>(w[0], 1);
  const Tensor rotated = reshape(permute(weight, {1, 0, 2}), {w[1], w[0] * w[2]});                 // (I, O J)
  const Tensor partial = reshape(matmul(reshape(x1, {rows, w[1]}), rotated), {rows, w[0], w[2]});  // x1 W
  const Tensor result = reshape(matmul(partial, reshape(x2, {rows, w[2], 1})), y);
  return bias.defined() ? add(result, bias) : result;
}

}  // namespace gradus
