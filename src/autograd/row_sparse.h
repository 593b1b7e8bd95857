#pragma once

#include "gradus/tensor.h"

/// Row-sparse gradients: what embedding leaves where only some rows were looked up. Only leaves, hooks, optimizers and clipping meet them;
/// all else takes dense tensors, and `impl_of` refuses these for it.
namespace gradus {

/// What a row-sparse tensor (V, ...) holds in place of elements: row indices[i] is values[i], the sum of those where an index is there more
/// than once, and 0 where it is not there.
struct RowSparse {
  Tensor indices;  // (N) int64
  Tensor values;   // (N, ...)
  bool coalesced;  // the indices ascend, so that none is there twice
};

/// A row-sparse tensor of the given shape, without checks.
Tensor row_sparse(const RowSparse& rows, const Shape& shape);

/// The rows of x. Throws StateError, naming op, when x is dense.
const RowSparse& rows_of(const char* op, const Tensor& x);

/// What x holds: its elements, or the values of its rows.
Tensor held_values(const Tensor& x);

/// The gradient that parameter collects, coalesced in place, as what it holds: numbers, each of which counts once, or an undefined tensor.
Tensor gradient_values(const Tensor& parameter);

/// Sets the gradient that parameter collects to 0: a row-sparse one loses its rows.
void zero_gradient(const Tensor& parameter);

/// dy for a leaf to keep and add to: itself where nobody else holds what it holds, a copy otherwise.
Tensor own_gradient(const Tensor& dy);

/// Whether the node that is pulled on this thread may give a row-sparse gradient that was not asked for.
bool are_rows_welcome() noexcept;
/// While it lives they are, or are not.
class RowsWelcome {
 public:
  explicit RowsWelcome(bool welcome) noexcept;
  ~RowsWelcome();
  RowsWelcome(const RowsWelcome&) = delete;
  RowsWelcome& operator=(const RowsWelcome&) = delete;

 private:
  bool before_;
};

/// a + b for gradients, the one place where the kinds meet: rows are appended to rows, and a dense tensor makes the sum dense. With
/// `in_place` a, if dense, takes b up itself.
Tensor sum_of_gradients(const Tensor& a, const Tensor& b, bool in_place);

}  // namespace gradus
