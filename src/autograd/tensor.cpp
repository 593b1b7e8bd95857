#include "gradus/tensor.h"

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "autograd/tensor_impl.h"
#include "core/array.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "kernels/copy.h"

namespace gradus {

void retain(TensorImpl* impl) noexcept { impl->references.fetch_add(1, std::memory_order_relaxed); }

void release(TensorImpl* impl) noexcept {
  int64_t count = impl->references.load(std::memory_order_acquire);
  while (count != 1) {
    // Once the last handle is gone, only operations keep the tensor. If they kept it before a change in place gave it a history, that
    // history may well lead to them, and they have no use for it: they refuse a tensor that was changed. So it goes with the last handle.
    const bool last = static_cast<uint32_t>(count) == 1 && impl->history != 0 && impl->grad_fn;
    if (impl->references.compare_exchange_weak(count, last ? count - 1 + kSavedReference : count - 1, std::memory_order_acq_rel,
                                               std::memory_order_acquire)) {
      if (last) {
        impl->grad_fn = nullptr;
        release_saved(impl);
      }
      return;
    }
  }
  delete impl;
}

void retain_saved(TensorImpl* impl) noexcept { impl->references.fetch_add(kSavedReference, std::memory_order_relaxed); }

void release_saved(TensorImpl* impl) noexcept {
  if (impl->references.fetch_sub(kSavedReference, std::memory_order_acq_rel) == kSavedReference) delete impl;
}

TensorImpl& any_impl_of(const char* op, const Tensor& x) {
  if (!x.defined()) [[unlikely]]
    fail<StateError>("{}: the tensor is undefined; give it a value first", op);
  return *x.impl();
}

TensorImpl& impl_of(const char* op, const Tensor& x) {
  TensorImpl& impl = any_impl_of(op, x);
  if (impl.rows) [[unlikely]]
    fail<StateError>("{}: the tensor of shape {} is a row-sparse gradient, which has no elements; call to_dense() first", op,
                     impl.layout.shape);
  return impl;
}

Tensor new_tensor(const char* op, const Shape& shape, DType dtype) {
  const Layout layout = contiguous_layout(op, shape);
  const auto bytes = static_cast<size_t>(layout.shape.numel()) * element_size(dtype);
  return Tensor(Ref<TensorImpl>(new TensorImpl(Storage::create(bytes), layout, dtype)));
}

TensorImpl::TensorImpl(Ref<Storage> s, const Layout& l, DType d)
    : storage(std::move(s)), layout(l), dtype(d), contiguous(l.is_contiguous()), numel(l.shape.numel()) {}

TensorImpl::TensorImpl(Ref<Storage> s, const TensorImpl& x, DType d)
    : storage(std::move(s)), layout(x.layout), dtype(d), contiguous(true), numel(x.numel) {
  layout.offset = 0;
  int64_t stride = 1;  // x's own may be anything along a dimension of size 1
  for (int64_t k = layout.shape.size() - 1; k >= 0; --k) {
    layout.strides[k] = stride;
    stride *= layout.shape[k];
  }
}
TensorImpl::~TensorImpl() = default;

bool TensorImpl::is_behind_base() const noexcept { return base && base->history != base_history; }

Tensor new_tensor_like(const char* op, const Tensor& x, DType dtype) {
  const TensorImpl& impl = *x.impl();
  if (!impl.contiguous || impl.numel == 0) return new_tensor(op, impl.layout.shape, dtype);
  const auto bytes = static_cast<size_t>(impl.numel) * element_size(dtype);
  return Tensor(Ref<TensorImpl>(new TensorImpl(Storage::create(bytes), impl, dtype)));
}

Tensor view_of(const Tensor& x, const Layout& layout) {
  TensorImpl& source = *x.impl();
  auto* impl = new TensorImpl(source.storage, layout, source.dtype);
  if (is_floating_point(source.dtype)) {
    impl->base = source.base ? source.base : Ref<TensorImpl>(&source);
    impl->base_history = impl->base->history;
  }
  return Tensor(Ref<TensorImpl>(impl));
}

Tensor alias_of(const Tensor& x) {
  const TensorImpl& source = *x.impl();
  if (source.rows) return row_sparse(*source.rows, source.layout.shape);
  return Tensor(Ref<TensorImpl>(new TensorImpl(source.storage, source.layout, source.dtype)));
}

void copy_elements(const Tensor& from, const Tensor& to) {
  TensorImpl& source = impl_of("copy_", from);
  TensorImpl& target = impl_of("copy_", to);
  const Layout read = source.layout.shape == target.layout.shape ? source.layout : expand("copy_", source.layout, target.layout.shape);
  kernels::copy(source.dtype, source.storage->data(), read, target.dtype, target.storage->data(), target.layout);
}

const Shape& Tensor::shape() const { return any_impl_of("shape", *this).layout.shape; }
int64_t Tensor::size(int64_t dim) const {
  const Shape& s = shape();
  check<IndexError>(!s.empty(), "size: a scalar has no dimension {}", dim);
  return s[wrap_dim("size", dim, s.size())];
}
int64_t Tensor::dim() const { return shape().size(); }
int64_t Tensor::numel() const { return any_impl_of("numel", *this).numel; }
const Strides& Tensor::strides() const { return impl_of("strides", *this).layout.strides; }
int64_t Tensor::stride(int64_t dim) const {
  const Strides& s = strides();
  check<IndexError>(!s.empty(), "stride: a scalar has no dimension {}", dim);
  return s[wrap_dim("stride", dim, s.size())];
}
int64_t Tensor::storage_offset() const { return impl_of("storage_offset", *this).layout.offset; }
bool Tensor::is_contiguous() const { return impl_of("is_contiguous", *this).contiguous; }
DType Tensor::dtype() const { return any_impl_of("dtype", *this).dtype; }
bool Tensor::shares_storage_with(const Tensor& other) const {
  return impl_of("shares_storage_with", *this).storage == impl_of("shares_storage_with", other).storage;
}
uint32_t Tensor::version() const { return impl_of("version", *this).storage->version(); }

void* elements_checked(const Tensor& x, DType wanted) {
  const TensorImpl& impl = impl_of("data", x);
  if (impl.dtype != wanted) [[unlikely]]
    fail<DTypeError>("data: the tensor is {}, asked for as {}; convert it with .to()", name(impl.dtype), name(wanted));
  return static_cast<char*>(impl.storage->data()) + static_cast<size_t>(impl.layout.offset) * element_size(impl.dtype);
}

const void* Tensor::const_data_checked(DType wanted) const { return elements_checked(*this, wanted); }

void* Tensor::data_checked(DType wanted) const {
  void* first = elements_checked(*this, wanted);
  impl_->storage->lend();
  return first;
}

namespace {

/// Throws ValueError that starts with op unless x, in whole numbers, is in [low, high].
template <class T>
void check_whole(const char* op, T x, int64_t low, int64_t high) {
  if constexpr (std::is_floating_point_v<T>)
    check<ValueError>(x >= T(-0x1p63) && x < T(0x1p63), "{}: {} is no number that int64 holds; ask for a double", op, x);
  const auto whole = static_cast<int64_t>(x);
  check<ValueError>(whole >= low && whole <= high, "{}: {} is beyond the type that is asked for, which holds {} to {}", op, whole, low,
                    high);
}

}  // namespace

int64_t Tensor::item_whole(int64_t low, int64_t high) const {
  const Scalar value = item_scalar();
  if (is_floating_point(value.dtype())) check_whole("item", value.to<double>(), low, high);
  else check_whole("item", value.to<int64_t>(), low, high);
  return value.to<int64_t>();
}

Scalar Tensor::item_scalar() const {
  const TensorImpl& impl = impl_of("item", *this);
  check<ShapeError>(impl.numel == 1, "item: shape {} has {} elements, not one; index it first", impl.layout.shape, impl.numel);
  return dispatch(impl.dtype, [&]<class T>() { return Scalar(*impl.data<T>()); });
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor dense = detach().contiguous();
  std::vector<T> values;
  reserve("to_vector", values, dense.numel());
  dispatch(dense.dtype(), [&]<class From>() {
    const From* x = elements<From>(dense);
    if constexpr (std::is_same_v<T, int64_t> && std::is_floating_point_v<From>)
      for (int64_t i = 0; i < dense.numel(); ++i)
        check_whole("to_vector", x[i], std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
    for (int64_t i = 0; i < dense.numel(); ++i) values.push_back(static_cast<T>(x[i]));
  });
  return values;
}
template GRADUS_API std::vector<bool> Tensor::to_vector() const;
template GRADUS_API std::vector<int64_t> Tensor::to_vector() const;
template GRADUS_API std::vector<float> Tensor::to_vector() const;
template GRADUS_API std::vector<double> Tensor::to_vector() const;

static thread_local bool grad_enabled = true;

bool is_grad_enabled() noexcept { return grad_enabled; }
GradMode::GradMode(bool enabled) noexcept : before_(std::exchange(grad_enabled, enabled)) {}
GradMode::~GradMode() { grad_enabled = before_; }

bool Tensor::requires_grad() const {
  const TensorImpl& impl = any_impl_of("requires_grad", *this);
  const TensorImpl& decides = impl.is_behind_base() ? *impl.base : impl;
  return decides.grad_fn || decides.sink;
}

const Tensor& Tensor::requires_grad_(bool requires_grad) const {
  TensorImpl& impl = impl_of("requires_grad_", *this);
  follow_base(*this);
  check<AutogradError>(is_leaf(), "requires_grad_: a result of {} always records; use detach() to get a tensor that does not", grad_fn());
  check<DTypeError>(!requires_grad || is_floating_point(impl.dtype),
                    "requires_grad_: only float32 and float64 have gradients, this tensor is {}", name(impl.dtype));
  if (!requires_grad) {
    impl.sink = nullptr;
  } else if (!impl.sink) {
    // A leaf has no history to share with the tensor that it was a view of.
    impl.base = nullptr;
    impl.sink = Ref<GradSink>(new GradSink(impl.layout.shape, impl.dtype));
  }
  return *this;
}

bool Tensor::is_leaf() const {
  const TensorImpl& impl = any_impl_of("is_leaf", *this);
  return impl.is_behind_base() ? !requires_grad() : !impl.grad_fn;
}

Tensor Tensor::grad() const {
  const TensorImpl& impl = any_impl_of("grad", *this);
  return impl.sink ? impl.sink->grad() : Tensor();
}

void Tensor::set_grad(const Tensor& grad) const {
  TensorImpl& impl = any_impl_of("set_grad", *this);
  if (!grad.defined()) {
    if (impl.sink) impl.sink->set(grad);
    return;
  }
  check<AutogradError>(static_cast<bool>(impl.sink),
                       "set_grad: the tensor of shape {} does not collect gradients; call requires_grad_() first", shape());
  check<ShapeError>(grad.shape() == shape(), "set_grad: a gradient of shape {} for a tensor of shape {}", grad.shape(), shape());
  check<DTypeError>(grad.dtype() == dtype(), "set_grad: a gradient of dtype {} for a tensor of dtype {}", name(grad.dtype()),
                    name(dtype()));
  impl.sink->set(grad);
}

std::string Tensor::grad_fn() const {
  if (!defined() || is_leaf()) return "";
  return node_display_name(impl_->is_behind_base() ? "as_strided" : impl_->grad_fn->name);
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  impl_of("backward", *this);
  autograd::backward({*this}, {gradient}, {.retain_graph = retain_graph || create_graph, .create_graph = create_graph});
}

void Tensor::retain_grad() const {
  TensorImpl& impl = impl_of("retain_grad", *this);
  check<AutogradError>(requires_grad(), "retain_grad: the tensor of shape {} does not require a gradient", shape());
  if (is_leaf() || impl.sink) return;
  const Edge edge = gradient_edge(follow_base(*this));
  impl.sink = Ref<GradSink>(new GradSink(impl.layout.shape, impl.dtype));
  Node::Hooks& hooks = edge.node->hooks();
  std::lock_guard lock(hooks.mutex);
  hooks.retained.emplace_back(edge.slot, impl.sink);
}

int64_t Tensor::register_hook(Hook hook) const {
  impl_of("register_hook", *this);
  check<AutogradError>(requires_grad(), "register_hook: the tensor of shape {} does not require a gradient", shape());
  check<ValueError>(static_cast<bool>(hook), "register_hook: the hook is empty");
  static std::atomic<int64_t> next_id{1};
  const Edge edge = gradient_edge(follow_base(*this));
  Node::Hooks& hooks = edge.node->hooks();
  std::lock_guard lock(hooks.mutex);
  const int64_t id = next_id++;
  hooks.entries.push_back({id, edge.slot, std::move(hook)});
  return id;
}

void Tensor::remove_hook(int64_t id) const {
  impl_of("remove_hook", *this);
  const Edge edge = gradient_edge(follow_base(*this));
  Node::Hooks* hooks = edge.node ? edge.node->hooks_if_any() : nullptr;
  size_t removed = 0;
  if (hooks) {
    std::lock_guard lock(hooks->mutex);
    removed = std::erase_if(hooks->entries, [id](const auto& entry) { return entry.id == id; });
  }
  check<ValueError>(removed == 1, "remove_hook: no hook {} on this tensor", id);
}

Tensor Tensor::detach() const {
  any_impl_of("detach", *this);
  return alias_of(*this);
}

}  // namespace gradus
