#include "gradus/ops/reduction.h"

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/shape.h"
#include "kernels/scan.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

using kernels::Order;

/// y_i = f(y_{i-1}, x_i) along dim, from `start`, in an accumulator; or from the other end.
template <class F>
Tensor scanned(Op op, const Tensor& x, int64_t dim, double start, F f, Order order = Order::Forward) {
  Tensor y = op.empty(x.shape(), x.dtype());
  const Folded a = folded_along(op, x, dim);
  dispatch(op, x.dtype(),
           [&]<class T>() { kernels::scan(a.outer, a.length, a.inner, elements<T>(a.dense), elements<T>(y), start, f, order); });
  return y;
}

/// Running sums from either end; each is the other's adjoint.
Tensor running_sums(Op op, const Tensor& x, int64_t dim, Order order) {
  Tensor y = scanned(op, x, dim, 0, kernels::Sum(), order);
  return op.record(y, wrt(x, [op, dim, order](const Tensor& dy) {
                     return running_sums(op, dy, dim, order == Order::Forward ? Order::Backward : Order::Forward);
                   }));
}

}  // namespace

Tensor cumsum(const Tensor& x, int64_t dim, std::optional<DType> dtype) {
  constexpr Op op("cumsum");
  wrap_dim(op, dim, impl_of(op, x).layout.rank());
  const Tensor v = to(x, total_dtype(x, dtype));
  op.check<DTypeError>(v.dtype() != DType::Bool, "bool holds no sums; give dtype int64");
  return running_sums(op, v, dim, Order::Forward);
}

namespace {

/// The gradient of running products without a division: dx_i = (x_0 … x_{i-1}) s_i with s_i = dy_i + x_{i+1} s_{i+1}.
Tensor cumprod_gradient(const Tensor& x, const Tensor& dy, int64_t dim) {
  const std::vector<Tensor> xs = unbind(x, dim), ds = unbind(dy, dim);
  std::vector<Tensor> dx(xs.size());
  Tensor s;
  for (size_t i = xs.size(); i-- > 0;) dx[i] = s = i + 1 < xs.size() ? ds[i] + xs[i + 1] * s : ds[i];
  Tensor before;
  for (size_t i = 0; i < xs.size(); ++i) {
    if (before.defined()) dx[i] = dx[i] * before;
    before = before.defined() ? before * xs[i] : xs[i];
  }
  return stack(dx, dim);
}

}  // namespace

Tensor cumprod(const Tensor& x, int64_t dim, std::optional<DType> dtype) {
  constexpr Op op("cumprod");
  wrap_dim(op, dim, impl_of(op, x).layout.rank());
  const Tensor v = to(x, total_dtype(x, dtype));
  op.check<DTypeError>(v.dtype() != DType::Bool, "bool holds no products; give dtype int64");
  Tensor y = scanned(op, v, dim, 1, [](auto a, auto b) { return a * b; });
  return op.record(y, wrt(v, [dim, v = Saved(v)](const Tensor& dy) {
                     if (dy.dim() == 0) return dy;
                     return dy.numel() == 0 ? zeros_like(dy) : cumprod_gradient(*v, dy, dim);
                   }));
}

}  // namespace gradus
