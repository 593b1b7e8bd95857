#include "gradus/ops/shape.h"

#include <algorithm>
#include <limits>

#include "autograd/op.h"
#include "core/check.h"
#include "core/layout.h"
#include "gradus/creation.h"
#include "ops/shape/part.h"

namespace gradus {

Tensor permute(const Tensor& x, const Dims& dims) {
  constexpr Op op("permute");
  const Layout y = permute(op, impl_of(op, x).layout, dims);
  Dims inverse = dims;
  for (int64_t d = 0; d < dims.size(); ++d) inverse[wrap_dim(op, dims[d], dims.size())] = d;
  return op.record(view_of(x, y), wrt(x, [inverse](const Tensor& dy) { return permute(dy, inverse); }));
}

namespace {

Dims swapped(Op op, int64_t rank, int64_t dim0, int64_t dim1) {
  Dims order = Dims::filled(rank, 0);
  for (int64_t d = 0; d < rank; ++d) order[d] = d;
  dim0 = wrap_dim(op, dim0, rank);
  dim1 = wrap_dim(op, dim1, rank);
  if (rank > 0) std::swap(order[dim0], order[dim1]);
  return order;
}

}  // namespace

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  constexpr Op op("transpose");
  const Layout& layout = impl_of(op, x).layout;
  const Layout y = permute(op, layout, swapped(op, layout.rank(), dim0, dim1));
  return op.record(view_of(x, y), wrt(x, [dim0, dim1](const Tensor& dy) { return transpose(dy, dim0, dim1); }));
}

Tensor t(const Tensor& x) {
  constexpr Op op("t");
  const Layout& layout = impl_of(op, x).layout;
  op.check<ShapeError>(layout.rank() <= 2, "shape {} has more than two dimensions; say which with transpose or permute", layout.shape);
  const Layout y = layout.rank() == 2 ? permute(op, layout, {1, 0}) : layout;
  return op.record(view_of(x, y), wrt(x, [](const Tensor& dy) { return t(dy); }));
}

