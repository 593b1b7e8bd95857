#include "gradus/ops/indexing.h"

#include <algorithm>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "gradus/ops.h"
#include "kernels/embedding.h"
#include "ops/index_check.h"
#include "ops/promote.h"

namespace gradus {
namespace {

/// A dense tensor of `shape` seen as (outer, size of dim, inner).
struct Split3 {
  int64_t outer = 1, length = 1, inner = 1;
};

Split3 around(const Shape& shape, int64_t dim) {
  Split3 s;
  for (int64_t d = 0; d < shape.size(); ++d) (d < dim ? s.outer : d > dim ? s.inner : s.length) *= shape[d];
  return s;
}

/// Calls `f` with the C++ type of a dtype that has sums.
template <class F>
void dispatch_numbers(const char* op, DType dtype, F f) {
  check<DTypeError>(dtype != DType::Bool, "{}: bool holds no sums; convert with .to(gradus::int64)", op);
  dispatch(dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) f.template operator()<T>();
  });
}

Tensor dense_index(const char* op, const Tensor& index) {
  impl_of(op, index);
  check_index_dtype(op, index);
  return index.contiguous();
}

/// Calls f(place in x, place in index) for every element of index; both dense, of the same rank.
template <class F>
void for_each_gathered(const Shape& x, const Tensor& index, int64_t dim, F f) {
  const Strides strides = contiguous_strides(x);
  const int64_t* at = index.data<int64_t>();
  Shape place = Shape::filled(index.dim(), 0);
  for (int64_t i = 0; i < index.numel(); ++i) {
    int64_t in_x = 0;
    for (int64_t d = 0; d < place.size(); ++d) in_x += (d == dim ? at[i] : place[d]) * strides[d];
    f(in_x, i);
    for (int64_t d = place.size() - 1; d >= 0 && ++place[d] == index.shape()[d]; --d) place[d] = 0;
  }
}

void check_gather(const char* op, const Shape& x, const Tensor& index, int64_t dim) {
  check<ShapeError>(index.dim() == x.size(), "{}: index has shape {}, but shape {} needs as many dimensions", op, index.shape(), x);
  for (int64_t d = 0; d < x.size(); ++d)
    check<ShapeError>(d == dim || index.shape()[d] <= x[d], "{}: index of shape {} is larger than {} at dimension {}", op, index.shape(), x,
                      d);
  check_indices(op, index, 0, x.empty() ? 1 : x[dim], "elements");
}

}  // namespace

namespace {

/// A 1-d index of dimension dim of `shape`, dense and checked. A scalar has one place, 0.
Tensor index_along(const char* op, const Shape& shape, int64_t dim, const Tensor& index) {
  const Tensor at = dense_index(op, index);
  check<ShapeError>(at.dim() <= 1, "{}: index has shape {}, expected one dimension", op, at.shape());
  check<ShapeError>(!shape.empty() || at.numel() == 1, "{}: index has shape {}, but a scalar has one element", op, at.shape());
  check_indices(op, at, 0, shape.empty() ? 1 : shape[dim], "elements");
  return at;
}

/// y[at[i]] += alpha * source[i] along dim, into y itself, which is dense.
void add_along(const char* op, const Tensor& y, int64_t dim, const Tensor& at, const Tensor& source, Scalar alpha) {
  const Split3 s = around(y.shape(), dim);
  const Tensor from = source.detach().contiguous();
  const int64_t n = at.numel();
  dispatch_numbers(op, y.dtype(), [&]<class T>() {
    const int64_t* index = at.data<int64_t>();
    const T* rows = from.data<T>();
    T* to = y.data<T>();
    parallel_for(s.outer, std::max<int64_t>((1 << 15) / std::max<int64_t>(n * s.inner, 1), 1), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o)
        kernels::add_rows(n, s.inner, index, rows + o * n * s.inner, alpha.to<T>(), to + o * s.length * s.inner);
    });
  });
}

