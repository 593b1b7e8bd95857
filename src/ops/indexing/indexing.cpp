#include "gradus/ops/indexing.h"

#include <algorithm>

#include "autograd/op.h"
#include "core/array.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "core/thread_pool.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/rows.h"
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

Tensor dense_index(Op op, const Tensor& index) {
  op.takes(index);
  check_index_dtype(op, index);
  return index.contiguous();
}

/// Whether rows of an index may name the same place of x.
enum class Rows { Apart, MayMeet };

/// Calls f(where its part of x begins, where it begins) for every row, along the last dimension, of an index into dimension dim of x; both
/// dense, of the same rank. On several threads where rows stay apart; each piece of the rows has an f of its own, which `make` makes.
template <class Make>
void for_each_index_row(const Shape& x, const Shape& index, int64_t dim, Rows meeting, const Make& make) {
  const int64_t last = index.size() - 1, length = index.empty() ? 1 : index[last], rows = length == 0 ? 0 : index.numel() / length;
  const Strides strides = contiguous_strides(x);
  const int64_t grain = meeting == Rows::Apart ? kernels::row_grain(length) : std::max<int64_t>(rows, 1);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    auto f = make();
    for (int64_t row = begin; row < end; ++row) {
      int64_t in_x = 0, rest = row;
      for (int64_t d = last - 1; d >= 0; rest /= index[d--])
        if (d != dim) in_x += rest % index[d] * strides[d];
      f(in_x, row * length);
    }
  });
}

/// Calls f(place in x, place in index) for every element of index.
template <class F>
void for_each_gathered(const Shape& x, const Tensor& index, int64_t dim, Rows meeting, F f) {
  const int64_t* at = elements<int64_t>(index);
  if (x.empty()) return f(0, 0);
  const int64_t length = index.shape()[index.dim() - 1], step = contiguous_strides(x)[dim];
  const bool along_rows = dim == index.dim() - 1;
  const auto row = [=](int64_t in_x, int64_t first) {
    if (along_rows)
      for (int64_t j = 0; j < length; ++j) f(in_x + at[first + j], first + j);
    else
      for (int64_t j = 0; j < length; ++j) f(in_x + at[first + j] * step + j, first + j);
  };
  for_each_index_row(x, index.shape(), dim, meeting, [&] { return row; });
}

/// What is scattered along the rows stays in its row.
Rows scattered_rows(const Tensor& index, int64_t dim) { return dim == index.dim() - 1 ? Rows::Apart : Rows::MayMeet; }

/// Index has as many dimensions as x and, outside dim, is nowhere larger; what it holds lies along dim.
void check_scatter(Op op, const Shape& x, const Tensor& index, int64_t dim) {
  op.check<ShapeError>(index.dim() == x.size(), "index has shape {}, but shape {} needs as many dimensions", index.shape(), x);
  for (int64_t d = 0; d < x.size(); ++d)
    op.check<ShapeError>(d == dim || index.shape()[d] <= x[d], "index of shape {} is larger than {} at dimension {}", index.shape(), x, d);
  check_indices(op, index, 0, x.empty() ? 1 : x[dim], "elements");
}

}  // namespace

