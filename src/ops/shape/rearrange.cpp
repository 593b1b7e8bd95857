#include "gradus/ops/shape.h"

#include <algorithm>
#include <numeric>

#include "autograd/op.h"
#include "core/check.h"
#include "core/checked.h"
#include "core/layout.h"
#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "ops/shape/part.h"

namespace gradus {

Tensor movedim(const Tensor& x, const Dims& source, const Dims& destination) {
  constexpr Op op("movedim");
  const int64_t rank = impl_of(op, x).layout.rank();
  op.check<ShapeError>(source.size() == destination.size(), "{} dimensions {} cannot go to {} places {}", source.size(), source,
                       destination.size(), destination);
  const Dims from = wrap_dims(op, source, rank), to = wrap_dims(op, destination, rank);
  Dims order = Dims::filled(rank, -1);
  for (int64_t i = 0; i < from.size(); ++i) order[to[i]] = from[i];
  int64_t next = 0;
  for (int64_t& d : order) {
    if (d >= 0) continue;
    while (std::find(from.begin(), from.end(), next) != from.end()) ++next;
    d = next++;
  }
  return permute(x, order);
}

Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step) {
  constexpr Op op("unfold");
  const Layout& layout = impl_of(op, x).layout;
  dim = wrap_dim(op, dim, layout.rank());
  const int64_t length = layout.rank() == 0 ? 1 : layout.shape[dim];
  op.check<ValueError>(size >= 0 && size <= length, "size {} is not in 0 to {}, the size of dimension {}", size, length, dim);
  op.check<ValueError>(step > 0, "step {} must be positive", step);
  return part(op, x, [=](Op, Layout y) {
    int64_t stride = 1;
    if (y.rank() > 0) {
      stride = y.strides[dim];
      y.shape[dim] = (length - size) / step + 1;
      if (y.shape[dim] > 1) y.strides[dim] *= step;  // otherwise the product may go beyond an integer
    }
    y.shape.push_back(size);
    y.strides.push_back(stride);
    return y;
  });
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  constexpr Op op("diagonal");
  const Layout& layout = impl_of(op, x).layout;
  dim1 = wrap_dim(op, dim1, layout.rank());
  dim2 = wrap_dim(op, dim2, layout.rank());
  op.check<ShapeError>(layout.rank() >= 2 && dim1 != dim2, "needs two different dimensions, got {} and {} of shape {}", dim1, dim2,
                       layout.shape);
  const int64_t rows = layout.shape[dim1], columns = layout.shape[dim2];
  const int64_t length = std::max<int64_t>(offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns), 0);
  return part(op, x, [=](Op, const Layout& from) {
    Layout y{{}, {}, from.offset};
    if (length > 0) y.offset += offset >= 0 ? offset * from.strides[dim2] : -offset * from.strides[dim1];
    for (int64_t d = 0; d < from.rank(); ++d) {
      if (d == dim1 || d == dim2) continue;
      y.shape.push_back(from.shape[d]);
      y.strides.push_back(from.strides[d]);
    }
    y.shape.push_back(length);
    y.strides.push_back(from.strides[dim1] + from.strides[dim2]);
    return y;
  });
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) { return expand(x, shape); }

Tensor unflatten(const Tensor& x, int64_t dim, const Shape& sizes) {
  constexpr Op op("unflatten");
  Shape shape = impl_of(op, x).layout.shape;
  op.check<ShapeError>(!sizes.empty(), "no sizes were given");
  dim = wrap_dim(op, dim, shape.size());
  op.check<ShapeError>(!shape.empty(), "a scalar has no dimension to split");
  const Shape parts = infer_shape(op, sizes, shape[dim]);
  shape.erase(dim);
  for (int64_t i = 0; i < parts.size(); ++i) shape.insert(dim + i, parts[i]);
  return view(x, shape);
}

Tensor repeat(const Tensor& x, const Dims& repeats) {
  constexpr Op op("repeat");
  const Shape& shape = impl_of(op, x).layout.shape;
  op.check<ShapeError>(repeats.size() >= shape.size(), "{} repeats {} are too few for shape {}", repeats.size(), repeats, shape);
  Shape full = Shape::filled(repeats.size() - shape.size(), 1);
  for (int64_t size : shape) full.push_back(size);
  Tensor y = reshape(x, full);
  for (int64_t d = 0; d < repeats.size(); ++d) {
    op.check<ShapeError>(repeats[d] >= 0, "{} holds a negative number", repeats);
    full[d] = checked_product(op, full[d], repeats[d]);
  }
  contiguous_layout(op, full);  // throws where the elements are too many to count
  for (int64_t d = 0; d < repeats.size(); ++d)
    if (repeats[d] == 0) y = narrow(y, d, 0, 0);
  if (full.numel() == 0) return clone(reshape(y, full));
  for (int64_t d = 0; d < repeats.size(); ++d) {
    if (repeats[d] == 1) continue;
    Shape repeated = y.shape();
    const int64_t inner = contiguous_strides(repeated)[d] * repeated[d], outer = y.numel() / inner;
    repeated[d] *= repeats[d];
    y = reshape(expand(reshape(y, {outer, 1, inner}), {outer, repeats[d], inner}), repeated);
  }
  return y.impl()->storage->data() == x.impl()->storage->data() ? clone(y) : y;
}

Tensor tile(const Tensor& x, const Dims& repeats) {
  constexpr Op op("tile");
  Dims all = repeats;
  while (all.size() < impl_of(op, x).layout.rank()) all.insert(0, 1);
  return repeat(x, all);
}