/// The adjoint of index_select, without a copy of the zeros that it starts from.
Tensor index_select_gradient(const Tensor& dy, const Shape& shape, int64_t dim, const Tensor& at) {
  Tensor dx = zeros(shape, {.dtype = dy.dtype()});
  add_along("index_select", dx, dim, at, dy, 1);
  return record("index_add", dx, wrt(dy, [at = Saved(at), dim](const Tensor& d) { return index_select(d, dim, *at); }));
}

}  // namespace

Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index) {
  const Shape& shape = impl_of("index_select", x).layout.shape;
  dim = wrap_dim("index_select", dim, shape.size());
  const Tensor at = index_along("index_select", shape, dim, index);
  const int64_t n = at.numel();
  Shape out = shape;
  if (!shape.empty()) out[dim] = n;
  const Split3 s = around(shape, dim);
  const Tensor dense = x.detach().contiguous();
  Tensor y = new_tensor("index_select", out, x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    T* to = y.data<T>();
    const T* from = dense.data<T>();
    const int64_t* rows = at.data<int64_t>();
    for (int64_t o = 0; o < s.outer; ++o) kernels::take_rows(n, s.inner, rows, from + o * s.length * s.inner, to + o * n * s.inner);
  });
  return record("index_select", y,
                wrt(x, [at = Saved(at), dim, before = shape](const Tensor& dy) { return index_select_gradient(dy, before, dim, *at); }));
}

Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  const Shape& shape = impl_of("index_add", x).layout.shape;
  dim = wrap_dim("index_add", dim, shape.size());
  const Tensor at = index_along("index_add", shape, dim, index);
  Shape expected = shape;
  if (!shape.empty()) expected[dim] = at.numel();
  check<ShapeError>(impl_of("index_add", source).layout.shape == expected, "index_add: source has shape {}, expected {}", source.shape(),
                    expected);
  check<DTypeError>(source.dtype() == x.dtype(), "index_add: x is {} and source {}; they must agree", name(x.dtype()),
                    name(source.dtype()));
  check<DTypeError>(x.dtype() == DType::Bool || kind(alpha.dtype()) <= kind(x.dtype()),
                    "index_add: alpha is a floating-point number, but x is {}; convert x first", name(x.dtype()));
  Tensor y = clone(x.detach());
  add_along("index_add", y, dim, at, source, alpha);
  return record("index_add", y, wrt(x, [](const Tensor& dy) { return dy; }),
                wrt(source, [at = Saved(at), dim, alpha](const Tensor& dy) { return mul(index_select(dy, dim, *at), alpha); }));
}

Tensor gather(const Tensor& x, int64_t dim, const Tensor& index) {
  const Shape& shape = impl_of("gather", x).layout.shape;
  dim = wrap_dim("gather", dim, shape.size());
  const Tensor at = dense_index("gather", index);
  check_gather("gather", shape, at, dim);
  const Tensor dense = x.detach().contiguous();
  Tensor y = new_tensor("gather", at.shape(), x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    for_each_gathered(shape, at, dim, [from = dense.data<T>(), to = y.data<T>()](int64_t in_x, int64_t i) { to[i] = from[in_x]; });
  });
  return record("gather", y, wrt(x, [at = Saved(at), dim, before = shape](const Tensor& dy) {
                  return scatter_add(zeros(before, {.dtype = dy.dtype()}), dim, *at, dy);
                }));
}

Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  const Shape& shape = impl_of("scatter_add", x).layout.shape;
  dim = wrap_dim("scatter_add", dim, shape.size());
  const Tensor at = dense_index("scatter_add", index);
  check_gather("scatter_add", shape, at, dim);
  check<ShapeError>(impl_of("scatter_add", source).layout.shape == at.shape(),
                    "scatter_add: source has shape {}, but index {}; they must be equal", source.shape(), at.shape());
  check<DTypeError>(source.dtype() == x.dtype(), "scatter_add: x is {} and source {}; they must agree", name(x.dtype()),
                    name(source.dtype()));
  const Tensor from = source.detach().contiguous();
  Tensor y = clone(x.detach());
  dispatch_numbers("scatter_add", x.dtype(), [&]<class T>() {
    for_each_gathered(shape, at, dim, [values = from.data<T>(), to = y.data<T>()](int64_t in_x, int64_t i) { to[in_x] += values[i]; });
  });
  return record("scatter_add", y, wrt(x, [](const Tensor& dy) { return dy; }),
                wrt(source, [at = Saved(at), dim](const Tensor& dy) { return gather(dy, dim, *at); }));
}

}  // namespace gradus
