#include "gradus/ops/reduction.h"

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "kernels/scan.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// The order of each run along dim: the first `k` of its places, best first.
Tensor order(Op op, const Tensor& x, int64_t dim, int64_t k, bool descending) {
  const Folded a = folded_along(op, x, dim);
  Shape shape = x.shape();
  if (!shape.empty()) shape[dim] = k;
  Tensor places = op.empty(shape, DType::Int64);
  dispatch(op, x.dtype(),
           [&]<class T>() { kernels::order(a.outer, a.length, a.inner, elements<T>(a.dense), k, descending, elements<int64_t>(places)); });
  return places;
}

/// What stands at `places` along dim.
ValuesIndices picked(Op op, const Tensor& x, int64_t dim, const Tensor& places) {
  Tensor values;
  {
    NoGradGuard no_grad;
    values = x.dim() == 0 ? x.clone() : gather(x, dim, places);
  }
  values = op.record(values, wrt(x, [dim, at = Saved(places), shape = x.shape()](const Tensor& dy) {
                       return shape.empty() ? dy : scatter(zeros(shape, {.dtype = dy.dtype()}), dim, *at, dy);
                     }));
  return {values, places};
}

}  // namespace

ValuesIndices sort(const Tensor& x, int64_t dim, bool descending) {
  constexpr Op op("sort");
  dim = wrap_dim(op, dim, impl_of(op, x).layout.rank());
  return picked(op, x, dim, order(op, x, dim, x.dim() == 0 ? 1 : x.size(dim), descending));
}

Tensor argsort(const Tensor& x, int64_t dim, bool descending) { return sort(x.detach(), dim, descending).indices; }

ValuesIndices topk(const Tensor& x, int64_t k, int64_t dim, bool largest, bool) {
  constexpr Op op("topk");
  dim = wrap_dim(op, dim, impl_of(op, x).layout.rank());
  const int64_t size = x.dim() == 0 ? 1 : x.size(dim);
  op.check<ValueError>(k >= 0 && k <= size, "k is {}, but dimension {} of {} has {} elements", k, dim, x.shape(), size);
  return picked(op, x, dim, order(op, x, dim, k, largest));
}

}  // namespace gradus
