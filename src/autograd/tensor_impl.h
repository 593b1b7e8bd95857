#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "autograd/node.h"
#include "autograd/row_sparse.h"
#include "core/allocator.h"
#include "core/layout.h"
#include "gradus/tensor.h"

namespace gradus {

/// What a Tensor is a handle to: a layout on a storage, and its place in the graph.
struct TensorImpl : SmallObject {
  Ref<Storage> storage;
  Layout layout;
  DType dtype;
  bool contiguous;
  bool is_parameter = false;  // a module registered it as one
  bool is_optimized = false;  // an optimizer got it
  int64_t numel;

  /// The operation that made this tensor and which of its outputs it is; none for a leaf.
  Ref<Node> grad_fn;
  uint32_t slot = 0;
  /// Where gradients of this tensor collect: a leaf that requires them, or one that retains them.
  Ref<GradSink> sink;

  /// The tensor that this one is a view of, and how often that one's history had been rewritten when `grad_fn` was set.
  Ref<TensorImpl> base;
  uint32_t base_history = 0;
  /// Counts in-place operations that gave this tensor a new history; views of it follow.
  uint32_t history = 0;

  /// What a row-sparse gradient has in place of elements.
  std::unique_ptr<RowSparse> rows;

  /// Handles in the lower half, and in the upper what operations keep for backward (Saved).
  std::atomic<int64_t> references{0};

  TensorImpl(Ref<Storage> s, const Layout& l, DType d);
  /// New elements in the shape of x, which is contiguous and has some.
  TensorImpl(Ref<Storage> s, const TensorImpl& x, DType d);
  ~TensorImpl();

  /// True for a view whose base got a new history since: `grad_fn` is one that the view had, until follow_base brings it up to date.
  bool is_behind_base() const noexcept;

  template <class T>
  T* data() const noexcept {
    return static_cast<T*>(storage->data()) + layout.offset;
  }
};

/// What one Saved adds to the references of a tensor.
inline constexpr int64_t kSavedReference = int64_t{1} << 32U;

/// The impl of x, whose elements op is going to use; throws StateError, naming op, when x is undefined or row-sparse.
TensorImpl& impl_of(const char* op, const Tensor& x);
/// The same for what does not touch elements: x may be row-sparse.
TensorImpl& any_impl_of(const char* op, const Tensor& x);

/// data() for gradus itself, which counts what it writes: the elements stay unlent. Throws as data() does.
void* elements_checked(const Tensor& x, DType dtype);
template <class T>
T* elements(const Tensor& x) {
  return static_cast<T*>(elements_checked(x, dtype_of<T>));
}

/// A new contiguous tensor, elements not initialised.
Tensor new_tensor(const char* op, const Shape& shape, DType dtype);
/// The same in the shape of x, which has been worked out already.
Tensor new_tensor_like(const char* op, const Tensor& x, DType dtype);

/// The elements of x under another layout, as a view that follows changes to x's history.
Tensor view_of(const Tensor& x, const Layout& layout);

/// Writes the elements of `from`, broadcast and converted, into `to`. Nothing is recorded and no version is counted.
void copy_elements(const Tensor& from, const Tensor& to);

/// The same elements outside the graph: no view relation, no history.
Tensor alias_of(const Tensor& x);

}  // namespace gradus
