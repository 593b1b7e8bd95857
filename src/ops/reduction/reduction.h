#pragma once

#include <algorithm>

#include "autograd/record.h"
#include "core/layout.h"
#include "gradus/ops/shape.h"

/// What reductions share: which dimensions go, and the tensor folded around them.
namespace gradus {

/// Which dimensions go, and the shapes that are left.
struct Reduced {
  Dims dims;          // those that go, in order
  Shape keep;         // with size 1 in their place
  Shape squeezed;     // without them
  int64_t count = 1;  // elements that meet in one
};

inline Reduced reduced(const char* op, const Tensor& x, const Dims& dims) {
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

}  // namespace gradus
