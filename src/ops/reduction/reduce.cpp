#include "gradus/ops/reduction.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "kernels/scan.h"
#include "ops/elementwise.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

template <class T>
Tensor sum_of(Op op, const Tensor& x, const Reduced& r, bool keepdim) {
  Tensor y = op.empty(keepdim ? r.keep : r.squeezed, x.dtype());
  const Folded a = fold(x, r);
  kernels::sum(a.outer, a.length, a.inner, elements<T>(a.dense), elements<T>(y), [](T v) { return v; });
  return y;
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  constexpr Op op("sum");
  const Reduced r = reduced(op, x, dims);
  const DType out = dtype.value_or(is_floating_point(x.dtype()) ? x.dtype() : DType::Int64);
  op.check<DTypeError>(out != DType::Bool, "bool holds no sums; use any, or dtype int64");
  const Tensor v = x.dtype() == out ? x : x.to(out);
  Tensor y = dispatch(op, out, [&]<class T>() { return sum_of<T>(op, v, r, keepdim); });
  return (dims.empty() ? op : op.as("sum_1")).record(y, wrt(v, [keep = r.keep, shape = v.shape()](const Tensor& dy) {
                                                       return dy.reshape(keep).expand(shape);
                                                     }));
}

Tensor mean(const Tensor& x, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  constexpr Op op("mean");
  const Reduced r = reduced(op, x, dims);
  const DType out = dtype.value_or(x.dtype());
  op.check<DTypeError>(is_floating_point(out), "{} has no mean of its own kind; convert with .to(gradus::float32) or give a dtype",
                       name(out));
  const Tensor v = x.dtype() == out ? x : x.to(out);
  Tensor y = dispatch_floating(op, out, [&]<class T>() {
    Tensor total = sum_of<T>(op, v, r, keepdim);
    T* values = elements<T>(total);
    bool within = true;
    for (int64_t i = 0; i < total.numel(); ++i) {
      within &= std::isfinite(values[i]);
      values[i] /= static_cast<T>(r.count);
    }
    // A mean is within the range of its dtype even where the sum is not: then the sum is that of shares.
    if (within || r.count == 0) return total;
    return std::is_same_v<T, float>
               ? summed(
                     op, v, r, keepdim, [](double e) { return e; }, [n = static_cast<double>(r.count)](double s) { return s / n; })
               : summed(
                     op, v, r, keepdim, [n = static_cast<double>(r.count)](double e) { return e / n; }, [](double s) { return s; });
  });
  return (dims.empty() ? op : op.as("mean_1")).record(y, wrt(v, [keep = r.keep, shape = v.shape(), n = r.count](const Tensor& dy) {
                                                        return (dy / n).reshape(keep).expand(shape);
                                                      }));
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  constexpr Op op("sum_to");
  if (x.shape() == shape) return x;
  const int64_t lead = x.dim() - shape.size();
  op.check<ShapeError>(lead >= 0, "shape {} is no broadcast of {}", x.shape(), shape);
  Dims dims;
  for (int64_t d = 0; d < x.dim(); ++d) {
    const bool goes = d < lead || (shape[d - lead] == 1 && x.shape()[d] != 1);
    op.check<ShapeError>(goes || x.shape()[d] == shape[d - lead], "shape {} is no broadcast of {}", x.shape(), shape);
    if (goes) dims.push_back(d);
  }
  return (dims.empty() ? x : sum(x, dims, true)).reshape(shape);
}

namespace {

/// Over bool: whether one of the elements that meet, each seen as "is not zero", has the value `wanted`.
Tensor has(Op op, const Tensor& x, const Dims& dims, bool keepdim, bool wanted) {
  const Reduced r = reduced(op, x, dims);
  const Tensor set = wanted ? x.detach().ne(false) : x.detach().eq(false);
  Tensor y = op.empty(keepdim ? r.keep : r.squeezed, DType::Bool);
  const Folded a = fold(set, r);
  kernels::holds_true(a.outer, a.length, a.inner, elements<bool>(a.dense), elements<bool>(y));
  if (!wanted) std::transform(elements<bool>(y), elements<bool>(y) + y.numel(), elements<bool>(y), std::logical_not<>());
  return y;
}

}  // namespace

Tensor any(const Tensor& x, const Dims& dims, bool keepdim) { return has(Op("any"), x, dims, keepdim, true); }
Tensor all(const Tensor& x, const Dims& dims, bool keepdim) { return has(Op("all"), x, dims, keepdim, false); }
Tensor count_nonzero(const Tensor& x, const Dims& dims) { return sum(x.ne(false), dims); }

bool equal(const Tensor& x, const Tensor& y) { return x.shape() == y.shape() && all(x.eq(y)).item<bool>(); }

bool allclose(const Tensor& x, const Tensor& y, double rtol, double atol, bool equal_nan) {
  constexpr Op op("allclose");
  op.check<ValueError>(rtol >= 0 && atol >= 0, "rtol is {} and atol {}; neither may be negative", rtol, atol);
  const Shape shape = broadcast_shapes(op, x.shape(), y.shape());
  const auto a = x.detach().expand(shape).to_vector<double>(), b = y.detach().expand(shape).to_vector<double>();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool close = a[i] == b[i] || std::fabs(a[i] - b[i]) <= atol + rtol * std::fabs(b[i]);
    if (!close && !(equal_nan && std::isnan(a[i]) && std::isnan(b[i]))) return false;
    if (std::isinf(b[i]) && a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace gradus
