#pragma once

#include "core/function_ref.h"
#include "gradus/tensor.h"

namespace gradus {
namespace detail {
void in_place(const char* op, const Tensor& x, bool operands_require_grad, FunctionRef<Tensor(const Tensor&)> compute);
}  // namespace detail

/// Carries out an operation in place on x: `compute` gets a tensor with x's value and history, once, and returns the new value, which must
/// have x's shape. The result is written into x, and x takes over its history; other views of the storage follow. `operands` are the
/// tensors besides x that the result depends on: they decide, with x, whether the x that was is copied before it is overwritten. Throws
/// AutogradError on a leaf that requires a gradient, ValueError where elements of x share a place, DTypeError when the result's kind does
/// not fit into x.
template <class... Operands>
void in_place(const char* op, const Tensor& x, FunctionRef<Tensor(const Tensor&)> compute, const Operands&... operands) {
  detail::in_place(op, x, ((operands.defined() && operands.requires_grad()) || ... || false), compute);
}

/// The same for an operation whose result does not depend on what x was.
void overwrite(const char* op, const Tensor& x, const Tensor& value);

/// The checks of in_place for an operation that writes x itself without recording; call `x.impl()->storage->bump_version()` after.
/// Returns true when it must go through in_place because history is involved.
bool in_place_needs_history(const char* op, const Tensor& x, bool value_requires_grad);

}  // namespace gradus
