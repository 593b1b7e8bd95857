#include "gradus/ops/shape.h"

#include <algorithm>
#include <limits>

#include "autograd/record.h"
#include "autograd/strided.h"
#include "core/check.h"
#include "core/layout.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"

namespace gradus {

Tensor permute(const Tensor& x, const Dims& dims) {
  const Layout y = permute("permute", impl_of("permute", x).layout, dims);
  Dims inverse = dims;
  for (int64_t d = 0; d < dims.size(); ++d) inverse[wrap_dim("permute", dims[d], dims.size())] = d;
  return record("permute", view_of(x, y), wrt(x, [inverse](const Tensor& dy) { return permute(dy, inverse); }));
}

namespace {

Dims swapped(const char* op, int64_t rank, int64_t dim0, int64_t dim1) {
  Dims order = Dims::filled(rank, 0);
  for (int64_t d = 0; d < rank; ++d) order[d] = d;
  dim0 = wrap_dim(op, dim0, rank);
  dim1 = wrap_dim(op, dim1, rank);
  if (rank > 0) std::swap(order[dim0], order[dim1]);
  return order;
}

}  // namespace

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  const Layout& layout = impl_of("transpose", x).layout;
  const Layout y = permute("transpose", layout, swapped("transpose", layout.rank(), dim0, dim1));
  return record("transpose", view_of(x, y), wrt(x, [dim0, dim1](const Tensor& dy) { return transpose(dy, dim0, dim1); }));
}

Tensor t(const Tensor& x) {
  const Layout& layout = impl_of("t", x).layout;
  check<ShapeError>(layout.rank() <= 2, "t: shape {} has more than two dimensions; say which with transpose or permute", layout.shape);
  const Layout y = layout.rank() == 2 ? permute("t", layout, {1, 0}) : layout;
  return record("t", view_of(x, y), wrt(x, [](const Tensor& dy) { return t(dy); }));
}

