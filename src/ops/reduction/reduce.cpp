#include "gradus/ops/reduction.h"

#include <cmath>
#include <limits>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "kernels/reduce.h"
#include "ops/elementwise.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

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
  Tensor y = dispatch("sum", out, [&]<class T>() { return sum_of<T>("sum", v, r, keepdim); });
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

/// Over bool: whether one of the elements that meet, each seen as "is not zero", has the value `wanted`.
Tensor has(const char* op, const Tensor& x, const Dims& dims, bool keepdim, bool wanted) {
  const Reduced r = reduced(op, x, dims);
  const Tensor set = wanted ? ne(x.detach(), false) : eq(x.detach(), false);
  Tensor y = new_tensor(op, keepdim ? r.keep : r.squeezed, DType::Bool);
  const Folded a = fold(set, r);
  const bool* from = a.dense.data<bool>();
  bool* to = y.data<bool>();
  for (int64_t o = 0; o < a.outer; ++o)
    for (int64_t i = 0; i < a.inner; ++i) {
      bool found = false;
      for (int64_t k = 0; k < a.length && !found; ++k) found = from[(o * a.length + k) * a.inner + i];
      to[o * a.inner + i] = found == wanted;
    }
  return y;
}

}  // namespace

Tensor any(const Tensor& x, const Dims& dims, bool keepdim) { return has("any", x, dims, keepdim, true); }
Tensor all(const Tensor& x, const Dims& dims, bool keepdim) { return has("all", x, dims, keepdim, false); }
Tensor count_nonzero(const Tensor& x, const Dims& dims) { return sum(ne(x, false), dims); }

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

}  // namespace gradus
