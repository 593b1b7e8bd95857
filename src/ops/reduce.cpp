#include "gradus/ops/reduce.h"

#include <cmath>
#include <limits>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/ops.h"
#include "kernels/reduce.h"
#include "ops/elementwise.h"

namespace gradus {
namespace {

/// Which dimensions go, and the shapes that are left.
struct Reduced {
  Dims dims;          // those that go, in order
  Shape keep;         // with size 1 in their place
  Shape squeezed;     // without them
  int64_t count = 1;  // elements that meet in one
};

Reduced reduced(const char* op, const Tensor& x, const Dims& dims) {
  const Shape& shape = impl_of(op, x).layout.shape;
  Reduced r{.dims = wrap_dims(op, dims, shape.size()), .keep = shape, .squeezed = {}};
  if (dims.empty() || shape.empty()) {
    r.dims = Dims();
    for (int64_t d = 0; d < shape.size(); ++d) r.dims.push_back(d);
  }
  std::sort(r.dims.begin(), r.dims.end());
  for (int64_t d : r.dims) {
    r.count *= shape[d];
    r.keep[d] = 1;
  }
  for (int64_t d = 0; d < shape.size(); ++d)
    if (std::find(r.dims.begin(), r.dims.end(), d) == r.dims.end()) r.squeezed.push_back(shape[d]);
  return r;
}

/// x as a dense (outer, length, inner) array whose middle is what goes. Dimensions that are not neighbours are brought together.
struct Folded {
  Tensor dense;
  int64_t outer = 1, length = 1, inner = 1;
};

Folded fold(const Tensor& x, const Reduced& r) {
  NoGradGuard no_grad;
  const Shape& shape = x.shape();
  const bool neighbours = r.dims.empty() || r.dims.back() - r.dims[0] + 1 == r.dims.size();
  Folded f;
  if (neighbours) {
    f.dense = x.contiguous();
    for (int64_t d = 0; d < shape.size(); ++d) {
      int64_t& part = r.dims.empty() || d < r.dims[0] ? f.outer : d > r.dims.back() ? f.inner : f.length;
      part *= shape[d];
    }
    return f;
  }
  Dims order;
  for (int64_t d = 0; d < shape.size(); ++d)
    if (std::find(r.dims.begin(), r.dims.end(), d) == r.dims.end()) order.push_back(d);
  for (int64_t d : r.dims) order.push_back(d);
  f.dense = permute(x.detach(), order).contiguous();
  f.outer = r.squeezed.numel();
  f.length = r.count;
  return f;
}

template <class T>
Tensor sum_of(const char* op, const Tensor& x, const Reduced& r, bool keepdim) {
  Tensor y = new_tensor(op, keepdim ? r.keep : r.squeezed, x.dtype());
  const Folded a = fold(x, r);
  kernels::sum(a.outer, a.length, a.inner, a.dense.data<T>(), y.data<T>(), [](T v) { return v; });
  return y;
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  const Reduced r = reduced("sum", x, dims);
  const DType out = dtype.value_or(is_floating_point(x.dtype()) ? x.dtype() : DType::Int64);
  check<DTypeError>(out != DType::Bool, "sum: bool holds no sums; use any, or dtype int64");
  const Tensor v = x.dtype() == out ? x : to(x, out);
  Tensor y = dispatch(out, [&]<class T>() { return sum_of<T>("sum", v, r, keepdim); });
  return record(dims.empty() ? "sum" : "sum_1", y,
                wrt(v, [keep = r.keep, shape = v.shape()](const Tensor& dy) { return expand(reshape(dy, keep), shape); }));
}

Tensor mean(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  const Reduced r = reduced("mean", x, dims);
  const DType out = dtype.value_or(x.dtype());
  check<DTypeError>(is_floating_point(out), "mean: {} has no mean of its own kind; convert with .to(gradus::float32) or give a dtype",
                    name(out));
  const Tensor v = x.dtype() == out ? x : to(x, out);
  Tensor y = dispatch_floating("mean", out, [&]<class T>() {
    Tensor total = sum_of<T>("mean", v, r, keepdim);
    T* values = total.data<T>();
    for (int64_t i = 0; i < total.numel(); ++i) values[i] /= static_cast<T>(r.count);
    return total;
  });
  return record(dims.empty() ? "mean" : "mean_1", y, wrt(v, [keep = r.keep, shape = v.shape(), n = r.count](const Tensor& dy) {
                  return expand(reshape(div(dy, n), keep), shape);
                }));
}

Tensor var(const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  const Reduced r = reduced("var", x, dims);
  check<DTypeError>(is_floating_point(x.dtype()), "var: takes float32 or float64, got {}; convert with .to(gradus::float32)",
                    name(x.dtype()));
  const double n = std::max<double>(0, static_cast<double>(r.count - correction));
  Tensor y;
  {
    NoGradGuard no_grad;
    const Tensor centred = sub(x, mean(x, dims, true));
    y = div(sum(mul(centred, centred), dims, keepdim), n);
  }
  return record("var", y, wrt(x, [x = Saved(x), keep = r.keep, dims = r.dims, n](const Tensor& dy) {
                  return mul(mul(sub(*x, mean(*x, dims, true)), 2 / n), reshape(dy, keep));
                }));
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int64_t lead = x.dim() - shape.size();
  check<ShapeError>(lead >= 0, "sum_to: shape {} is no broadcast of {}", x.shape(), shape);
  Dims dims;
  for (int64_t d = 0; d < x.dim(); ++d) {
    const bool goes = d < lead || (shape[d - lead] == 1 && x.shape()[d] != 1);
    check<ShapeError>(goes || x.shape()[d] == shape[d - lead], "sum_to: shape {} is no broadcast of {}", x.shape(), shape);
    if (goes) dims.push_back(d);
  }
  return reshape(dims.empty() ? x : sum(x, dims, true), shape);
}

namespace {

/// Whether one of x's elements, each seen as "is not zero", has the value `wanted`.
bool has(const Tensor& x, bool wanted) {
  const Tensor set = ne(x, false);
  const bool* values = set.data<bool>();
  return std::find(values, values + set.numel(), wanted) != values + set.numel();
}

}  // namespace

Tensor any(const Tensor& x) { return full({}, has(x, true)); }
Tensor all(const Tensor& x) { return full({}, !has(x, false)); }

bool equal(const Tensor& x, const Tensor& y) { return x.shape() == y.shape() && all(eq(x, y)).item<bool>(); }

bool allclose(const Tensor& x, const Tensor& y, double rtol, double atol, bool equal_nan) {
  const Shape shape = broadcast_shapes("allclose", x.shape(), y.shape());
  const auto a = x.detach().expand(shape).to_vector<double>(), b = y.detach().expand(shape).to_vector<double>();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool close = a[i] == b[i] || std::fabs(a[i] - b[i]) <= atol + rtol * std::fabs(b[i]);
    if (!close && !(equal_nan && std::isnan(a[i]) && std::isnan(b[i]))) return false;
    if (std::isinf(b[i]) && a[i] != b[i]) return false;
  }
  return true;
}

namespace {

template <class Better>
ValuesIndices extremum(const char* op, const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced r = reduced(op, x, dims);
  check<ValueError>(r.count > 0, "{}: shape {} has no element to choose from", op, x.shape());
  const Shape shape = keepdim ? r.keep : r.squeezed;
  ValuesIndices y{new_tensor(op, shape, x.dtype()), new_tensor(op, shape, DType::Int64)};
  const Folded a = fold(x, r);
  dispatch(x.dtype(), [&]<class T>() {
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

}  // namespace gradus
