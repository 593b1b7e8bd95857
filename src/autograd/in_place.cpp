#include "autograd/in_place.h"

#include "autograd/op.h"
#include "core/check.h"
#include "gradus/creation.h"
#include "ops/shape/restride.h"

namespace gradus {

bool in_place_needs_history(const char* op, const Tensor& x, bool value_requires_grad) {
  const TensorImpl& impl = impl_of(op, x);
  check<ValueError>(impl.contiguous || !overlaps(impl.layout),
                    "{}: several elements of the tensor of shape {} with strides {} share one place in memory, so that they cannot be "
                    "written one by one; clone() it first",
                    op, impl.layout.shape, impl.layout.strides);
  if (!is_grad_enabled()) return false;
  const bool leaf = x.is_leaf() && x.requires_grad();
  check<AutogradError>(!leaf, "{}: a leaf of shape {} that requires a gradient cannot be changed in place; use a NoGradGuard or a copy", op,
                       x.shape());
  if (impl.base) {
    const Tensor base(impl.base);
    check<AutogradError>(!(base.is_leaf() && base.requires_grad()),
                         "{}: a view of a leaf of shape {} that requires a gradient cannot be changed in place; use a NoGradGuard or a "
                         "copy",
                         op, base.shape());
  }
  return x.requires_grad() || value_requires_grad;
}

namespace {

/// The history of `base` after the window `layout` of it was replaced by `value`.
Tensor rewritten_base(const Tensor& base, const Layout& window, const Tensor& value) {
  const Layout whole = base.impl()->layout;
  // Marks the window's places, in the shape of base.
  Tensor mask;
  {
    NoGradGuard no_grad;
    mask = restride(ones(window.shape), window, whole).gt(0);
  }
  const auto outside = [mask](const Tensor& dy) { return dy.masked_fill(mask, 0); };
  const auto inside = [whole, window](const Tensor& dy) { return restride(dy, whole, window); };
  return Op("copy_slices").record(alias_of(base), wrt(base, outside), wrt(value, inside));
}

/// A copy of x that has its history, for an operation that keeps its input.
Tensor snapshot_of(const Tensor& x) {
  const Edge edge = gradient_edge(follow_base(x));
  NoGradGuard no_grad;
  Tensor copy = x.clone();
  attach(copy, edge.node, edge.slot);
  return copy;
}

/// Writes `value` into x, whose history becomes that of value.
void write(const char* op, const Tensor& x, Tensor value) {
  TensorImpl& impl = *x.impl();
  check<ShapeError>(value.shape() == x.shape(), "{}: the result has shape {}, but the tensor changed in place has {}", op, value.shape(),
                    x.shape());
  check<DTypeError>(value.dtype() <= x.dtype() || (is_floating_point(value.dtype()) && is_floating_point(x.dtype())),
                    "{}: a result of dtype {} does not fit into a tensor of dtype {}; convert one of them with .to()", op,
                    name(value.dtype()), name(x.dtype()));
  const bool has_history = is_grad_enabled() && (x.requires_grad() || value.requires_grad());
  {
    NoGradGuard no_grad;
    const Tensor values = value.detach();
    copy_elements(values.shares_storage_with(x) ? values.clone() : values, x);
  }
  impl.storage->bump_version();
  if (!has_history) return;
  if (value.dtype() != x.dtype()) value = value.to(x.dtype());
  if (impl.base) {
    const Tensor base(impl.base);
    set_history(*impl.base, gradient_edge(rewritten_base(base, impl.layout, value)));
    ++impl.base->history;
    follow_base(x);
  } else {
    set_history(impl, gradient_edge(follow_base(value)));
    ++impl.history;
  }
}

}  // namespace

void detail::in_place(const char* op, const Tensor& x, bool operands_require_grad, FunctionRef<Tensor(const Tensor&)> compute) {
  // What the operation keeps of x is about to be overwritten, so that it gets a copy where anything is kept.
  const bool recorded = in_place_needs_history(op, x, operands_require_grad);
  const Tensor result = compute(recorded ? snapshot_of(x) : alias_of(x));
  check<AutogradError>(recorded || !result.requires_grad(), "{}: the result requires a gradient for an operand that in_place was not given",
                       op);
  write(op, x, result);
}

void overwrite(const char* op, const Tensor& x, const Tensor& value) {
  in_place_needs_history(op, x, value.requires_grad());
  write(op, x, value);
}

}  // namespace gradus
