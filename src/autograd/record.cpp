#include "autograd/record.h"

#include "autograd/strided.h"
#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"

namespace gradus {

namespace {
thread_local bool grad_enabled = true;
}

bool is_grad_enabled() noexcept { return grad_enabled; }
GradMode::GradMode(bool enabled) noexcept : before_(std::exchange(grad_enabled, enabled)) {}
GradMode::~GradMode() { grad_enabled = before_; }

Tensor Saved::as_it_is_now(const Tensor& x) {
  if (!x.defined() || !is_grad_enabled()) return x;
  const TensorImpl& impl = *x.impl();
  if (!impl.grad_fn && !impl.base) return x;
  const Edge edge = gradient_edge(x);
  Tensor kept = alias_of(x);
  if (impl.grad_fn) detail::attach(kept, edge.node, edge.slot);
  else kept.impl()->sink = impl.sink;
  return kept;
}

void Saved::throw_changed() const {
  const Ref<Node>& node = tensor_.impl()->grad_fn;
  fail<AutogradError>(
      "backward: a tensor of shape {}{} that backward needs was changed in place after it was saved (it is at version {}, {} was "
      "expected); change a copy (clone), or change it before it is used",
      tensor_.shape(), node ? fmt::format(", output of {},", node_display_name(node->name)) : "", tensor_.version(), version_);
}

namespace detail {

void throw_freed(const char* name) {
  fail<AutogradError>(
      "backward: {} was walked a second time, but what it had saved is freed; pass retain_graph = true to the first backward, or "
      "compute the output again",
      node_display_name(name));
}

void attach(const Tensor& y, Ref<Node> node, uint32_t slot) {
  TensorImpl& impl = *y.impl();
  impl.grad_fn = std::move(node);
  impl.slot = slot;
}

}  // namespace detail

Edge gradient_edge(const Tensor& x) {
  if (!x.defined()) return {};
  TensorImpl& impl = *x.impl();
  if (impl.base && impl.base->history != impl.base_history) {
    // The view's storage was written through another tensor: its value is now a window onto the base's new history.
    const Tensor base(impl.base);
    EnableGradGuard recording;
    const Tensor fresh = as_strided(base, impl.layout.shape, impl.layout.strides, impl.layout.offset);
    impl.grad_fn = fresh.impl()->grad_fn;
    impl.slot = fresh.impl()->slot;
    impl.base_history = impl.base->history;
  }
  if (impl.grad_fn) return {impl.grad_fn, impl.slot};
  if (impl.sink) return {Ref<Node>(impl.sink.get()), 0};
  return {};
}

bool in_place_needs_history(const char* op, const Tensor& x, bool value_requires_grad) {
  const TensorImpl& impl = impl_of(op, x);
  for (int64_t d = 0; d < impl.layout.rank(); ++d)
    check<ValueError>(impl.layout.strides[d] != 0 || impl.layout.shape[d] <= 1,
                      "{}: the tensor of shape {} is expanded, several of its elements share one place; clone() it first", op,
                      impl.layout.shape);
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
void rewrite_base(const Tensor& base, const Layout& window, const Tensor& value, const char* op) {
  const Layout whole = base.impl()->layout;
  // Marks the window's places, in the shape of base.
  Tensor mask;
  {
    NoGradGuard no_grad;
    mask = scatter_window(ones(window.shape), window, whole).gt(0);
  }
  Tensor y = alias_of(base);
  const auto outside = [mask](const Tensor& dy) { return masked_fill(dy, mask, 0); };
  const auto inside = [whole, window](const Tensor& dy) { return gather_window(dy, whole, window); };
  y = record(op, y, wrt(base, outside), wrt(value, inside));
  TensorImpl& impl = *base.impl();
  impl.grad_fn = y.impl()->grad_fn;
  impl.slot = y.impl()->slot;
  ++impl.history;
}

/// What retain_grad left on the history that x had, `before`, moves to the one it has now.
void move_retained(TensorImpl& x, const Edge& before) {
  if (!x.sink || !before.node || before.node.get() == x.sink.get()) return;
  if (Node::Hooks* hooks = before.node->hooks_if_any()) {
    std::lock_guard lock(hooks->mutex);
    std::erase_if(hooks->retained, [&](const auto& entry) { return entry.second == x.sink; });
  }
  if (!x.grad_fn) {
    x.sink = nullptr;
    return;
  }
  Node::Hooks& hooks = x.grad_fn->hooks();
  std::lock_guard lock(hooks.mutex);
  hooks.retained.emplace_back(x.slot, x.sink);
}

/// A copy of x that has its history, for an operation that keeps its input.
Tensor snapshot_of(const Tensor& x) {
  const Edge edge = gradient_edge(x);
  NoGradGuard no_grad;
  Tensor copy = x.clone();
  detail::attach(copy, edge.node, edge.slot);
  return copy;
}

}  // namespace

void in_place(const char* op, const Tensor& x, const std::function<Tensor(const Tensor&)>& compute) {
  TensorImpl& impl = impl_of(op, x);
  in_place_needs_history(op, x, false);
  const bool tracked = is_grad_enabled() && x.requires_grad();
  Tensor result = compute(tracked ? snapshot_of(x) : alias_of(x));
  // What the operation kept of x is about to be overwritten; only now is it known that it will be needed.
  if (!tracked && result.requires_grad()) result = compute(snapshot_of(x));
  check<ShapeError>(result.shape() == x.shape(), "{}: the result has shape {}, but the tensor changed in place has {}", op, result.shape(),
                    x.shape());
  check<DTypeError>(result.dtype() <= x.dtype() || (is_floating_point(result.dtype()) && is_floating_point(x.dtype())),
                    "{}: a result of dtype {} does not fit into a tensor of dtype {}; convert one of them with .to()", op,
                    name(result.dtype()), name(x.dtype()));
  const bool history = in_place_needs_history(op, x, result.requires_grad());
  {
    NoGradGuard no_grad;
    const Tensor values = result.detach();
    copy_elements(values.shares_storage_with(x) ? values.clone() : values, x);
  }
  impl.storage->bump_version();
  if (!history) return;
  if (result.dtype() != x.dtype()) result = result.to(x.dtype());
  const Edge before = gradient_edge(x);
  if (impl.base) {
    TensorImpl& base = *impl.base;
    const Edge base_before = gradient_edge(Tensor(impl.base));
    rewrite_base(Tensor(impl.base), impl.layout, result, "copy_slices");
    move_retained(base, base_before);
    gradient_edge(x);
  } else {
    const Edge edge = gradient_edge(result);
    impl.grad_fn = edge.node;
    impl.slot = edge.slot;
    ++impl.history;
  }
  move_retained(impl, before);
}

}  // namespace gradus