Tensor view(const Tensor& x, const Shape& shape) {
  constexpr Op op("view");
  const Layout& layout = impl_of(op, x).layout;
  Layout y;
  op.check<ShapeError>(reshape(layout, infer_shape(op, shape, x.numel()), y),
                       "shape {} with strides {} cannot be seen as {} without a copy; use reshape", layout.shape, layout.strides, shape);
  const Shape before = layout.shape;
  return op.record(view_of(x, y), wrt(x, [before](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor reshape(const Tensor& x, const Shape& shape) {
  constexpr Op op("reshape");
  const Layout& layout = impl_of(op, x).layout;
  const Shape full = infer_shape(op, shape, x.numel());
  Layout y;
  return view(reshape(layout, full, y) ? x : clone(x), full);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  constexpr Op op("expand");
  const Layout y = expand(op, impl_of(op, x).layout, shape);
  contiguous_layout(op, y.shape);  // throws where the elements are too many to count
  // The gradient of a stretched dimension is a sum, which the engine makes of any gradient that is larger than x.
  return op.record(view_of(x, y), wrt(x, [](const Tensor& dy) { return dy; }));
}

Tensor squeeze(const Tensor& x) {
  constexpr Op op("squeeze");
  Layout y = impl_of(op, x).layout;
  for (int64_t d = y.rank() - 1; d >= 0; --d)
    if (y.shape[d] == 1) y = squeeze(y, d);
  return op.record(view_of(x, y), wrt(x, [before = x.shape()](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor squeeze(const Tensor& x, int64_t dim) {
  constexpr Op op("squeeze", "squeeze_1");
  Layout y = impl_of(op, x).layout;
  dim = wrap_dim(op, dim, y.rank());
  if (y.rank() > 0 && y.shape[dim] == 1) y = squeeze(y, dim);
  return op.record(view_of(x, y), wrt(x, [before = x.shape()](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  constexpr Op op("unsqueeze");
  const Layout& layout = impl_of(op, x).layout;
  const Layout y = unsqueeze(op, layout, dim);
  return op.record(view_of(x, y), wrt(x, [before = layout.shape](const Tensor& dy) { return reshape(dy, before); }));
}

Tensor flatten(const Tensor& x, int64_t start_dim, int64_t end_dim) {
  constexpr Op op("flatten");
  const Shape& shape = impl_of(op, x).layout.shape;
  const int64_t first = wrap_dim(op, start_dim, shape.size()), last = wrap_dim(op, end_dim, shape.size());
  op.check<ValueError>(first <= last, "start_dim {} comes after end_dim {}", start_dim, end_dim);
  Shape flat;
  for (int64_t d = 0; d < shape.size(); ++d) {
    if (d > first && d <= last) flat[flat.size() - 1] *= shape[d];
    else flat.push_back(shape[d]);
  }
  return reshape(x, shape.empty() ? Shape(1) : flat);
}

Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step) {
  return part(Op("slice"), x, [&](Op op, const Layout& layout) {
    return slice(op, layout, dim, start.value_or(0), stop.value_or(std::numeric_limits<int64_t>::max()), step);
  });
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  return part(Op("select"), x, [&](Op op, const Layout& layout) { return select(op, layout, dim, index); });
}

Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  return part(Op("narrow", "slice"), x, [&](Op op, const Layout& layout) { return narrow(op, layout, dim, start, length); });
}

namespace {

/// Every piece is a tensor of its own; more than these are a mistake, made with a dimension that was expanded, and would fill all memory.
void check_count(Op op, int64_t pieces, const Shape& shape, int64_t dim) {
  constexpr int64_t most = int64_t{1} << 24;
  op.check<ValueError>(pieces <= most, "dimension {} of shape {} gives {} tensors, more than {}", dim, shape, pieces, most);
}

/// size / by, rounded up.
int64_t quotient_up(int64_t size, int64_t by) { return size == 0 ? 0 : (size - 1) / by + 1; }

/// Makes `pieces`, which cover x along dim one after the other, outputs of one operation whose gradient joins theirs.
std::vector<Tensor> record_pieces(Op op, const Tensor& x, std::vector<Tensor> pieces, int64_t dim) {
  std::vector<Shape> shapes;
  for (const Tensor& piece : pieces) shapes.push_back(piece.shape());
  op.record_joint(pieces, std::span(&x, 1), [shapes, dim, dtype = x.dtype()](std::span<Tensor> dy, std::span<Tensor> dx) {
    std::vector<Tensor> parts;
    for (size_t i = 0; i < shapes.size(); ++i) parts.push_back(dy[i].defined() ? dy[i] : zeros(shapes[i], {.dtype = dtype}));
    dx[0] = cat(parts, dim);
  });
  return pieces;
}

}  // namespace

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int64_t dim) {
  constexpr Op op("split");
  const Layout& layout = impl_of(op, x).layout;
  op.check<ShapeError>(layout.rank() > 0, "a scalar has no dimension to cut");
  dim = wrap_dim(op, dim, layout.rank());
  int64_t total = 0;
  for (int64_t size : sizes) {
    op.check<ValueError>(size >= 0, "size {} is negative", size);
    op.check<ShapeError>(size <= std::numeric_limits<int64_t>::max() - total, "sizes add up to more than {}, the size of dimension {}",
                         layout.shape[dim], dim);
    total += size;
  }
  op.check<ShapeError>(total == layout.shape[dim] && !sizes.empty(), "sizes add up to {}, but dimension {} of shape {} has {}", total, dim,
                       layout.shape, layout.shape[dim]);
  std::vector<Tensor> pieces;
  int64_t start = 0;
  for (int64_t size : sizes) {
    pieces.push_back(view_of(x, narrow(op, layout, dim, start, size)));
    start += size;
  }
  return record_pieces(op, x, std::move(pieces), dim);
}

std::vector<Tensor> split(const Tensor& x, int64_t size, int64_t dim) {
  constexpr Op op("split");
  const Shape& shape = impl_of(op, x).layout.shape;
  op.check<ValueError>(size > 0, "size {} must be positive", size);
  op.check<ShapeError>(!shape.empty(), "a scalar has no dimension to cut");
  const int64_t total = shape[wrap_dim(op, dim, shape.size())], count = std::max<int64_t>(quotient_up(total, size), 1);
  check_count(op, count, shape, dim);
  std::vector<int64_t> sizes(static_cast<size_t>(count), size);
  sizes.back() = total - size * (count - 1);
  return split(x, sizes, dim);
}

std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  constexpr Op op("chunk");
  const Shape& shape = impl_of(op, x).layout.shape;
  op.check<ValueError>(chunks > 0, "{} chunks; ask for at least one", chunks);
  op.check<ShapeError>(!shape.empty(), "a scalar has no dimension to cut");
  const int64_t total = shape[wrap_dim(op, dim, shape.size())];
  check_count(op, std::min(chunks, total == 0 ? chunks : total), shape, dim);
  if (total == 0) return split(x, std::vector<int64_t>(static_cast<size_t>(chunks), 0), dim);
  return split(x, quotient_up(total, chunks), dim);
}

std::vector<Tensor> unbind(const Tensor& x, int64_t dim) {
  constexpr Op op("unbind");
  const Layout& layout = impl_of(op, x).layout;
  op.check<ShapeError>(layout.rank() > 0, "a scalar has no dimension to take apart");
  dim = wrap_dim(op, dim, layout.rank());
  check_count(op, layout.shape[dim], layout.shape, dim);
  std::vector<Tensor> pieces;
  for (int64_t i = 0; i < layout.shape[dim]; ++i) pieces.push_back(view_of(x, select(op, layout, dim, i)));
  if (pieces.empty()) return pieces;
  const Shape shape = pieces[0].shape();
  op.record_joint(pieces, std::span(&x, 1), [shape, dim, dtype = x.dtype()](std::span<Tensor> dy, std::span<Tensor> dx) {
    std::vector<Tensor> parts(dy.begin(), dy.end());
    for (Tensor& part : parts)
      if (!part.defined()) part = zeros(shape, {.dtype = dtype});
    dx[0] = stack(parts, dim);
  });
  return pieces;
}

}  // namespace gradus
