#include "gradus/ops/reduction.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/shape.h"
#include "ops/promote.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// The dtype in which sums and products of x are kept.
DType total_dtype(const Tensor& x, std::optional<DType> dtype) {
  return dtype.value_or(is_floating_point(x.dtype()) ? x.dtype() : DType::Int64);
}

/// x as a dense (outer, length, inner) array around dim; a scalar is one element.
Folded folded_along(const char* op, const Tensor& x, int64_t dim) { return fold(x, reduced(op, x, wrap_dim(op, dim, x.dim()))); }

/// y_i = f(y_{i-1}, x_i) along dim, from `start`, in a wider accumulator.
template <class F>
Tensor scanned(const char* op, const Tensor& x, int64_t dim, double start, F f) {
  Tensor y = new_tensor(op, x.shape(), x.dtype());
  const Folded a = folded_along(op, x, dim);
  dispatch(op, x.dtype(), [&]<class T>() {
    using A = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
    const T* from = a.dense.data<T>();
    T* to = y.data<T>();
    for (int64_t o = 0; o < a.outer; ++o)
      for (int64_t i = 0; i < a.inner; ++i) {
        A total = static_cast<A>(start);
        for (int64_t k = 0; k < a.length; ++k) {
          const int64_t at = (o * a.length + k) * a.inner + i;
          total = f(total, static_cast<A>(from[at]));
          to[at] = static_cast<T>(total);
        }
      }
  });
  return y;
}

}  // namespace

Tensor cumsum(const Tensor& x, int64_t dim, std::optional<DType> dtype) {
  wrap_dim("cumsum", dim, impl_of("cumsum", x).layout.rank());
  const Tensor v = to(x, total_dtype(x, dtype));
  check<DTypeError>(v.dtype() != DType::Bool, "cumsum: bool holds no sums; give dtype int64");
  Tensor y = scanned("cumsum", v, dim, 0, [](auto a, auto b) { return a + b; });
  return record("cumsum", y, wrt(v, [dim](const Tensor& dy) {
                  if (dy.dim() == 0) return dy;
                  return flip(cumsum(flip(dy, dim), dim), dim);
                }));
}

namespace {

/// The gradient of running products without a division: dx_i = (x_0 … x_{i-1}) s_i with s_i = dy_i + x_{i+1} s_{i+1}.
Tensor cumprod_gradient(const Tensor& x, const Tensor& dy, int64_t dim) {
  const std::vector<Tensor> xs = unbind(x, dim), ds = unbind(dy, dim);
  std::vector<Tensor> dx(xs.size());
  Tensor s;
  for (size_t i = xs.size(); i-- > 0;) dx[i] = s = i + 1 < xs.size() ? add(ds[i], mul(xs[i + 1], s)) : ds[i];
  Tensor before;
  for (size_t i = 0; i < xs.size(); ++i) {
    if (before.defined()) dx[i] = mul(dx[i], before);
    before = before.defined() ? mul(before, xs[i]) : xs[i];
  }
  return stack(dx, dim);
}

}  // namespace

Tensor cumprod(const Tensor& x, int64_t dim, std::optional<DType> dtype) {
  wrap_dim("cumprod", dim, impl_of("cumprod", x).layout.rank());
  const Tensor v = to(x, total_dtype(x, dtype));
  check<DTypeError>(v.dtype() != DType::Bool, "cumprod: bool holds no products; give dtype int64");
  Tensor y = scanned("cumprod", v, dim, 1, [](auto a, auto b) { return a * b; });
  return record("cumprod", y, wrt(v, [dim, v = Saved(v)](const Tensor& dy) {
                  if (dy.dim() == 0) return dy;
                  return dy.numel() == 0 ? zeros_like(dy) : cumprod_gradient(*v, dy, dim);
                }));
}