namespace {

/// A 1-d index of dimension dim of `shape`, dense and checked. A scalar has one place, 0.
Tensor index_along(Op op, const Shape& shape, int64_t dim, const Tensor& index) {
  const Tensor at = dense_index(op, index);
  op.check<ShapeError>(at.dim() <= 1, "index has shape {}, expected one dimension", at.shape());
  op.check<ShapeError>(!shape.empty() || at.numel() == 1, "index has shape {}, but a scalar has one element", at.shape());
  check_indices(op, at, 0, shape.empty() ? 1 : shape[dim], "elements");
  return at;
}

/// y[at[i]] += alpha * source[i] along dim, into y itself, which is dense.
void add_along(const Tensor& y, int64_t dim, const Tensor& at, const Tensor& source, Scalar alpha) {
  constexpr Op op("index_add");
  const Split3 s = around(y.shape(), dim);
  const Tensor from = source.detach().contiguous();
  const int64_t n = at.numel();
  dispatch(op, y.dtype(), [&]<class T>() {
    const int64_t* index = elements<int64_t>(at);
    const T* rows = elements<T>(from);
    T* to = elements<T>(y);
    for (int64_t o = 0; o < s.outer; ++o)
      kernels::sum_rows<T>({n, index, nullptr, nullptr, alpha.to<T>()}, rows + o * n * s.inner, s.length, s.inner,
                           to + o * s.length * s.inner, kernels::Onto::Old);
  });
}

/// The adjoint of index_select, without a copy of the zeros that it starts from.
Tensor index_select_gradient(const Tensor& dy, const Shape& shape, int64_t dim, const Tensor& at) {
  constexpr Op op("index_add");
  Tensor dx = zeros(shape, {.dtype = dy.dtype()});
  add_along(dx, dim, at, dy, 1);
  return op.record(dx, wrt(dy, [at = Saved(at), dim](const Tensor& d) { return index_select(d, dim, *at); }));
}

}  // namespace

Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index) {
  constexpr Op op("index_select");
  const Shape& shape = impl_of(op, x).layout.shape;
  dim = wrap_dim(op, dim, shape.size());
  const Tensor at = index_along(op, shape, dim, index);
  const int64_t n = at.numel();
  Shape out = shape;
  if (!shape.empty()) out[dim] = n;
  const Split3 s = around(shape, dim);
  const Tensor dense = x.detach().contiguous();
  Tensor y = op.empty(out, x.dtype());
  dispatch(op, x.dtype(), [&]<class T>() {
    T* to = elements<T>(y);
    const T* from = elements<T>(dense);
    const int64_t* rows = elements<int64_t>(at);
    for (int64_t o = 0; o < s.outer; ++o) kernels::take_rows(n, s.inner, rows, from + o * s.length * s.inner, to + o * n * s.inner);
  });
  return op.record(y,
                   wrt(x, [at = Saved(at), dim, before = shape](const Tensor& dy) { return index_select_gradient(dy, before, dim, *at); }));
}

Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  constexpr Op op("index_add");
  const Shape& shape = impl_of(op, x).layout.shape;
  dim = wrap_dim(op, dim, shape.size());
  const Tensor at = index_along(op, shape, dim, index);
  Shape expected = shape;
  if (!shape.empty()) expected[dim] = at.numel();
  op.check<ShapeError>(impl_of(op, source).layout.shape == expected, "source has shape {}, expected {}", source.shape(), expected);
  op.check<DTypeError>(source.dtype() == x.dtype(), "x is {} and source {}; they must agree", name(x.dtype()), name(source.dtype()));
  op.check<DTypeError>(x.dtype() == DType::Bool || kind(alpha.dtype()) <= kind(x.dtype()),
                       "alpha is a floating-point number, but x is {}; convert x first", name(x.dtype()));
  Tensor y = x.detach().clone();
  add_along(y, dim, at, source, alpha);
  return op.record(y, wrt(x, [](const Tensor& dy) { return dy; }),
                   wrt(source, [at = Saved(at), dim, alpha](const Tensor& dy) { return mul(index_select(dy, dim, *at), alpha); }));
}

namespace {

/// Zeros of `shape` with dy added in at the places that gather read: its adjoint.
Tensor spread(const Tensor& dy, int64_t dim, const Tensor& at, const Shape& shape);

}  // namespace

Tensor gather(const Tensor& x, int64_t dim, const Tensor& index) {
  constexpr Op op("gather");
  const Shape& shape = impl_of(op, x).layout.shape;
  dim = wrap_dim(op, dim, shape.size());
  const Tensor at = dense_index(op, index);
  if (shape.empty() && at.dim() == 1) return gather(x.reshape(1), 0, at);
  if (at.dim() == 0 && shape.size() == 1) return gather(x, 0, at.reshape(1)).reshape({});
  check_scatter(op, shape, at, dim);
  const Tensor dense = x.detach().contiguous();
  Tensor y = op.empty(at.shape(), x.dtype());
  dispatch(op, x.dtype(), [&]<class T>() {
    for_each_gathered(shape, at, dim, Rows::Apart,
                      [from = elements<T>(dense), to = elements<T>(y)](int64_t in_x, int64_t i) { to[i] = from[in_x]; });
  });
  return op.record(y, wrt(x, [at = Saved(at), dim, before = shape](const Tensor& dy) { return spread(dy, dim, *at, before); }));
}

