#include "gradus/ops/reduction.h"

#include <cmath>
#include <limits>

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "kernels/scan.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// dy e^(x - total). An element of -infinity has no share, also where all are; and what nobody asks for is 0, also where the share is NaN.
Tensor softmax_share(const Tensor& x, const Tensor& dy, const Tensor& total) {
  Tensor none;
  {
    NoGradGuard no_grad;
    const Tensor difference = sub(x, total);
    none = logical_and(isnan(difference), logical_or(eq(x, -std::numeric_limits<double>::infinity()), eq(dy, 0)));
  }
  return mul(dy, exp(masked_fill(sub(x, total), none, -std::numeric_limits<double>::infinity())));
}

}  // namespace

Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim) {
  constexpr Op op("logsumexp");
  const Reduced r = reduced(op, x, dims);
  const Tensor v = is_floating_point(x.dtype()) ? x : x.to(DType::Float32);
  Tensor y;
  if (r.count == 0) y = full(keepdim ? r.keep : r.squeezed, -std::numeric_limits<double>::infinity(), {.dtype = v.dtype()});
  else {
    NoGradGuard no_grad;
    const Tensor top = amax(v, dims, true), shift = where(isfinite(top), top, 0.0);
    y = add(log(sum(exp(sub(v, shift)), dims, true)), shift).reshape(keepdim ? r.keep : r.squeezed);
  }
  return op.record(y, wrt(v, [v = Saved(v), keep = r.keep](const Tensor& dy, const Tensor& out) {
                     return softmax_share(*v, dy.reshape(keep), out.reshape(keep));
                   }));
}

namespace {

/// ln(e^a + e^b), where also both can be the same infinity.
double log_add_exp(double a, double b) {
  const double low = a < b ? a : b, high = a < b ? b : a;
  return low == high && std::isinf(low) ? low : high + std::log1p(std::exp(low - high));
}

/// first and then x without its last slice: x, one place further along dim.
Tensor one_further(const Tensor& x, const Tensor& first, int64_t dim) { return cat({first, narrow(x, dim, 0, x.size(dim) - 1)}, dim); }

/// y_k = x_k + f_k y_(k-1) along dim; f_0 is not read. The adjoint, h_k = dy_k + f_(k+1) h_(k+1), is the same from the other end, so that
/// all of it can be differentiated again.
Tensor fading_total(Op op, const Tensor& x, const Tensor& f, int64_t dim) {
  Tensor y = op.empty(x.shape(), x.dtype());
  const Folded a = folded_along(op, x, dim), b = folded_along(op, f, dim);
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    kernels::fading_scan(a.outer, a.length, a.inner, a.dense.data<T>(), b.dense.data<T>(), y.data<T>());
  });
  const auto adjoint = [op, dim](const Tensor& dy, const Tensor& factors) {
    const Tensor back = flip(factors, dim);
    return flip(fading_total(op, flip(dy, dim), one_further(back, narrow(back, dim, 0, 1), dim), dim), dim);
  };
  return op.record(y, wrt(x, [adjoint, f = Saved(f)](const Tensor& dy) { return adjoint(dy, *f); }),
                   wrt(f, [adjoint, dim, f = Saved(f)](const Tensor& dy, const Tensor& total) {
                     return adjoint(dy, *f) * one_further(total, zeros_like(narrow(total, dim, 0, 1)), dim);
                   }));
}

/// The sum over k >= i of dy_k e^(y_i - y_k). Since y never falls, no factor from one element to the next is above 1; and unlike logarithms
/// of what came in, factors do for gradients of both signs and for 0, which keeps a derivative.
Tensor total_behind(Op op, const Tensor& dy, const Tensor& y, int64_t dim) {
  const Tensor back = flip(y, dim), before = one_further(back, narrow(back, dim, 0, 1), dim), step = sub(back, before);
  Tensor same_infinity;
  {
    NoGradGuard no_grad;
    same_infinity = logical_and(isnan(step), eq(back, before));
  }
  return flip(fading_total(op, flip(dy, dim), exp(masked_fill(step, same_infinity, 0)), dim), dim);
}

}  // namespace

Tensor logcumsumexp(const Tensor& x, int64_t dim) {
  constexpr Op op("logcumsumexp");
  op.takes(x);
  const Folded a = folded_along(op, x, dim);
  Tensor y = op.empty(x.shape(), x.dtype());
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    kernels::scan(a.outer, a.length, a.inner, a.dense.data<T>(), y.data<T>(), -std::numeric_limits<double>::infinity(), log_add_exp);
  });
  return op.record(y, wrt(x, [op, dim, x = Saved(x)](const Tensor& dy, const Tensor& out) {
                     if (dy.dim() == 0 || dy.numel() == 0) return dy;
                     return softmax_share(*x, total_behind(op, dy, out, dim), out);
                   }));
}

}  // namespace gradus
