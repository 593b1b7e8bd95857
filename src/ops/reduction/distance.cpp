#include "gradus/ops/reduction.h"

#include <algorithm>

#include "autograd/op.h"
#include "core/check.h"
#include "core/layout.h"
#include "ops/promote.h"

namespace gradus {

namespace {

/// max(||x||, eps) along dim, with the gradient of ||x||.
Tensor bounded_norm(const Tensor& x, int64_t dim, double eps) {
  const Tensor length = norm(x, 2, dim, true), number = length.detach();
  return length + (number.clamp(eps) - number);
}

}  // namespace

Tensor cosine_similarity(const Tensor& x, const Tensor& y, int64_t dim, double eps) {
  constexpr Op op("cosine_similarity");
  const DType dtype = (impl_of(op, x), impl_of(op, y), result_type(x, y));
  op.check<DTypeError>(is_floating_point(dtype), "takes float32 or float64, got {} and {}; convert with .to(gradus::float32)",
                       name(x.dtype()), name(y.dtype()));
  const Shape shape = broadcast_shapes(op, x.shape(), y.shape());
  const Tensor a = x.to(dtype).expand(shape), b = y.to(dtype).expand(shape);
  return sum(a / bounded_norm(a, dim, eps) * (b / bounded_norm(b, dim, eps)), dim);
}

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p, double eps, bool keepdim) {
  constexpr Op op("pairwise_distance");
  op.takes(x1, x2);
  const int64_t last = std::max(x1.dim(), x2.dim()) - 1;
  return norm(x1 - x2 + eps, p, last, keepdim);
}

}  // namespace gradus