namespace {

/// Fits `source` to an index that reaches only a part of it: the elements in the corner that index covers.
Tensor corner(Op op, const Tensor& source, const Tensor& index) {
  const Shape& shape = impl_of(op, source).layout.shape;
  bool covers = shape.size() == index.dim();
  for (int64_t d = 0; covers && d < shape.size(); ++d) covers = index.shape()[d] <= shape[d];
  op.check<ShapeError>(covers, "source has shape {}, but index {}; it must not be smaller in any dimension", shape, index.shape());
  Tensor part = source;
  for (int64_t d = 0; d < shape.size(); ++d)
    if (index.shape()[d] != shape[d]) part = part.narrow(d, 0, index.shape()[d]);
  return part;
}

/// y, a new tensor, with f(element, value of source) at the places of index.
template <class F>
Tensor scattered(Op op, const Tensor& y, int64_t dim, const Tensor& at, const Tensor& source, F f) {
  op.check<DTypeError>(source.dtype() == y.dtype(), "x is {} and source {}; they must agree", name(y.dtype()), name(source.dtype()));
  const Tensor from = source.detach().contiguous();
  dispatch(op, y.dtype(), [&]<class T>() {
    for_each_gathered(y.shape(), at, dim, scattered_rows(at, dim),
                      [values = elements<T>(from), to = elements<T>(y), f](int64_t in_x, int64_t i) { to[in_x] = f(to[in_x], values[i]); });
  });
  return y;
}

/// An index for the scatter operations, dense and checked.
Tensor scatter_index(Op op, const Tensor& x, int64_t dim, const Tensor& index) {
  const Tensor at = dense_index(op, index);
  if (at.numel() > 0) check_scatter(op, x.shape(), at, dim);
  return at;
}

/// True where a value stays, false where a later one takes its place, which then has the gradient to itself.
Tensor last_writers(const Tensor& at, int64_t dim, const Shape& shape) {
  NoGradGuard no_grad;
  const Tensor number = arange(at.numel()).reshape(at.shape());
  const Tensor last = scatter(zeros(shape, {.dtype = DType::Int64}), dim, at, number);
  return eq(gather(last, dim, at), number);
}

constexpr auto sum_of = []<class T>(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) return a || b;
  else return static_cast<T>(a + b);
};

/// y, a new tensor, with the source added in along the last dimension, each row in double.
Tensor summed_along_rows(const Tensor& y, const Tensor& at, const Tensor& source) {
  const Tensor from = source.detach().contiguous();
  const int64_t dim = y.dim() - 1, width = y.size(dim), length = at.size(dim);
  const int64_t* index = elements<int64_t>(at);
  const float* values = elements<float>(from);
  float* to = elements<float>(y);
  for_each_index_row(y.shape(), at.shape(), dim, Rows::Apart, [=] {
    return [=, totals = Array<double>(static_cast<size_t>(width))](int64_t in_x, int64_t first) mutable {
      std::copy_n(to + in_x, width, totals.begin());
      for (int64_t j = first; j < first + length; ++j) totals[static_cast<size_t>(index[j])] += static_cast<double>(values[j]);
      std::transform(totals.begin(), totals.end(), to + in_x, [](double total) { return static_cast<float>(total); });
    };
  });
  return y;
}

/// y, a new tensor, with the source added in. At most so many elements meet in one place as index has along dim; where these are many, they
/// are added in double.
Tensor summed(Op op, const Tensor& y, int64_t dim, const Tensor& at, const Tensor& source) {
  if (y.dtype() != DType::Float32 || source.dtype() != DType::Float32 || at.dim() == 0 || at.size(dim) <= kernels::most_terms_in_own_type)
    return scattered(op, y, dim, at, source, sum_of);
  if (dim == y.dim() - 1) return summed_along_rows(y, at, source);
  NoGradGuard no_grad;
  return scattered(op, y.to(DType::Float64), dim, at, source.to(DType::Float64), sum_of).to(DType::Float32);
}

Tensor spread(const Tensor& dy, int64_t dim, const Tensor& at, const Shape& shape) {
  constexpr Op op("scatter_add");
  const Tensor y = zeros(shape, {.dtype = dy.dtype()});
  return op.record(at.numel() == 0 ? y : summed(op, y, dim, at, dy),
                   wrt(dy, [at = Saved(at), dim](const Tensor& dz) { return gather(dz, dim, *at); }));
}

}  // namespace

Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  constexpr Op op("scatter_add");
  dim = wrap_dim(op, dim, impl_of(op, x).layout.rank());
  const Tensor at = scatter_index(op, x, dim, index);
  if (at.numel() == 0) return x.clone();
  const Tensor part = corner(op, source, at);
  return op.record(summed(op, x.detach().clone(), dim, at, part), wrt(x, [](const Tensor& dy) { return dy; }),
                   wrt(part, [at = Saved(at), dim](const Tensor& dy) { return gather(dy, dim, *at); }));
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  constexpr Op op("scatter");
  dim = wrap_dim(op, dim, impl_of(op, x).layout.rank());
  const Tensor at = scatter_index(op, x, dim, index);
  if (at.numel() == 0) return x.clone();
  const Tensor part = corner(op, source, at);
  return op.record(scattered(op, x.detach().clone(), dim, at, part, [](auto, auto b) { return b; }),
                   wrt(x, [at = Saved(at), dim](const Tensor& dy) { return scatter(dy, dim, *at, 0); }),
                   wrt(part, [at = Saved(at), dim, shape = x.shape()](const Tensor& dy) {
                     return where(last_writers(*at, dim, shape), gather(dy, dim, *at), 0.0);
                   }));
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, Scalar value) {
  constexpr Op op("scatter");
  op.takes(x, index);
  return scatter(x, dim, index, full(index.shape(), value, {.dtype = x.dtype()}));
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce) {
  constexpr Op op("scatter");
  op.check<ValueError>(reduce == "add" || reduce == "multiply", "reduce is \"{}\"; it must be \"add\" or \"multiply\"", reduce);
  if (reduce == "add") return scatter_add(x, dim, index, source);
  dim = wrap_dim(op, dim, impl_of(op, x).layout.rank());
  const Tensor at = scatter_index(op, x, dim, index);
  if (at.numel() == 0) return x.clone();
  op.check<AutogradError>(!is_grad_enabled() || (!x.requires_grad() && !source.requires_grad()),
                          "reduce \"multiply\" has no gradient; detach the tensors, or multiply gathered elements");
  return scattered(op, x.detach().clone(), dim, at, corner(op, source, at), [](auto a, auto b) { return static_cast<decltype(a)>(a * b); });
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, Scalar value, std::string_view reduce) {
  constexpr Op op("scatter");
  op.takes(x, index);
  return scatter(x, dim, index, full(index.shape(), value, {.dtype = x.dtype()}), reduce);
}