Tensor view(const Tensor& x, const Shape& shape) {
  const Layout& layout = impl_of("view", x).layout;
  Layout y;
  check<ShapeError>(reshape(layout, infer_shape("view", shape, x.numel()), y),
                    "view: shape {} with strides {} cannot be seen as {} without a copy; use reshape", layout.shape, layout.strides, shape);
  const Shape before = layout.shape;
  return record("view", view_of(x, y), wrt(x, [before](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor reshape(const Tensor& x, const Shape& shape) {
  const Layout& layout = impl_of("reshape", x).layout;
  const Shape full = infer_shape("reshape", shape, x.numel());
  Layout y;
  return view(reshape(layout, full, y) ? x : clone(x), full);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  const Layout y = expand("expand", impl_of("expand", x).layout, shape);
  contiguous_layout("expand", y.shape);  // throws where the elements are too many to count
  // The gradient of a stretched dimension is a sum, which the engine makes of any gradient that is larger than x.
  return record("expand", view_of(x, y), wrt(x, [](const Tensor& dy) { return dy; }));
}

Tensor squeeze(const Tensor& x) {
  Layout y = impl_of("squeeze", x).layout;
  for (int64_t d = y.rank() - 1; d >= 0; --d)
    if (y.shape[d] == 1) y = squeeze(y, d);
  return record("squeeze", view_of(x, y), wrt(x, [before = x.shape()](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor squeeze(const Tensor& x, int64_t dim) {
  Layout y = impl_of("squeeze", x).layout;
  dim = wrap_dim("squeeze", dim, y.rank());
  if (y.rank() > 0 && y.shape[dim] == 1) y = squeeze(y, dim);
  return record("squeeze_1", view_of(x, y), wrt(x, [before = x.shape()](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  const Layout& layout = impl_of("unsqueeze", x).layout;
  const Layout y = unsqueeze("unsqueeze", layout, dim);
  return record("unsqueeze", view_of(x, y), wrt(x, [before = layout.shape](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor flatten(const Tensor& x, int64_t start_dim, int64_t end_dim) {
  const Shape& shape = impl_of("flatten", x).layout.shape;
  const int64_t first = wrap_dim("flatten", start_dim, shape.size()), last = wrap_dim("flatten", end_dim, shape.size());
  check<ValueError>(first <= last, "flatten: start_dim {} comes after end_dim {}", start_dim, end_dim);
  Shape flat;
  for (int64_t d = 0; d < shape.size(); ++d) {
    if (d > first && d <= last) flat[flat.size() - 1] *= shape[d];
    else flat.push_back(shape[d]);
  }
  return reshape(x, shape.empty() ? Shape(1) : flat);
}

namespace {

/// A part of x, cut out of its layout by `cut`. Its gradient stands in zeros, at the place that the same cut of a dense layout gives.
template <class Cut>
Tensor part(const char* op, const Tensor& x, Cut cut) {
  const Layout& layout = impl_of(op, x).layout;
  const Layout whole{layout.shape, contiguous_strides(layout.shape), 0};
  const Layout window = cut(whole);
  return record(op, view_of(x, cut(layout)), wrt(x, [whole, window](const Tensor& dy) { return scatter_window(dy, window, whole); }));
}

}  // namespace

Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step) {
  return part("slice", x, [&](const Layout& layout) {
    return slice("slice", layout, dim, start.value_or(0), stop.value_or(std::numeric_limits<int64_t>::max()), step);
  });
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  return part("select", x, [&](const Layout& layout) { return select("select", layout, dim, index); });
}

Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  return part("slice", x, [&](const Layout& layout) { return narrow("narrow", layout, dim, start, length); });
}

namespace {

/// Makes `pieces`, which cover x along dim one after the other, outputs of one operation whose gradient joins theirs.
std::vector<Tensor> record_pieces(const char* op, const Tensor& x, std::vector<Tensor> pieces, int64_t dim) {
  std::vector<Shape> shapes;
  for (const Tensor& piece : pieces) shapes.push_back(piece.shape());
  record_joint(op, pieces, std::span(&x, 1), [shapes, dim, dtype = x.dtype()](std::span<Tensor> dy, std::span<Tensor> dx) {
    std::vector<Tensor> parts;
    for (size_t i = 0; i < shapes.size(); ++i) parts.push_back(dy[i].defined() ? dy[i] : zeros(shapes[i], {.dtype = dtype}));
    dx[0] = cat(parts, dim);
  });
  return pieces;
}

}  // namespace

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int64_t dim) {
  const Layout& layout = impl_of("split", x).layout;
  check<ShapeError>(layout.rank() > 0, "split: a scalar has no dimension to cut");
  dim = wrap_dim("split", dim, layout.rank());
  int64_t total = 0;
  for (int64_t size : sizes) {
    check<ValueError>(size >= 0, "split: size {} is negative", size);
    total += size;
  }
  check<ShapeError>(total == layout.shape[dim] && !sizes.empty(), "split: sizes add up to {}, but dimension {} of shape {} has {}", total,
                    dim, layout.shape, layout.shape[dim]);
  std::vector<Tensor> pieces;
  int64_t start = 0;
  for (int64_t size : sizes) {
    pieces.push_back(view_of(x, narrow("split", layout, dim, start, size)));
    start += size;
  }
  return record_pieces("split", x, std::move(pieces), dim);
}

std::vector<Tensor> split(const Tensor& x, int64_t size, int64_t dim) {
  const Shape& shape = impl_of("split", x).layout.shape;
  check<ValueError>(size > 0, "split: size {} must be positive", size);
  check<ShapeError>(!shape.empty(), "split: a scalar has no dimension to cut");
  const int64_t total = shape[wrap_dim("split", dim, shape.size())];
  std::vector<int64_t> sizes(static_cast<size_t>(std::max<int64_t>((total + size - 1) / size, 1)), size);
  sizes.back() = total - size * (static_cast<int64_t>(sizes.size()) - 1);
  return split(x, sizes, dim);
}

std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  const Shape& shape = impl_of("chunk", x).layout.shape;
  check<ValueError>(chunks > 0, "chunk: {} chunks; ask for at least one", chunks);
  check<ShapeError>(!shape.empty(), "chunk: a scalar has no dimension to cut");
  const int64_t total = shape[wrap_dim("chunk", dim, shape.size())];
  if (total == 0) return split(x, std::vector<int64_t>(static_cast<size_t>(chunks), 0), dim);
  return split(x, (total + chunks - 1) / chunks, dim);
}

std::vector<Tensor> unbind(const Tensor& x, int64_t dim) {
  const Layout& layout = impl_of("unbind", x).layout;
  check<ShapeError>(layout.rank() > 0, "unbind: a scalar has no dimension to take apart");
  dim = wrap_dim("unbind", dim, layout.rank());
  std::vector<Tensor> pieces;
  for (int64_t i = 0; i < layout.shape[dim]; ++i) pieces.push_back(view_of(x, select("unbind", layout, dim, i)));
  if (pieces.empty()) return pieces;
  const Shape shape = pieces[0].shape();
  record_joint("unbind", pieces, std::span(&x, 1), [shape, dim, dtype = x.dtype()](std::span<Tensor> dy, std::span<Tensor> dx) {
    std::vector<Tensor> parts(dy.begin(), dy.end());
    for (Tensor& part : parts)
      if (!part.defined()) part = zeros(shape, {.dtype = dtype});
    dx[0] = stack(parts, dim);
  });
  return pieces;
}

}  // namespace gradus
