#include "ops/shape/restride.h"

#include <algorithm>
#include <limits>

#include "autograd/op.h"
#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/ops/shape.h"
#include "kernels/copy.h"

namespace gradus {

namespace {

/// One past the last place that a layout reaches in its storage, or the largest integer where that is beyond it.
int64_t extent(const Layout& layout) {
  if (layout.shape.numel() == 0) return 0;
  int64_t end = 0, way = 0;
  bool beyond = __builtin_add_overflow(layout.offset, 1, &end);
  for (int64_t d = 0; d < layout.rank(); ++d)
    beyond = beyond || __builtin_mul_overflow(layout.shape[d] - 1, layout.strides[d], &way) || __builtin_add_overflow(end, way, &end);
  return beyond ? std::numeric_limits<int64_t>::max() : end;
}

/// What x would be beside a storage that begins `start` elements later.
Layout from_start(Layout x, int64_t start) {
  x.offset -= start;
  return x;
}

/// Writes x where `layout` says into `storage`, which is contiguous and 0, elements that share a place added up.
void put(const Tensor& x, const Layout& layout, Tensor& storage) {
  if (!overlaps(layout)) {
    const TensorImpl &from = *x.impl(), &to = *storage.impl();
    return kernels::copy(from.dtype, from.storage->data(), from.layout, to.dtype, to.storage->data(), layout);
  }
  // Any number of elements may be added into one place: in float32 the sum would stop growing.
  Tensor sums = storage.to(DType::Float64);
  kernels::add_strided(elements<double>(x.to(DType::Float64).contiguous()), layout, elements<double>(sums));
  storage = sums.to(x.dtype());
}

}  // namespace

Tensor restride(const Tensor& x, const Layout& from, const Layout& to) {
  const int64_t start = std::min(from.offset, to.offset), length = std::max(extent(from), extent(to)) - start;
  // The storage has what `to` shows in it, and is all of that where nothing else is left.
  const bool whole = to.offset == start && to.is_contiguous() && length == to.shape.numel();
  Tensor y;
  {
    NoGradGuard no_grad;
    y = zeros(whole ? to.shape : Shape(std::max<int64_t>(length, 0)), {.dtype = x.dtype()});
    put(x, from_start(from, start), y);
    if (!whole) y = view_of(y, from_start(to, start)).clone();
  }
  return Op("restride").record(y, wrt(x, [from, to](const Tensor& dy) { return restride(dy, to, from); }));
}

namespace {

/// How many elements of a layout share the place of each.
Tensor sharers(const Layout& x, DType dtype) {
  NoGradGuard no_grad;
  return restride(ones(x.shape, {.dtype = dtype}), x, x);
}

}  // namespace

Tensor as_strided(const Tensor& x, const Shape& shape, const Strides& strides, std::optional<int64_t> storage_offset) {
  const TensorImpl& impl = impl_of("as_strided", x);
  check<ShapeError>(shape.size() == strides.size(), "as_strided: shape {} and strides {} differ in length", shape, strides);
  Layout window = contiguous_layout("as_strided", shape);
  window.strides = strides;
  window.offset = storage_offset.value_or(impl.layout.offset);
  for (int64_t stride : strides) check<ValueError>(stride >= 0, "as_strided: strides {} must not be negative", strides);
  check<IndexError>(window.offset >= 0 && extent(window) <= static_cast<int64_t>(impl.storage->bytes() / element_size(impl.dtype)),
                    "as_strided: shape {}, strides {}, offset {} reach beyond the storage of {} bytes", shape, strides, window.offset,
                    impl.storage->bytes());
  const Layout whole = impl.layout;
  return Op("as_strided").record(view_of(x, window), wrt(x, [whole, window](const Tensor& dy) {
                                   const Tensor dx = restride(dy, window, whole);
                                   // The window sees places, not elements: those that share one share its gradient.
                                   return overlaps(whole) ? dx / sharers(whole, dx.dtype()) : dx;
                                 }));
}

}  // namespace gradus
