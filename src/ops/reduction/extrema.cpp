#include "gradus/ops/reduction.h"

#include <algorithm>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/shape.h"
#include "kernels/reduce.h"
#include "ops/reduction/reduction.h"

namespace gradus {

namespace {

template <class Better>
ValuesIndices extremum(const char* op, const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced r = reduced(op, x, dims);
  check<ValueError>(r.count > 0, "{}: shape {} has no element to choose from", op, x.shape());
  const Shape shape = keepdim ? r.keep : r.squeezed;
  ValuesIndices y{new_tensor(op, shape, x.dtype()), new_tensor(op, shape, DType::Int64)};
  const Folded a = fold(x, r);
  dispatch(op, x.dtype(), [&]<class T>() {
    kernels::extremum(a.outer, a.length, a.inner, a.dense.data<T>(), y.values.data<T>(), y.indices.data<int64_t>(), Better());
  });
  return y;
}

template <class Better>
Tensor full_extremum(const char* op, const char* recorded, const Tensor& x) {
  Tensor y = extremum<Better>(op, x, {}, false).values;
  if (!is_floating_point(y.dtype())) return y;
  return record(recorded, y, wrt(x, [x = Saved(x)](const Tensor& dy, const Tensor& out) {
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
ValuesIndices extremum_along(const char* op, const Tensor& x, int64_t dim, bool keepdim) {
  ValuesIndices y = extremum<Better>(op, x, dim, keepdim);
  if (!is_floating_point(x.dtype())) return y;
  y.values = record(op, y.values, wrt(x, [indices = Saved(y.indices), shape = x.shape(), dim, keepdim](const Tensor& dy) {
                      if (shape.empty()) return reshape(dy, {});
                      const Tensor at = keepdim ? *indices : unsqueeze(*indices, dim < 0 ? dim + shape.size() : dim);
                      return scatter_add(zeros(shape, {.dtype = dy.dtype()}), dim, at, reshape(dy, at.shape()));
                    }));
  return y;
}

template <class Better>
Tensor place(const char* op, const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  check<DTypeError>(impl_of(op, x).dtype != DType::Bool, "{}: not defined for bool; convert with .to(gradus::int64)", op);
  return extremum<Better>(op, x, dim ? Dims(*dim) : Dims(), keepdim).indices;
}

}  // namespace

Tensor max(const Tensor& x) { return full_extremum<kernels::Larger>("max", "max_1", x); }
Tensor min(const Tensor& x) { return full_extremum<kernels::Smaller>("min", "min_1", x); }
ValuesIndices max(const Tensor& x, int64_t dim, bool keepdim) { return extremum_along<kernels::Larger>("max", x, dim, keepdim); }
ValuesIndices min(const Tensor& x, int64_t dim, bool keepdim) { return extremum_along<kernels::Smaller>("min", x, dim, keepdim); }
Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim) { return place<kernels::Larger>("argmax", x, dim, keepdim); }
Tensor argmin(const Tensor& x, std::optional<int64_t> dim, bool keepdim) { return place<kernels::Smaller>("argmin", x, dim, keepdim); }

namespace {

/// The extremes along several dimensions; equal elements share the gradient.
template <class Better>
Tensor shared_extremum(const char* op, const Tensor& x, const Dims& dims, bool keepdim) {
  Tensor y = extremum<Better>(op, x, dims, keepdim).values;
  return record(op, y, wrt(x, [x = Saved(x), r = reduced(op, x, dims)](const Tensor& dy, const Tensor& out) {
                  Tensor share;
                  {
                    NoGradGuard no_grad;
                    const Tensor equals = eq(*x, reshape(out, r.keep)).to(x->dtype());
                    share = div(equals, reshape(sum(equals, r.dims, true), r.keep));
                  }
                  return mul(reshape(dy, r.keep), share);
                }));
}

}  // namespace

Tensor amax(const Tensor& x, const Dims& dims, bool keepdim) { return shared_extremum<kernels::Larger>("amax", x, dims, keepdim); }
Tensor amin(const Tensor& x, const Dims& dims, bool keepdim) { return shared_extremum<kernels::Smaller>("amin", x, dims, keepdim); }

}  // namespace gradus
