#pragma once

#include <cstdint>

#include "gradus/tensor.h"

/// Gradients of tables, of which a batch looks up a few rows: dense for the user, but for the most part 0.
namespace gradus::distributed {

/// How many rows of a dense x (V, ...) have an element that is not 0, -0 among those.
int64_t count_nonzero_rows(const Tensor& x);

/// Those rows, as a row-sparse tensor of x's shape.
Tensor nonzero_rows(const Tensor& x);

/// Row indices[i] of a dense, contiguous x becomes values[i].
void put_rows(const Tensor& x, const Tensor& rows);

}  // namespace gradus::distributed
