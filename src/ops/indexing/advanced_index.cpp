#include "gradus/ops/indexing.h"

#include <algorithm>
#include <variant>

#include "autograd/in_place.h"
#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "gradus/creation.h"
#include "kernels/embedding.h"
#include "kernels/strided.h"
#include "ops/index_check.h"
#include "ops/promote.h"

/// NumPy's indexing, as PyTorch reads it: integers, slices, None and Ellipsis make a view; the tensors among the indices then pick
/// elements of it, all together.
namespace gradus {
namespace {

/// How many dimensions of x an index uses up.
int64_t uses(const Index& index) {
  if (const auto* tensor = std::get_if<Tensor>(&index.value())) return tensor->dtype() == DType::Bool ? tensor->dim() : 1;
  return std::holds_alternative<NoneType>(index.value()) || std::holds_alternative<EllipsisType>(index.value()) ? 0 : 1;
}

/// The places where a mask is true: one int64 vector a dimension of the mask.
std::vector<Tensor> places_where(const Tensor& mask) {
  const std::vector<bool> set = mask.to_vector<bool>();
  std::vector<std::vector<int64_t>> places(static_cast<size_t>(mask.dim()));
  for (size_t i = 0; i < set.size(); ++i) {
    if (!set[i]) continue;
    const Shape place = place_of(static_cast<int64_t>(i), mask.shape());
    for (int64_t d = 0; d < mask.dim(); ++d) places[static_cast<size_t>(d)].push_back(place[d]);
  }
  std::vector<Tensor> tensors;
  for (const auto& p : places) tensors.push_back(from_vector(p, static_cast<int64_t>(p.size())));
  return tensors;
}

/// x after its views, and for each of its dimensions the tensor that indexes it, or an undefined one.
struct Plan {
  Tensor view;
  std::vector<Tensor> tensors;
  bool any() const {
    return std::any_of(tensors.begin(), tensors.end(), [](const Tensor& t) { return t.defined(); });
  }
};

void add_mask(Op op, Plan& plan, int64_t& dim, const Tensor& mask) {
  if (mask.dim() == 0) {
    plan.view = plan.view.unsqueeze(dim);
    plan.tensors.insert(plan.tensors.begin() + dim++,
                        mask.item<bool>() ? zeros(1, {.dtype = DType::Int64}) : zeros(0, {.dtype = DType::Int64}));
    return;
  }
  for (int64_t d = 0; d < mask.dim(); ++d)
    op.check<ShapeError>(mask.shape()[d] == plan.view.shape()[dim + d], "mask of shape {} at dimension {} of shape {}: sizes must be equal",
                         mask.shape(), dim, plan.view.shape());
  for (const Tensor& places : places_where(mask)) plan.tensors[static_cast<size_t>(dim++)] = places;
}

Plan make_plan(Op op, const Tensor& x, const std::vector<Index>& indices) {
  op.takes(x);
  int64_t used = 0, ellipses = 0;
  for (const Index& index : indices) {
    if (const auto* tensor = std::get_if<Tensor>(&index.value())) impl_of(op, *tensor);
    used += uses(index);
    ellipses += std::holds_alternative<EllipsisType>(index.value());
  }
  op.check<IndexError>(ellipses <= 1, "more than one Ellipsis");
  op.check<IndexError>(used <= x.dim(), "{} indices for shape {}, which has {} dimensions", used, x.shape(), x.dim());
  Plan plan{x, std::vector<Tensor>(static_cast<size_t>(x.dim()))};
  int64_t dim = 0;
  for (const Index& index : indices) {
    if (const auto* i = std::get_if<int64_t>(&index.value())) {
      plan.view = plan.view.select(dim, *i);
      plan.tensors.erase(plan.tensors.begin() + dim);
    } else if (const auto* s = std::get_if<Slice>(&index.value())) {
      plan.view = plan.view.slice(dim++, s->start, s->stop, s->step);
    } else if (std::holds_alternative<NoneType>(index.value())) {
      plan.view = plan.view.unsqueeze(dim);
      plan.tensors.insert(plan.tensors.begin() + dim++, Tensor());
    } else if (std::holds_alternative<EllipsisType>(index.value())) {
      dim += x.dim() - used;
    } else {
      const Tensor& t = std::get<Tensor>(index.value());
      if (t.dtype() == DType::Bool) {
        add_mask(op, plan, dim, t);
      } else {
        check_index_dtype(op, t);
        plan.tensors[static_cast<size_t>(dim++)] = t;
      }
    }
  }
  return plan;
}

/// What the tensors of a plan pick: `joint` elements, each of the shape `rest`.
struct Pick {
  Dims dims;                    // the dimensions that tensors index
  std::vector<int64_t> places;  // (dims, joint): where along each of them
  Shape whole, joint, rest;     // the shape picked from, what the index tensors broadcast to, the dimensions that no tensor indexes
  Dims others;                  // where `rest` stands in `whole`
  int64_t at = 0;               // where `joint` stands among `rest` in the result

