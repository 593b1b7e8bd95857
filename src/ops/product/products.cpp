#include "gradus/ops/product.h"

#include "autograd/record.h"
#include "core/check.h"
#include "core/layout.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "ops/promote.h"

namespace gradus {
namespace {

void check_ranks(const char* op, const Tensor& a, const Tensor& b, int64_t rank_a, int64_t rank_b) {
  check<ShapeError>(impl_of(op, a).layout.rank() == rank_a && impl_of(op, b).layout.rank() == rank_b,
                    "{}: {} x {}: expected {} and {} dimensions; matmul takes any", op, a.shape(), b.shape(), rank_a, rank_b);
}

/// A factor in the kind of the tensors: as PyTorch does, integers take only its whole part.
Scalar in_kind_of(const Tensor& x, Scalar factor) { return x.dtype() == DType::Int64 ? Scalar(factor.to<int64_t>()) : factor; }

/// beta x + alpha y, x broadcast to y's shape.
Tensor combined(const char* op, const Tensor& x, const Tensor& y, Scalar beta, Scalar alpha) {
  check<DTypeError>(impl_of(op, x).dtype == y.dtype(), "{}: x is {} and the product {}; convert one with .to()", op, name(x.dtype()),
                    name(y.dtype()));
  beta = in_kind_of(y, beta);
  alpha = in_kind_of(y, alpha);
  const Tensor stretched = expand(x, y.shape());
  const Tensor product = alpha.to<double>() == 1 ? y : mul(y, alpha);
  if (beta.to<double>() == 0) return product;
  return add(product, beta.to<double>() == 1 ? stretched : mul(stretched, beta));
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  check_ranks("mm", a, b, 2, 2);
  return matmul(a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  check_ranks("bmm", a, b, 3, 3);
  check<ShapeError>(a.size(0) == b.size(0), "bmm: {} x {}: batches differ ({} and {}); matmul broadcasts them", a.shape(), b.shape(),
                    a.size(0), b.size(0));
  return matmul(a, b);
}

Tensor mv(const Tensor& a, const Tensor& b) {
  check_ranks("mv", a, b, 2, 1);
  return matmul(a, b);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_ranks("dot", a, b, 1, 1);
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  check_ranks("outer", a, b, 1, 1);
  return mul(unsqueeze(a, 1), b);
}

Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  check_ranks("addmm", a, b, 2, 2);
  return combined("addmm", x, mm(a, b), beta, alpha);
}

Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  check_ranks("baddbmm", a, b, 3, 3);
  return combined("baddbmm", x, bmm(a, b), beta, alpha);
}

}  // namespace gradus
