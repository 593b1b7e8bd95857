#include "gradus/ops/reduction.h"

#include <limits>

#include "autograd/op.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
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

// With t_k = logcumsumexp(x)_k its derivative by x_j is the share e^(x_j - t_k) for j <= k, 0 beyond, taken from sums that the largest
// number so far divides, since t_k is rounded. `shares` multiplies a gradient by that matrix, `means` by the transposed one; each has the
// other in its own derivative, so that they can be differentiated as often as one likes. Neither takes a logarithm of what it multiplies,
// which has both signs.

Tensor shares(const Tensor& x, const Tensor& v, int64_t dim);

/// v * m, where nothing of NaN is nothing.
Tensor times(const Tensor& v, const Tensor& m) {
  Tensor none;
  {
    NoGradGuard no_grad;
    none = logical_and(isnan(m), eq(v, 0));
  }
  return mul(v, masked_fill(m, none, 0));
}

/// The sum over j <= k of v_j e^(x_j - t_k).
Tensor means(const Tensor& x, const Tensor& v, int64_t dim) {
  constexpr Op op("logcumsumexp_means");
  Tensor y = op.empty(x.shape(), x.dtype());
  const Folded a = folded_along(op, x, dim), b = folded_along(op, v, dim);
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    kernels::exponential_means(a.outer, a.length, a.inner, elements<T>(a.dense), elements<T>(b.dense), elements<T>(y));
  });
  return op.record(y,
                   wrt(x, [x = Saved(x), v = Saved(v), dim](
                              const Tensor& w, const Tensor& m) { return *v * shares(*x, w, dim) - shares(*x, times(w, m), dim); }),
                   wrt(v, [x = Saved(x), dim](const Tensor& w) { return shares(*x, w, dim); }));
}

/// The sum over k >= j of v_k e^(x_j - t_k).
Tensor shares(const Tensor& x, const Tensor& v, int64_t dim) {
  constexpr Op op("logcumsumexp_backward");
  Tensor y = op.empty(x.shape(), x.dtype());
  const Folded a = folded_along(op, x, dim), b = folded_along(op, v, dim);
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    kernels::exponential_shares(a.outer, a.length, a.inner, elements<T>(a.dense), elements<T>(b.dense), elements<T>(y));
  });
  return op.record(y,
                   wrt(x, [x = Saved(x), v = Saved(v), dim](
                              const Tensor& w, const Tensor& s) { return w * s - shares(*x, times(*v, means(*x, w, dim)), dim); }),
                   wrt(v, [x = Saved(x), dim](const Tensor& w) { return means(*x, w, dim); }));
}

}  // namespace

Tensor logcumsumexp(const Tensor& x, int64_t dim) {
  constexpr Op op("logcumsumexp");
  op.takes(x);
  Tensor y = op.empty(x.shape(), x.dtype());
  const Folded a = folded_along(op, x, dim);
  dispatch_floating(op, x.dtype(), [&]<class T>() { kernels::log_sums(a.outer, a.length, a.inner, elements<T>(a.dense), elements<T>(y)); });
  return op.record(y, wrt(x, [x = Saved(x), dim](const Tensor& dy) { return shares(*x, dy, dim); }));
}

}  // namespace gradus
