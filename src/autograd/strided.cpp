#include "autograd/strided.h"

#include <algorithm>
#include <limits>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "kernels/copy.h"

namespace gradus {

void copy_elements(const Tensor& from, const Tensor& to) {
  TensorImpl& source = impl_of("copy_", from);
  TensorImpl& target = impl_of("copy_", to);
  const Layout read = source.layout.shape == target.layout.shape ? source.layout : expand("copy_", source.layout, target.layout.shape);
  kernels::copy(source.dtype, source.storage->data(), read, target.dtype, target.storage->data(), target.layout);
}

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

Tensor buffer_for(const Layout& a, const Layout& b, DType dtype) { return zeros(std::max(extent(a), extent(b)), {.dtype = dtype}); }

}  // namespace

Tensor gather_window(const Tensor& x, const Layout& whole, const Layout& window) {
  Tensor y;
  {
    NoGradGuard no_grad;
    const Tensor buffer = buffer_for(whole, window, x.dtype());
    copy_elements(x, view_of(buffer, whole));
    y = view_of(buffer, window).clone();
  }
  return record("gather_window", y, wrt(x, [whole, window](const Tensor& dy) { return scatter_window(dy, window, whole); }));
}

Tensor scatter_window(const Tensor& y, const Layout& window, const Layout& whole) {
  Tensor x;
  {
    NoGradGuard no_grad;
    const Tensor buffer = buffer_for(whole, window, y.dtype());
    const Tensor source = y.contiguous();
    dispatch_floating("as_strided", y.dtype(), [&]<class T>() { kernels::add_strided(source.data<T>(), window, buffer.data<T>()); });
    const bool dense = whole.is_contiguous() && whole.offset == 0 && buffer.numel() == whole.shape.numel();
    x = dense ? buffer.view(whole.shape).detach() : view_of(buffer, whole).clone();
  }
  return record("scatter_window", x, wrt(y, [whole, window](const Tensor& dx) { return gather_window(dx, whole, window); }));
}

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
  return record("as_strided", view_of(x, window), wrt(x, [whole, window](const Tensor& dy) { return scatter_window(dy, window, whole); }));
}

}  // namespace gradus
