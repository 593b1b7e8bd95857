#pragma once

#include "core/layout.h"
#include "gradus/dtype.h"

namespace gradus::kernels {

/// Copies the elements that `from` shows of storage `x` to the places that `to` shows of storage `y`, converting as static_cast does
/// (floating to bool: nonzero is true). The layouts have the same shape. x and y are the starts of the storages.
void copy(DType x_dtype, const void* x, const Layout& from, DType y_dtype, void* y, const Layout& to);

/// y[place(window, i)] += x[i], for the elements i of window's shape in row-major order.
void add_strided(const double* x, const Layout& window, double* y);

}  // namespace gradus::kernels
