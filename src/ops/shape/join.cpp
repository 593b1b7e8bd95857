#include "gradus/ops/shape.h"

#include <algorithm>
#include <utility>

#include "autograd/op.h"
#include "core/check.h"
#include "core/checked.h"
#include "core/layout.h"
#include "ops/promote.h"

namespace gradus {

namespace {

/// PyTorch lets an empty vector stand in any list that is joined.
bool stands_aside(const Tensor& x) { return x.dim() == 1 && x.numel() == 0; }

}  // namespace

Tensor cat(const std::vector<Tensor>& xs, int64_t dim) {
  constexpr Op op("cat");
  op.check<ValueError>(!xs.empty(), "no tensors to join");
  const Tensor* model = nullptr;
  DType dtype = impl_of(op, xs[0]).dtype;
  for (const Tensor& x : xs) {
    dtype = std::max(dtype, impl_of(op, x).dtype);
    if (!model && !stands_aside(x)) model = &x;
  }
  if (!model) model = &xs[0];
  op.check<ShapeError>(model->dim() > 0, "scalars have no dimension to join along; use stack");
  dim = wrap_dim(op, dim, model->dim());

  Shape shape = model->shape();
  shape[dim] = 0;
  std::vector<int64_t> sizes;
  for (const Tensor& x : xs) {
    sizes.push_back(stands_aside(x) ? 0 : x.shape().size() > dim ? x.shape()[dim] : 0);
    if (stands_aside(x)) continue;
    Shape expected = model->shape();
    if (x.dim() == expected.size()) expected[dim] = x.shape()[dim];
    op.check<ShapeError>(x.shape() == expected, "shapes {} and {} differ outside dimension {}", model->shape(), x.shape(), dim);
    shape[dim] = checked_sum(op, shape[dim], x.shape()[dim]);
  }

  Tensor y = op.empty(shape, dtype);
  int64_t start = 0;
  for (size_t i = 0; i < xs.size(); ++i) {
    if (sizes[i] > 0) copy_elements(xs[i], view_of(y, narrow(op, y.impl()->layout, dim, start, sizes[i])));
    start += sizes[i];
  }
  op.record_joint(std::span(&y, 1), xs, [&] {
    std::vector<Shape> shapes;
    for (const Tensor& x : xs) shapes.push_back(x.shape());
    return [sizes, dim, shapes = std::move(shapes)](std::span<Tensor> dy, InputGradients dx) {
      int64_t place = 0;
      for (size_t i = 0; i < sizes.size(); ++i) {
        if (dx.needs(i)) dx[i] = reshape(narrow(dy[0], dim, place, sizes[i]), shapes[i]);
        place += sizes[i];
      }
    };
  });
  return y;
}

Tensor stack(const std::vector<Tensor>& xs, int64_t dim) {
  constexpr Op op("stack");
  op.check<ValueError>(!xs.empty(), "no tensors to join");
  const Shape& shape = impl_of(op, xs[0]).layout.shape;
  DType dtype = xs[0].dtype();
  for (const Tensor& x : xs) {
    dtype = std::max(dtype, impl_of(op, x).dtype);
    op.check<ShapeError>(x.shape() == shape, "shapes {} and {} differ; all must be equal", shape, x.shape());
  }
  dim = wrap_dim(op, dim, shape.size() + 1);
  Shape joined = shape;
  joined.insert(dim, static_cast<int64_t>(xs.size()));
  Tensor y = op.empty(joined, dtype);
  for (size_t i = 0; i < xs.size(); ++i) copy_elements(xs[i], view_of(y, select(op, y.impl()->layout, dim, static_cast<int64_t>(i))));
  op.record_joint(std::span(&y, 1), xs, [dim](std::span<Tensor> dy, InputGradients dx) {
    for (size_t i = 0; i < dx.size(); ++i)
      if (dx.needs(i)) dx[i] = select(dy[0], dim, static_cast<int64_t>(i));
  });
  return y;
}

namespace {

/// Each of `xs` with at least `rank` dimensions, missing ones put in front.
std::vector<Tensor> at_least(int64_t rank, const std::vector<Tensor>& xs) {
  std::vector<Tensor> result;
  for (const Tensor& x : xs) {
    result.push_back(x);
    while (result.back().dim() < rank) result.back() = unsqueeze(result.back(), 0);
  }
  return result;
}

}  // namespace

Tensor hstack(const std::vector<Tensor>& xs) {
  constexpr Op op("hstack");
  op.check<ValueError>(!xs.empty(), "no tensors to join");
  const std::vector<Tensor> parts = at_least(1, xs);
  return cat(parts, parts[0].dim() == 1 ? 0 : 1);
}

Tensor vstack(const std::vector<Tensor>& xs) {
  constexpr Op op("vstack");
  op.check<ValueError>(!xs.empty(), "no tensors to join");
  return cat(at_least(2, xs), 0);
}

}  // namespace gradus
