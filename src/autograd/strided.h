#pragma once

#include "core/layout.h"
#include "gradus/tensor.h"

namespace gradus {

/// Writes the elements of `from`, broadcast and converted, into `to`. Nothing is recorded and no version is counted.
void copy_elements(const Tensor& from, const Tensor& to);

/// The elements that `window` shows of a storage in which `whole` holds x. x has whole's shape, the result window's.
Tensor gather_window(const Tensor& x, const Layout& whole, const Layout& window);

/// The adjoint of gather_window: adds y, which has window's shape, into zeros of whole's shape.
Tensor scatter_window(const Tensor& y, const Layout& window, const Layout& whole);

}  // namespace gradus
