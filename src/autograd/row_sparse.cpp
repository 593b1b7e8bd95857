#include "autograd/row_sparse.h"

#include <utility>

#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "core/layout.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/shape.h"

namespace gradus {

Tensor row_sparse(const RowSparse& rows, const Shape& shape) {
  // The layout shows one zero as every element, so that nothing lies outside the storage for those who would look.
  Layout layout = contiguous_layout("sparse_coo_tensor", shape);
  for (int64_t d = 0; d < layout.rank(); ++d) layout.strides[d] = 0;
  const Tensor zero = zeros({}, {.dtype = rows.values.dtype()});
  auto* impl = new TensorImpl(zero.impl()->storage, layout, rows.values.dtype());
  Tensor x{Ref<TensorImpl>(impl)};
  impl->contiguous = false;
  impl->rows = std::make_unique<RowSparse>(rows);
  return x;
}

const RowSparse& rows_of(const char* op, const Tensor& x) {
  const TensorImpl& impl = any_impl_of(op, x);
  check<StateError>(static_cast<bool>(impl.rows), "{}: the tensor of shape {} is dense; only gradients of embeddings with sparse have rows",
                    op, impl.layout.shape);
  return *impl.rows;
}

Tensor held_values(const Tensor& x) { return x.is_sparse() ? rows_of("values", x).values : x; }

Tensor gradient_values(const Tensor& parameter) {
  const Tensor grad = parameter.grad();
  if (!grad.defined()) return grad;
  if (grad.is_sparse() && !grad.is_coalesced()) parameter.set_grad(grad.coalesce());
  return held_values(parameter.grad()).detach();
}

void zero_gradient(const Tensor& parameter) {
  NoGradGuard no_grad;
  const Tensor grad = parameter.grad();
  if (!grad.defined()) return;
  if (grad.is_sparse()) {
    const RowSparse& rows = rows_of("zero_grad", grad);
    parameter.set_grad(row_sparse({narrow(rows.indices, 0, 0, 0).clone(), narrow(rows.values, 0, 0, 0).clone(), true}, grad.shape()));
  } else if (grad.requires_grad()) {
    parameter.set_grad(zeros_like(grad.detach()));
  } else {
    grad.zero_();
  }
}

namespace {

/// Whether x is the only handle to its elements.
bool is_exclusive(const Tensor& x) {
  const TensorImpl& impl = *x.impl();
  return impl.references.load(std::memory_order_acquire) == 1 && impl.storage->unshared() && impl.contiguous;
}

}  // namespace

static thread_local constinit bool rows_welcome = false;

bool are_rows_welcome() noexcept { return rows_welcome; }
RowsWelcome::RowsWelcome(bool welcome) noexcept : before_(std::exchange(rows_welcome, welcome)) {}
RowsWelcome::~RowsWelcome() { rows_welcome = before_; }

Tensor own_gradient(const Tensor& dy) {
  if (dy.is_sparse()) {
    const RowSparse& rows = rows_of("backward", dy);
    return row_sparse({rows.indices, is_exclusive(rows.values) ? rows.values : rows.values.detach().clone(), rows.coalesced}, dy.shape());
  }
  if (is_grad_enabled()) return is_exclusive(dy) ? dy : dy.clone();
  return is_exclusive(dy) ? alias_of(dy) : dy.detach().clone();
}

Tensor sum_of_gradients(const Tensor& a, const Tensor& b, bool in_place) {
  if (a.is_sparse() && b.is_sparse()) {
    const RowSparse &x = rows_of("add", a), &y = rows_of("add", b);
    return row_sparse({cat({x.indices, y.indices}), cat({x.values, y.values}), false}, a.shape());
  }
  const Tensor x = a.to_dense(), y = b.to_dense();
  return in_place ? x.add_(y) : x + y;
}

bool Tensor::is_sparse() const { return static_cast<bool>(any_impl_of("is_sparse", *this).rows); }
bool Tensor::is_coalesced() const { return rows_of("is_coalesced", *this).coalesced; }
Tensor Tensor::indices() const { return rows_of("indices", *this).indices.unsqueeze(0); }
Tensor Tensor::values() const { return rows_of("values", *this).values; }

}  // namespace gradus
