#include "gradus/ops/reduction.h"

#include <algorithm>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "kernels/reduce.h"
#include "ops/reduction/reduction.h"

namespace gradus {

namespace {

template <class Better>
ValuesIndices extremum(Op op, const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced r = reduced(op, x, dims);
  op.check<ValueError>(r.count > 0, "shape {} has no element to choose from", x.shape());
  const Shape shape = keepdim ? r.keep : r.squeezed;
  ValuesIndices y{op.empty(shape, x.dtype()), op.empty(shape, DType::Int64)};
  const Folded a = fold(x, r);
  dispatch(op, x.dtype(), [&]<class T>() {
    kernels::extremum(a.outer, a.length, a.inner, elements<T>(a.dense), elements<T>(y.values), elements<int64_t>(y.indices), Better());
  });
  return y;
}

template <class Better>
Tensor full_extremum(Op op, const Tensor& x) {
  Tensor y = extremum<Better>(op, x, {}, false).values;
  if (!is_floating_point(y.dtype())) return y;
  return op.record(y, wrt(x, [x = Saved(x)](const Tensor& dy, const Tensor& out) {
                     Tensor share;
                     {
                       NoGradGuard no_grad;
                       const Tensor equals = logical_or(eq(*x, out), isnan(*x)).to(x->dtype());
                       share = div(equals, sum(equals));
                     }
                     return mul(dy, share);
                   }));
}

template <class Better>
ValuesIndices extremum_along(Op op, const Tensor& x, int64_t dim, bool keepdim) {
  ValuesIndices y = extremum<Better>(op, x, dim, keepdim);
  if (!is_floating_point(x.dtype())) return y;
  y.values = op.record(y.values, wrt(x, [indices = Saved(y.indices), shape = x.shape(), dim, keepdim](const Tensor& dy) {
                         if (shape.empty()) return dy.reshape({});
                         const Tensor at = keepdim ? *indices : indices->unsqueeze(dim < 0 ? dim + shape.size() : dim);
                         return scatter_add(zeros(shape, {.dtype = dy.dtype()}), dim, at, dy.reshape(at.shape()));
                       }));
  return y;
}

template <class Better>
Tensor place(Op op, const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  op.check<DTypeError>(impl_of(op, x).dtype != DType::Bool, "not defined for bool; convert with .to(gradus::int64)");
  return extremum<Better>(op, x, dim ? Dims(*dim) : Dims(), keepdim).indices;
}

}  // namespace

Tensor max(const Tensor& x) { return full_extremum<kernels::Larger>(Op("max", "max_1"), x); }
Tensor min(const Tensor& x) { return full_extremum<kernels::Smaller>(Op("min", "min_1"), x); }
ValuesIndices max(const Tensor& x, int64_t dim, bool keepdim) { return extremum_along<kernels::Larger>(Op("max"), x, dim, keepdim); }
ValuesIndices min(const Tensor& x, int64_t dim, bool keepdim) { return extremum_along<kernels::Smaller>(Op("min"), x, dim, keepdim); }
Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim) { return place<kernels::Larger>(Op("argmax"), x, dim, keepdim); }
Tensor argmin(const Tensor& x, std::optional<int64_t> dim, bool keepdim) { return place<kernels::Smaller>(Op("argmin"), x, dim, keepdim); }

namespace {

/// The extremes along several dimensions; equal elements share the gradient.
template <class Better>
Tensor shared_extremum(Op op, const Tensor& x, const Dims& dims, bool keepdim) {
  Tensor y = extremum<Better>(op, x, dims, keepdim).values;
  return op.record(y, wrt(x, [x = Saved(x), r = reduced(op, x, dims)](const Tensor& dy, const Tensor& out) {
                     Tensor share;
                     {
                       NoGradGuard no_grad;
                       const Tensor equals = eq(*x, out.reshape(r.keep)).to(x->dtype());
                       share = div(equals, sum(equals, r.dims, true).reshape(r.keep));
                     }
                     return mul(dy.reshape(r.keep), share);
                   }));
}

}  // namespace

Tensor amax(const Tensor& x, const Dims& dims, bool keepdim) { return shared_extremum<kernels::Larger>(Op("amax"), x, dims, keepdim); }
Tensor amin(const Tensor& x, const Dims& dims, bool keepdim) { return shared_extremum<kernels::Smaller>(Op("amin"), x, dims, keepdim); }

}  // namespace gradus