Tensor flip(const Tensor& x, const Dims& dims) {
  constexpr Op op("flip");
  const Shape& shape = impl_of(op, x).layout.shape;
  const Dims order = wrap_dims(op, dims, shape.size());
  Tensor y;
  {
    NoGradGuard no_grad;
    y = clone(x);
    if (!shape.empty())
      for (int64_t d : order) y = index_select(y, d, arange(shape[d] - 1, -1, -1));
  }
  return op.record(y, wrt(x, [dims](const Tensor& dy) { return flip(dy, dims); }));
}

namespace {

Tensor rolled(const Tensor& x, int64_t shift, int64_t dim) {
  const int64_t size = x.size(dim);
  if (size == 0) return x;
  const int64_t by = ((shift % size) + size) % size;
  return by == 0 ? x : cat({narrow(x, dim, size - by, by), narrow(x, dim, 0, size - by)}, dim);
}

}  // namespace

Tensor roll(const Tensor& x, const Dims& shifts, const Dims& dims) {
  constexpr Op op("roll");
  const Shape& shape = impl_of(op, x).layout.shape;
  op.check<ShapeError>(!shifts.empty() && (dims.empty() ? shifts.size() == 1 : shifts.size() == dims.size()),
                       "shifts {} and dims {} must have one entry each, or shifts one and dims none", shifts, dims);
  if (dims.empty()) return reshape(roll(reshape(x, -1), shifts, 0), shape);
  Dims back = shifts;
  for (int64_t i = 0; i < dims.size(); ++i) {
    const int64_t size = shape[wrap_dim(op, dims[i], shape.size())];
    back[i] = size == 0 ? 0 : -(shifts[i] % size);  // the smallest integer has no opposite
  }
  Tensor y;
  {
    NoGradGuard no_grad;
    y = clone(x);
    for (int64_t i = 0; i < dims.size(); ++i) y = rolled(y, shifts[i], wrap_dim(op, dims[i], shape.size()));
  }
  return op.record(y, wrt(x, [back, dims](const Tensor& dy) { return roll(dy, back, dims); }));
}

namespace {

/// True outside the part that tril (below) or triu keeps: (rows, columns)
Tensor outside_triangle(Op op, const Tensor& x, int64_t diagonal, bool below) {
  op.check<ShapeError>(impl_of(op, x).layout.rank() >= 2, "shape {} has no matrices; it needs two dimensions", x.shape());
  const Tensor distance = arange(x.size(-1)) - unsqueeze(arange(x.size(-2)), 1);
  return below ? distance.gt(diagonal) : distance.lt(diagonal);
}

Tensor triangle(Op op, const Tensor& x, int64_t diagonal, bool below) {
  const Tensor outside = outside_triangle(op, x, diagonal, below);
  Tensor y;
  {
    NoGradGuard no_grad;
    y = x.masked_fill(outside, x.dtype() == DType::Bool ? Scalar(false) : Scalar(0));
  }
  return op.record(y, wrt(x, [outside](const Tensor& dy) { return dy.masked_fill(outside, 0); }));
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal) { return triangle(Op("tril"), x, diagonal, true); }
Tensor triu(const Tensor& x, int64_t diagonal) { return triangle(Op("triu"), x, diagonal, false); }

Tensor diag(const Tensor& x, int64_t offset) {
  constexpr Op op("diag");
  const int64_t rank = impl_of(op, x).layout.rank();
  op.check<ShapeError>(rank == 1 || rank == 2, "shape {} is neither a vector nor a matrix", x.shape());
  if (rank == 2) return clone(diagonal(x, offset));
  const int64_t distance = offset < 0 ? -(offset + 1) : offset;  // of a negative one 1 less: that fits
  const int64_t n = checked_sum(op, checked_sum(op, x.size(0), distance), offset < 0 ? 1 : 0);
  const Tensor matrix = zeros({n, n}, {.dtype = x.dtype()});  // refuses what is too large
  const Tensor places = arange(x.size(0)), rows = offset < 0 ? places - offset : places;
  const Tensor columns = offset > 0 ? places + offset : places;
  return reshape(index_add(reshape(matrix, {n * n}), 0, rows * n + columns, x), {n, n});
}

Tensor trace(const Tensor& x) {
  constexpr Op op("trace");
  op.check<ShapeError>(impl_of(op, x).layout.rank() == 2, "shape {} is not a matrix", x.shape());
  return diagonal(x).sum();
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& xs, std::string_view indexing) {
  constexpr Op op("meshgrid");
  op.check<ValueError>(!xs.empty(), "no tensors were given");
  op.check<ValueError>(indexing == "ij" || indexing == "xy", "indexing is \"{}\"; it must be \"ij\" or \"xy\"", indexing);
  std::vector<Tensor> vectors = xs;
  const bool exchange = indexing == "xy" && xs.size() > 1;
  if (exchange) std::swap(vectors[0], vectors[1]);
  Shape grid;
  for (const Tensor& x : vectors) {
    op.check<ShapeError>(impl_of(op, x).layout.rank() <= 1, "shape {} is not a vector", x.shape());
    grid.push_back(x.numel());
  }
  std::vector<Tensor> ys;
  for (size_t i = 0; i < vectors.size(); ++i) {
    Shape column = Shape::filled(grid.size(), 1);
    column[static_cast<int64_t>(i)] = vectors[i].numel();
    ys.push_back(expand(reshape(vectors[i], column), grid));
  }
  if (exchange) std::swap(ys[0], ys[1]);
  return ys;
}

}  // namespace gradus
