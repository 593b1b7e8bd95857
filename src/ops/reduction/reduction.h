#pragma once

#include <algorithm>

#include "autograd/op.h"
#include "core/array.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "gradus/ops/shape.h"
#include "kernels/reduce.h"

/// What reductions share: which dimensions go, and the tensor folded around them.
namespace gradus {

/// Which dimensions go, and the shapes that are left.
struct Reduced {
  Dims dims;          // those that go, in order
  Shape keep;         // with size 1 in their place
  Shape squeezed;     // without them
  int64_t count = 1;  // elements that meet in one
};

inline Reduced reduced(Op op, const Tensor& x, const Dims& dims) {
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

inline Folded fold(const Tensor& x, const Reduced& r) {
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

/// The dtype in which sums and products of x are kept.
inline DType total_dtype(const Tensor& x, std::optional<DType> dtype) {
  return dtype.value_or(is_floating_point(x.dtype()) ? x.dtype() : DType::Int64);
}

/// x as a dense (outer, length, inner) array around dim; a scalar is one element.
inline Folded folded_along(Op op, const Tensor& x, int64_t dim) { return fold(x, reduced(op, x, wrap_dim(op, dim, x.dim()))); }

/// f(x), summed in double, then `finish` of each sum.
template <class F, class G>
Tensor summed(Op op, const Tensor& x, const Reduced& r, bool keepdim, F f, G finish) {
  Tensor y = op.empty(keepdim ? r.keep : r.squeezed, x.dtype());
  const Folded a = fold(x, r);
  Array<double> sums(static_cast<size_t>(y.numel()));
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    kernels::sum(a.outer, a.length, a.inner, elements<T>(a.dense), sums.data(), [f](T v) { return f(static_cast<double>(v)); });
    T* to = elements<T>(y);
    for (size_t i = 0; i < sums.size(); ++i) to[i] = static_cast<T>(finish(sums[i]));
  });
  return y;
}

/// sqrt(sum(x^2) / n) along the dimensions that go, also where squares leave the range of double.
Tensor root_of_squares(Op op, const Tensor& x, const Reduced& r, bool keepdim, double n);

}  // namespace gradus
