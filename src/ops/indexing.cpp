#include "gradus/ops/indexing.h"

#include <algorithm>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "gradus/ops.h"
#include "ops/index_check.h"

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
  check<ShapeError>(index.dim() == x.size(), "{}: index has shape {}, but shape {} needs as many dimensions", op, index.shape().str(), x.str());
  for (int64_t d = 0; d < x.size(); ++d)
    check<ShapeError>(d == dim || index.shape()[d] <= x[d], "{}: index of shape {} is larger than {} at dimension {}", op, index.shape().str(),
                      x.str(), d);
  check_indices(op, index, 0, x.empty() ? 1 : x[dim], "elements");
}

}  // namespace

Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index) {
  const Shape& shape = impl_of("index_select", x).layout.shape;
  const Tensor at = dense_index("index_select", index);
  check<ShapeError>(at.dim() <= 1, "index_select: index has shape {}, expected one dimension", at.shape().str());
  dim = wrap_dim("index_select", dim, shape.size());
  check_indices("index_select", at, 0, shape.empty() ? 1 : shape[dim], "elements");
  Shape out = shape;
  if (!shape.empty()) out[dim] = at.numel();
  const Split3 s = around(shape, dim);
  const Tensor dense = x.detach().contiguous();
  Tensor y = new_tensor("index_select", out, x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    T* to = y.data<T>();
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < at.numel(); ++i, to += s.inner)
        std::copy_n(dense.data<T>() + (o * s.length + at.data<int64_t>()[i]) * s.inner, s.inner, to);
  });
  return record("index_select", y, wrt(x, [at = Saved(at), dim, before = shape](const Tensor& dy) {
                  return index_add(zeros(before, {.dtype = dy.dtype()}), dim, *at, dy);
                }));
}

Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  const Shape& shape = impl_of("index_add", x).layout.shape;
  const Tensor at = dense_index("index_add", index);
  dim = wrap_dim("index_add", dim, shape.size());
  check<ShapeError>(at.dim() <= 1, "index_add: index has shape {}, expected one dimension", at.shape().str());
  Shape expected = shape;
  if (!shape.empty()) expected[dim] = at.numel();
  check<ShapeError>(impl_of("index_add", source).layout.shape == expected, "index_add: source has shape {}, expected {}", source.shape().str(),
                    expected.str());
  check<DTypeError>(source.dtype() == x.dtype(), "index_add: x is {} and source {}; they must agree", name(x.dtype()), name(source.dtype()));
  check_indices("index_add", at, 0, shape.empty() ? 1 : shape[dim], "elements");
  const Split3 s = around(shape, dim);
  const Tensor from = source.detach().contiguous();
  Tensor y = clone(x.detach());
  dispatch(x.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) {
      const T* row = from.data<T>();
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < at.numel(); ++i, row += s.inner) {
          T* to = y.data<T>() + (o * s.length + at.data<int64_t>()[i]) * s.inner;
          for (int64_t j = 0; j < s.inner; ++j) to[j] += alpha.to<T>() * row[j];
        }
    }
  });
  return record("index_add", y, wrt(x, [](const Tensor& dy) { return dy; }), wrt(source, [at = Saved(at), dim, alpha](const Tensor& dy) {
                  return mul(index_select(dy, dim, *at), alpha);
                }));
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
  check<ShapeError>(impl_of("scatter_add", source).layout.shape == at.shape(), "scatter_add: source has shape {}, but index {}; they must be equal",
                    source.shape().str(), at.shape().str());
  check<DTypeError>(source.dtype() == x.dtype(), "scatter_add: x is {} and source {}; they must agree", name(x.dtype()), name(source.dtype()));
  const Tensor from = source.detach().contiguous();
  Tensor y = clone(x.detach());
  dispatch(x.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>)
      for_each_gathered(shape, at, dim, [values = from.data<T>(), to = y.data<T>()](int64_t in_x, int64_t i) { to[in_x] += values[i]; });
  });
  return record("scatter_add", y, wrt(x, [](const Tensor& dy) { return dy; }),
                wrt(source, [at = Saved(at), dim](const Tensor& dy) { return gather(dy, dim, *at); }));
}

}  // namespace gradus
