#pragma once

#include "gradus/shape.h"

namespace gradus {

/// Where a tensor's elements lie in its storage: element (i, j, …) at `offset + i * strides[0] + j * strides[1] + …`.
/// A value: views are made by changing it. Every function throws an error that starts with `op`.
struct Layout {
  Shape shape;
  Strides strides;
  int64_t offset = 0;

  int64_t rank() const noexcept { return shape.size(); }
  /// True when the elements lie in row-major order without gaps.
  bool is_contiguous() const noexcept;
};

/// Whether two elements of x have one place in the storage. Exact: strides that interleave without meeting do not overlap.
bool overlaps(const Layout& x);

/// Whether an element of x and one of y have one place in the storage in which both lie. Exact too.
bool meet(const Layout& x, const Layout& y);

/// The row-major strides of `shape`.
Strides contiguous_strides(const Shape& shape) noexcept;

/// The row-major layout of `shape`, from offset 0. Throws ShapeError on a negative size or more elements than an int64 counts.
Layout contiguous_layout(const char* op, const Shape& shape);

/// `dim` counted from the front; throws IndexError outside [-rank, rank). A scalar counts as rank 1.
int64_t wrap_dim(const char* op, int64_t dim, int64_t rank);

/// Every dim wrapped; throws ValueError when one is named twice.
Dims wrap_dims(const char* op, const Dims& dims, int64_t rank);

Layout permute(const char* op, const Layout& x, const Dims& dims);
/// Stretches dimensions of size 1 to `shape` with stride 0; -1 keeps a size.
Layout expand(const char* op, const Layout& x, const Shape& shape);
/// Elements [start, start + length) of `dim`.
Layout narrow(const char* op, const Layout& x, int64_t dim, int64_t start, int64_t length);
/// Elements start, start + step, … below `stop` of `dim`; negative bounds count from the end, all are clamped.
Layout slice(const char* op, const Layout& x, int64_t dim, int64_t start, int64_t stop, int64_t step);
/// Element `index` of `dim`, which goes.
Layout select(const char* op, const Layout& x, int64_t dim, int64_t index);
Layout squeeze(const Layout& x, int64_t dim);
Layout unsqueeze(const char* op, const Layout& x, int64_t dim);

/// `shape` with its -1, if any, worked out so that it has `numel` elements.
Shape infer_shape(const char* op, const Shape& shape, int64_t numel);
/// Sets `out` to the layout that shows the elements of x in row-major order as `shape`; false where that needs a copy.
bool reshape(const Layout& x, const Shape& shape, Layout& out) noexcept;

/// NumPy's broadcasting: sizes aligned at the end, equal or 1. Throws ShapeError that names op, shapes and sizes.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

}  // namespace gradus