namespace {

/// The product of every element along dim but each itself: what is before it times what is after it.
Tensor products_of_others(const Tensor& x, int64_t dim) {
  const std::vector<Tensor> xs = unbind(x, dim);
  std::vector<Tensor> others(xs.size());
  Tensor before = ones_like(xs[0]), after = before;
  for (size_t i = 0; i < xs.size(); ++i) {
    others[i] = before;
    before = mul(before, xs[i]);
  }
  for (size_t i = xs.size(); i-- > 0;) {
    others[i] = mul(others[i], after);
    after = mul(after, xs[i]);
  }
  return stack(others, dim);
}

/// The products along a dimension of a tensor that has one.
Tensor product(const Tensor& x, int64_t dim, bool keepdim) {
  const Reduced r = reduced("prod", x, dim);
  const Folded a = fold(x, r);
  Tensor totals = new_tensor("prod", keepdim ? r.keep : r.squeezed, x.dtype());
  dispatch("prod", x.dtype(), [&]<class T>() {
    using A = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
    const T* from = a.dense.data<T>();
    T* to = totals.data<T>();
    for (int64_t o = 0; o < a.outer; ++o)
      for (int64_t i = 0; i < a.inner; ++i) {
        A total = 1;
        for (int64_t k = 0; k < a.length; ++k) total *= static_cast<A>(from[(o * a.length + k) * a.inner + i]);
        to[o * a.inner + i] = static_cast<T>(total);
      }
  });
  return record("prod", totals, wrt(x, [dim, keep = r.keep, x = Saved(x)](const Tensor& dy, const Tensor& y) {
                  if (x->numel() == 0) return zeros_like(*x);
                  const Tensor d = reshape(dy, keep);
                  if (any(eq(x->detach(), 0)).item<bool>()) return mul(d, products_of_others(*x, dim));
                  return mul(d, div(reshape(y, keep), *x));
                }));
}

}  // namespace

Tensor prod(const Tensor& x, int64_t dim, bool keepdim, std::optional<DType> dtype) {
  wrap_dim("prod", dim, impl_of("prod", x).layout.rank());
  const Tensor v = to(x, total_dtype(x, dtype));
  check<DTypeError>(v.dtype() != DType::Bool, "prod: bool holds no products; use all, or dtype int64");
  return v.dim() == 0 ? reshape(product(reshape(v, 1), 0, false), {}) : product(v, dim, keepdim);
}

Tensor prod(const Tensor& x, std::optional<DType> dtype) {
  impl_of("prod", x);
  return prod(reshape(x, -1), 0, false, dtype);
}

namespace {

/// The order of each run along dim: the first `k` of its places, best first.
Tensor order(const char* op, const Tensor& x, int64_t dim, int64_t k, bool descending) {
  const Folded a = folded_along(op, x, dim);
  Shape shape = x.shape();
  if (!shape.empty()) shape[dim] = k;
  Tensor places = new_tensor(op, shape, DType::Int64);
  int64_t* to = places.data<int64_t>();
  dispatch(op, x.dtype(), [&]<class T>() {
    std::vector<int64_t> run(static_cast<size_t>(a.length));
    for (int64_t o = 0; o < a.outer; ++o)
      for (int64_t i = 0; i < a.inner; ++i) {
        const T* from = a.dense.data<T>() + o * a.length * a.inner + i;
        const auto less = [from, step = a.inner](int64_t p, int64_t q) {
          const T u = from[p * step], v = from[q * step];
          return (u < v) | ((v != v) & (u == u));
        };
        std::iota(run.begin(), run.end(), 0);
        if (descending) std::stable_sort(run.begin(), run.end(), [&](int64_t p, int64_t q) { return less(q, p); });
        else std::stable_sort(run.begin(), run.end(), less);
        for (int64_t j = 0; j < k; ++j) to[(o * k + j) * a.inner + i] = run[static_cast<size_t>(j)];
      }
  });
  return places;
}

/// What stands at `places` along dim.
ValuesIndices picked(const char* op, const Tensor& x, int64_t dim, const Tensor& places) {
  Tensor values;
  {
    NoGradGuard no_grad;
    values = x.dim() == 0 ? clone(x) : gather(x, dim, places);
  }
  values = record(op, values, wrt(x, [dim, at = Saved(places), shape = x.shape()](const Tensor& dy) {
                    return shape.empty() ? dy : scatter_add(zeros(shape, {.dtype = dy.dtype()}), dim, *at, dy);
                  }));
  return {values, places};
}

}  // namespace

ValuesIndices sort(const Tensor& x, int64_t dim, bool descending) {
  dim = wrap_dim("sort", dim, impl_of("sort", x).layout.rank());
  return picked("sort", x, dim, order("sort", x, dim, x.dim() == 0 ? 1 : x.size(dim), descending));
}

Tensor argsort(const Tensor& x, int64_t dim, bool descending) { return sort(x.detach(), dim, descending).indices; }

ValuesIndices topk(const Tensor& x, int64_t k, int64_t dim, bool largest, bool) {
  dim = wrap_dim("topk", dim, impl_of("topk", x).layout.rank());
  const int64_t size = x.dim() == 0 ? 1 : x.size(dim);
  check<ValueError>(k >= 0 && k <= size, "topk: k is {}, but dimension {} of {} has {} elements", k, dim, x.shape(), size);
  return picked("topk", x, dim, order("topk", x, dim, k, largest));
}

}  // namespace gradus
