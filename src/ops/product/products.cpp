#include "gradus/ops/product.h"

#include "autograd/op.h"
#include "core/layout.h"
#include "ops/promote.h"

namespace gradus {
namespace {

void check_ranks(Op op, const Tensor& a, const Tensor& b, int64_t rank_a, int64_t rank_b) {
  op.takes(a, b);
  op.check<ShapeError>(a.dim() == rank_a && b.dim() == rank_b, "{} x {}: expected {} and {} dimensions; matmul takes any", a.shape(),
                       b.shape(), rank_a, rank_b);
}

/// A factor in the kind of the tensors: as PyTorch does, integers take only its whole part.
Scalar in_kind_of(const Tensor& x, Scalar factor) { return x.dtype() == DType::Int64 ? Scalar(factor.to<int64_t>()) : factor; }

/// beta x + alpha y, x broadcast to y's shape.
Tensor combined(Op op, const Tensor& x, const Tensor& y, Scalar beta, Scalar alpha) {
  op.takes(x);
  op.check<DTypeError>(x.dtype() == y.dtype(), "x is {} and the product {}; convert one with .to()", name(x.dtype()), name(y.dtype()));
  beta = in_kind_of(y, beta);
  alpha = in_kind_of(y, alpha);
  const Tensor stretched = x.expand(y.shape());
  const Tensor product = alpha.to<double>() == 1 ? y : y * alpha;
  if (beta.to<double>() == 0) return product;
  return product + (beta.to<double>() == 1 ? stretched : stretched * beta);
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  constexpr Op op("mm");
  check_ranks(op, a, b, 2, 2);
  return matmul(a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  constexpr Op op("bmm");
  check_ranks(op, a, b, 3, 3);
  op.check<ShapeError>(a.size(0) == b.size(0), "{} x {}: batches differ ({} and {}); matmul broadcasts them", a.shape(), b.shape(),
                       a.size(0), b.size(0));
  return matmul(a, b);
}

Tensor mv(const Tensor& a, const Tensor& b) {
  constexpr Op op("mv");
  check_ranks(op, a, b, 2, 1);
  return matmul(a, b);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  constexpr Op op("dot");
  check_ranks(op, a, b, 1, 1);
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  constexpr Op op("outer");
  check_ranks(op, a, b, 1, 1);
  return a.unsqueeze(1) * b;
}

Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  constexpr Op op("addmm");
  check_ranks(op, a, b, 2, 2);
  return combined(op, x, mm(a, b), beta, alpha);
}

Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  constexpr Op op("baddbmm");
  check_ranks(op, a, b, 3, 3);
  return combined(op, x, bmm(a, b), beta, alpha);
}

}  // namespace gradus
