#include "gradus/ops/functional.h"

#include <algorithm>

#include "autograd/record.h"
#include "autograd/strided.h"
#include "core/check.h"
#include "core/layout.h"
#include "gradus/ops.h"
#include "ops/promote.h"

namespace gradus {

Tensor glu(const Tensor& x, int64_t dim) {
  const Shape& shape = impl_of("glu", x).layout.shape;
  check<ShapeError>(shape.size() > 0, "glu: a scalar has no halves");
  dim = wrap_dim("glu", dim, shape.size());
  check<ShapeError>(shape[dim] % 2 == 0, "glu: shape {} has {} elements along dimension {}, which do not halve", shape, shape[dim], dim);
  check<DTypeError>(is_floating_point(x.dtype()), "glu: takes float32 or float64, got {}; convert with .to(gradus::float32)",
                    name(x.dtype()));
  const int64_t half = shape[dim] / 2;
  return mul(narrow(x, dim, 0, half), sigmoid(narrow(x, dim, half, half)));
}

Tensor softmin(const Tensor& x, int64_t dim, std::optional<DType> dtype) { return softmax(neg(x), dim, dtype); }

Tensor normalize(const Tensor& x, double p, const Dims& dims, double eps) { return div(x, clamp(norm(x, p, dims, true), eps)); }

namespace {

/// max(||x||, eps) along dim, with the gradient of ||x||.
Tensor bounded_norm(const Tensor& x, int64_t dim, double eps) {
  const Tensor length = norm(x, 2, dim, true), number = length.detach();
  return add(length, sub(clamp(number, eps), number));
}

}  // namespace

Tensor cosine_similarity(const Tensor& x, const Tensor& y, int64_t dim, double eps) {
  const DType dtype = (impl_of("cosine_similarity", x), impl_of("cosine_similarity", y), result_type(x, y));
  check<DTypeError>(is_floating_point(dtype),
                    "cosine_similarity: takes float32 or float64, got {} and {}; convert with .to(gradus::float32)", name(x.dtype()),
                    name(y.dtype()));
  const Shape shape = broadcast_shapes("cosine_similarity", x.shape(), y.shape());
  const Tensor a = expand(to(x, dtype), shape), b = expand(to(y, dtype), shape);
  return sum(mul(div(a, bounded_norm(a, dim, eps)), div(b, bounded_norm(b, dim, eps))), dim);
}

Tensor pad(const Tensor& x, const Dims& pads, std::string_view mode, Scalar value) {
  const Shape& shape = impl_of("pad", x).layout.shape;
  check<ValueError>(mode == "constant", "pad: mode is \"{}\"; it must be \"constant\"", mode);
  check<ShapeError>(pads.size() % 2 == 0 && pads.size() <= 2 * shape.size(),
                    "pad: {} needs a number before and one after for each of at most {} dimensions, those of shape {}", pads, shape.size(),
                    shape);
  Shape padded = shape;
  Layout from = x.impl()->layout;
  for (int64_t i = 0; i < pads.size(); i += 2) {
    const int64_t d = shape.size() - 1 - i / 2, before = pads[i], after = pads[i + 1];
    const bool fits = !__builtin_add_overflow(padded[d], before, &padded[d]) && !__builtin_add_overflow(padded[d], after, &padded[d]);
    check<ShapeError>(fits, "pad: {} and {} make dimension {} of shape {} too large", before, after, d, shape);
    check<ShapeError>(padded[d] >= 0 && shape[d] + std::min(before, int64_t{0}) + std::min(after, int64_t{0}) >= 0,
                      "pad: {} and {} take more than the {} elements of dimension {} of shape {}", before, after, shape[d], d, shape);
  }
  Tensor y = full(padded, value, {.dtype = x.dtype()});
  Layout into = y.impl()->layout;
  for (int64_t i = 0; i < pads.size(); i += 2) {
    const int64_t d = shape.size() - 1 - i / 2, cut = std::max(-pads[i], int64_t{0}), lead = std::max(pads[i], int64_t{0});
    const int64_t kept = shape[d] - cut + std::min(pads[i + 1], int64_t{0});
    from = narrow("pad", from, d, cut, kept);
    into = narrow("pad", into, d, lead, kept);
  }
  copy_elements(view_of(x, from), view_of(y, into));
  return record("constant_pad_nd", y, wrt(x, [pads](const Tensor& dy) {
                  Dims back = pads;
                  for (int64_t& n : back) n = -n;
                  return pad(dy, back);
                }));
}

}  // namespace gradus
