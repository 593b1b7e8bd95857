#include "gradus/ops/reduction.h"

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/shape.h"
#include "kernels/scan.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// The product of every element along dim but each itself: what is before it times what is after it.
Tensor products_of_others(const Tensor& x, int64_t dim) {
  const std::vector<Tensor> xs = unbind(x, dim);
  std::vector<Tensor> others(xs.size());
  Tensor before = ones_like(xs[0]), after = before;
  for (size_t i = 0; i < xs.size(); ++i) {
    others[i] = before;
    before = before * xs[i];
  }
  for (size_t i = xs.size(); i-- > 0;) {
    others[i] = others[i] * after;
    after = after * xs[i];
  }
  return stack(others, dim);
}

/// The products along a dimension of a tensor that has one.
Tensor product(const Tensor& x, int64_t dim, bool keepdim) {
  constexpr Op op("prod");
  const Reduced r = reduced(op, x, dim);
  const Folded a = fold(x, r);
  Tensor totals = op.empty(keepdim ? r.keep : r.squeezed, x.dtype());
  dispatch(op, x.dtype(), [&]<class T>() { kernels::product(a.outer, a.length, a.inner, elements<T>(a.dense), elements<T>(totals)); });
  return op.record(totals, wrt(x, [dim, keep = r.keep, x = Saved(x)](const Tensor& dy, const Tensor& y) {
                     if (x->numel() == 0) return zeros_like(*x);
                     const Tensor d = reshape(dy, keep);
                     if (any(x->detach().eq(0)).item<bool>()) return d * products_of_others(*x, dim);
                     return d * (reshape(y, keep) / *x);
                   }));
}

}  // namespace

Tensor prod(const Tensor& x, int64_t dim, bool keepdim, std::optional<DType> dtype) {
  constexpr Op op("prod");
  wrap_dim(op, dim, impl_of(op, x).layout.rank());
  const Tensor v = to(x, total_dtype(x, dtype));
  op.check<DTypeError>(v.dtype() != DType::Bool, "bool holds no products; use all, or dtype int64");
  return v.dim() == 0 ? reshape(product(reshape(v, 1), 0, false), {}) : product(v, dim, keepdim);
}

Tensor prod(const Tensor& x, std::optional<DType> dtype) {
  constexpr Op op("prod");
  op.takes(x);
  return prod(reshape(x, -1), 0, false, dtype);
}

}  // namespace gradus