Tensor index_copy(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  constexpr Op op("index_copy");
  const Shape& shape = impl_of(op, x).layout.shape;
  dim = wrap_dim(op, dim, shape.size());
  const Tensor at = index_along(op, shape, dim, index);
  Shape expected = shape;
  if (!shape.empty()) expected[dim] = at.numel();
  op.check<ShapeError>(impl_of(op, source).layout.shape == expected, "source has shape {}, expected {}", source.shape(), expected);
  if (shape.empty()) return scatter(x.reshape(1), 0, at.reshape(1), source.reshape(1)).reshape({});
  Shape column = Shape::filled(shape.size(), 1);
  column[dim] = at.numel();
  return scatter(x, dim, at.reshape(column).expand(expected), source);
}

Tensor index_fill(const Tensor& x, int64_t dim, const Tensor& index, Scalar value) {
  constexpr Op op("index_fill");
  const Shape& shape = impl_of(op, x).layout.shape;
  dim = wrap_dim(op, dim, shape.size());
  const Tensor at = index_along(op, shape, dim, index);
  Tensor mask = index_add(zeros(shape.empty() ? Shape(1) : Shape(shape[dim])), 0, at.reshape(-1), ones(at.numel())).gt(0);
  if (shape.empty()) return masked_fill(x, mask.reshape({}), value);
  Shape column = Shape::filled(shape.size(), 1);
  column[dim] = shape[dim];
  return masked_fill(x, mask.reshape(column), value);
}

Tensor take_along_dim(const Tensor& x, const Tensor& index, std::optional<int64_t> dim) {
  constexpr Op op("take_along_dim");
  op.takes(x, index);
  if (!dim) return gather(x.reshape(-1), 0, index.reshape(-1));
  op.check<ShapeError>(x.dim() == index.dim(), "x has shape {} and index {}; they must have as many dimensions", x.shape(), index.shape());
  const int64_t d = wrap_dim(op, *dim, x.dim());
  Shape source = x.shape(), places = index.shape();
  for (int64_t i = 0; i < source.size(); ++i)
    if (i != d) source[i] = places[i] = source[i] == 1 ? places[i] : places[i] == 1 ? source[i] : places[i];
  return gather(x.expand(source), d, index.expand(places));
}

Tensor nonzero(const Tensor& x) {
  constexpr Op op("nonzero");
  const Shape& shape = impl_of(op, x).layout.shape;
  const Tensor set = ne(x.detach(), false);
  const bool* flags = elements<bool>(set);
  std::vector<int64_t> places;
  int64_t count = 0;
  for (int64_t i = 0, n = set.numel(); i < n; ++i) {
    if (!flags[i]) continue;
    ++count;
    for (int64_t p : place_of(i, shape)) places.push_back(p);
  }
  return from_vector(places, {count, shape.size()});
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  constexpr Op op("masked_select");
  op.check<DTypeError>(impl_of(op, mask).dtype == DType::Bool, "the mask must be bool, got {}; compare, as in x > 0", name(mask.dtype()));
  const Shape shape = broadcast_shapes(op, impl_of(op, x).layout.shape, mask.shape());
  const Tensor places = nonzero(mask.expand(shape).reshape(-1)).reshape(-1);
  return index_select(x.expand(shape).reshape(-1), 0, places);
}

}  // namespace gradus