  /// (joint…, rest…), brought to the order of the result, and back.
  Dims order() const {
    Dims order;
    const int64_t j = joint.size();
    for (int64_t i = 0; i < at; ++i) order.push_back(j + i);
    for (int64_t i = 0; i < j; ++i) order.push_back(i);
    for (int64_t i = at; i < rest.size(); ++i) order.push_back(j + i);
    return order;
  }
  Dims inverse_order() const {
    const Dims forth = order();
    Dims back = forth;
    for (int64_t d = 0; d < forth.size(); ++d) back[forth[d]] = d;
    return back;
  }
  Shape joined() const {
    Shape shape = joint;
    for (int64_t size : rest) shape.push_back(size);
    return shape;
  }
  Shape result() const {
    const Shape from = joined();
    Shape shape;
    for (int64_t d : order()) shape.push_back(from[d]);
    return shape;
  }
};

Pick make_pick(Op op, const Plan& plan) {
  Pick p;
  p.whole = plan.view.shape();
  bool neighbours = true;
  for (int64_t d = 0; d < p.whole.size(); ++d) {
    const Tensor& index = plan.tensors[static_cast<size_t>(d)];
    if (!index.defined()) {
      p.others.push_back(d);
      p.rest.push_back(p.whole[d]);
      continue;
    }
    check_indices(op, index.contiguous(), -p.whole[d], p.whole[d], "elements");
    p.joint = broadcast_shapes(op, p.joint, index.shape());
    if (!p.dims.empty() && p.dims.back() != d - 1) neighbours = false;
    p.dims.push_back(d);
  }
  // As NumPy: index tensors that stand side by side leave their dimensions there, others put them in front.
  p.at = neighbours ? p.dims[0] : 0;
  for (int64_t d : p.dims)
    for (int64_t i : plan.tensors[static_cast<size_t>(d)].expand(p.joint).to_vector<int64_t>())
      p.places.push_back(i < 0 ? i + p.whole[d] : i);
  return p;
}

/// Calls f(element of x, element of rows) for everything picked, in order; rows is dense, (joint…, rest…).
template <class T, class F>
void for_each_picked(const Tensor& x, const Pick& p, T* rows, F f) {
  const Layout& layout = x.impl()->layout;
  Layout in_x = contiguous_layout("index", p.rest);
  const Layout in_rows = in_x;
  for (int64_t d = 0; d < p.rest.size(); ++d) in_x.strides[d] = layout.strides[p.others[d]];
  const kernels::Walk<2> walk({&in_x, &in_rows});
  const auto [dx, dr] = walk.row_strides();
  const int64_t count = p.joint.numel(), size = p.rest.numel(), n = walk.row_length();
  T* const first = elements<T>(x);
  for (int64_t i = 0; i < count; ++i, rows += size) {
    T* element = first;
    for (int64_t k = 0; k < p.dims.size(); ++k) element += p.places[static_cast<size_t>(k * count + i)] * layout.strides[p.dims[k]];
    walk.for_each_row([&, dx = dx, dr = dr](const auto& start) {
      for (int64_t j = 0; j < n; ++j) f(element[start[0] + j * dx], rows[start[1] + j * dr]);
    });
  }
}

/// Whether whole rows of a dense tensor are picked, by indices into its first dimension.
bool picks_rows(const Tensor& x, const Pick& p) { return p.dims.size() == 1 && p.dims[0] == 0 && x.is_contiguous(); }

/// Writes `values`, in the order of the result, to the places of x, or adds them there. Nothing is recorded.
void write_picked(Op op, const Tensor& x, const Pick& p, const Tensor& values, bool accumulate) {
  NoGradGuard no_grad;
  const Tensor rows = values.detach().permute(p.inverse_order()).contiguous();
  op.check<DTypeError>(!accumulate || x.dtype() != DType::Bool, "bool holds no sums; convert with .to(gradus::int64)");
  if (accumulate && is_floating_point(x.dtype()) && picks_rows(x, p)) {
    dispatch_floating(op, x.dtype(), [&]<class T>() {
      const kernels::RowTerms<T> terms{p.joint.numel(), p.places.data(), nullptr, nullptr};
      kernels::sum_rows(terms, elements<T>(rows), p.whole[0], p.rest.numel(), elements<T>(x), kernels::Onto::Old);
    });
    return;
  }
  if (accumulate && x.dtype() == DType::Float32 && p.joint.numel() > kernels::most_terms_in_own_type) {
    const Tensor wide = x.to(DType::Float64);  // many may meet in one place
    write_picked(op, wide, p, values.to(DType::Float64), true);
    x.detach().copy_(wide);
    return;
  }
  dispatch(op, x.dtype(), [&]<class T>() {
    if (!accumulate) return for_each_picked(x, p, elements<T>(rows), [](T& to, T from) { to = from; });
    if constexpr (!std::is_same_v<T, bool>) for_each_picked(x, p, elements<T>(rows), [](T& to, T from) { to += from; });
  });
}

Tensor read_picked(const Tensor& x, const Pick& p);

/// The adjoint of read_picked.
Tensor spread_picked(const Tensor& values, const Pick& p) {
  constexpr Op op("index_put_");
  Tensor y = zeros(p.whole, {.dtype = values.dtype()});
  write_picked(Op("index"), y, p, values, true);
  return op.record(y, wrt(values, [p](const Tensor& dy) { return read_picked(dy, p); }));
}

Tensor read_picked(const Tensor& x, const Pick& p) {
  constexpr Op op("index");
  Tensor y;
  {
    NoGradGuard no_grad;
    const Tensor rows = op.empty(p.joined(), x.dtype());
    dispatch(x.dtype(), [&]<class T>() { for_each_picked(x, p, elements<T>(rows), [](T from, T& to) { to = from; }); });
    y = rows.permute(p.order()).contiguous().detach();
  }
  return op.record(y, wrt(x, [p](const Tensor& dy) { return spread_picked(dy, p); }));
}

/// 1 where a value stays, 0 where a later one takes its place: what a place named more than once lets through of the gradient.
Tensor last_writers(const Pick& p, DType dtype) {
  NoGradGuard no_grad;
  const Tensor number = arange(p.result().numel()).reshape(p.result());
  const Tensor last = zeros(p.whole, {.dtype = DType::Int64});
  write_picked(Op("index_put_"), last, p, number, false);
  return read_picked(last, p).eq(number).to(dtype);
}

/// x with `values` at the picked places, or added there.
Tensor with_picked(const Tensor& x, const Pick& p, const Tensor& values, bool accumulate) {
  constexpr Op op("index_put_");
  Tensor y = x.detach().clone();
  write_picked(op, y, p, values, accumulate);
  return op.record(y,
                   wrt(x,
                       [p, accumulate](const Tensor& dy) -> Tensor {
                         if (accumulate) return dy;
                         return with_picked(dy, p, zeros(p.result(), {.dtype = dy.dtype()}), false);
                       }),
                   wrt(values, [p, accumulate](const Tensor& dy) {
                     const Tensor dv = read_picked(dy, p);
                     return accumulate ? dv : dv * last_writers(p, dv.dtype());
                   }));
}

/// value as it is written into x: broadcast to `shape` (leading dimensions of size 1 may be too many), in x's dtype.
Tensor fitted(const Tensor& x, const Tensor& value, const Shape& shape) {
  constexpr Op op("index_put_");
  op.check<DTypeError>(kind(value.dtype()) <= kind(x.dtype()),
                       "a value of dtype {} does not fit into a tensor of dtype {}; convert one of them with .to()", name(value.dtype()),
                       name(x.dtype()));
  Shape trimmed = value.shape();
  while (trimmed.size() > shape.size() && trimmed[0] == 1) trimmed.erase(0);
  bool fits = trimmed.size() <= shape.size();
  for (int64_t d = 1; fits && d <= trimmed.size(); ++d)
    fits = trimmed[trimmed.size() - d] == 1 || trimmed[trimmed.size() - d] == shape[shape.size() - d];
  op.check<ShapeError>(fits, "a value of shape {} does not broadcast to {}, the shape of what is indexed", value.shape(), shape);
  const Tensor converted = value.to(x.dtype());
  return (trimmed == value.shape() ? converted : converted.reshape(trimmed)).expand(shape);
}

}  // namespace

Tensor index(const Tensor& x, const std::vector<Index>& indices) {
  const Plan plan = make_plan(Op("index"), x, indices);
  return plan.any() ? read_picked(plan.view, make_pick(Op("index"), plan)) : plan.view;
}

Tensor Tensor::index(std::initializer_list<Index> indices) const { return gradus::index(*this, std::vector<Index>(indices)); }
Tensor Tensor::index(const std::vector<Index>& indices) const { return gradus::index(*this, indices); }

const Tensor& Tensor::index_put_(const std::vector<Index>& indices, const Tensor& value, bool accumulate) const {
  constexpr Op op("index_put_");
  op.takes(value);
  const Plan plan = make_plan(op, *this, indices);
  const Tensor& view = plan.view;
  if (!plan.any()) {
    const Tensor values = fitted(view, value, view.shape());
    if (accumulate) view.add_(values);
    else view.copy_(values);
    return *this;
  }
  const Pick p = make_pick(op, plan);
  Tensor values = fitted(view, value, p.result());
  if (in_place_needs_history(op, view, values.requires_grad())) {
    in_place(
        op, view, [&](const Tensor& x) { return with_picked(x, p, values, accumulate); }, values);
    return *this;
  }
  if (values.shares_storage_with(view)) values = values.clone();
  write_picked(op, view, p, values, accumulate);
  view.impl()->storage->bump_version();
  return *this;
}

Tensor index_put(const Tensor& x, const std::vector<Index>& indices, const Tensor& values, bool accumulate) {
  constexpr Op op("index_put");
  op.check<DTypeError>(impl_of(op, values).dtype == impl_of(op, x).dtype, "values are {}, x is {}; convert one of them with .to()",
                       name(values.dtype()), name(x.dtype()));
  const Plan plan = make_plan(op, x, indices);
  if (!plan.any() || plan.view.shape() != x.shape() || plan.view.strides() != x.strides())
    return x.clone().index_put_(indices, values, accumulate);
  const Pick p = make_pick(op, plan);
  return with_picked(x, p, fitted(x, values, p.result()), accumulate);
}

const Tensor& Tensor::index_put_(std::initializer_list<Index> indices, const Tensor& value, bool accumulate) const {
  return index_put_(std::vector<Index>(indices), value, accumulate);
}

const Tensor& Tensor::index_put_(std::initializer_list<Index> indices, Scalar value) const {
  const DType own = impl_of("index_put_", *this).dtype;
  return index_put_(indices, full({}, value, {.dtype = fits_into(value.dtype(), own) ? own : value.dtype()}));
}

}  // namespace gradus
