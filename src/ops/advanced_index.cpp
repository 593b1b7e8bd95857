#include <algorithm>
#include <variant>

#include "autograd/record.h"
#include "core/check.h"
#include "core/layout.h"
#include "gradus/ops.h"
#include "ops/index_check.h"

/// NumPy's indexing. Integers, slices, None and Ellipsis are views; the tensors among the indices are then carried out together: they
/// become one int64 tensor of places in a flattened view, and the rest is index_select.
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

void add_mask(Plan& plan, int64_t& dim, const Tensor& mask) {
  if (mask.dim() == 0) {
    plan.view = unsqueeze(plan.view, dim);
    plan.tensors.insert(plan.tensors.begin() + dim++, mask.item<bool>() ? zeros(1, {.dtype = DType::Int64}) : zeros(0, {.dtype = DType::Int64}));
    return;
  }
  for (int64_t d = 0; d < mask.dim(); ++d)
    check<ShapeError>(mask.shape()[d] == plan.view.shape()[dim + d], "index: mask of shape {} at dimension {} of shape {}: sizes must be equal",
                      mask.shape(), dim, plan.view.shape());
  for (const Tensor& places : places_where(mask)) plan.tensors[static_cast<size_t>(dim++)] = places;
}

Plan make_plan(const Tensor& x, const std::vector<Index>& indices) {
  impl_of("index", x);
  int64_t used = 0, ellipses = 0;
  for (const Index& index : indices) {
    used += uses(index);
    ellipses += std::holds_alternative<EllipsisType>(index.value());
  }
  check<IndexError>(ellipses <= 1, "index: more than one Ellipsis");
  check<IndexError>(used <= x.dim(), "index: {} indices for shape {}, which has {} dimensions", used, x.shape(), x.dim());
  Plan plan{x, std::vector<Tensor>(static_cast<size_t>(x.dim()))};
  int64_t dim = 0;
  for (const Index& index : indices) {
    if (const auto* i = std::get_if<int64_t>(&index.value())) {
      plan.view = select(plan.view, dim, *i);
      plan.tensors.erase(plan.tensors.begin() + dim);
    } else if (const auto* s = std::get_if<Slice>(&index.value())) {
      plan.view = slice(plan.view, dim++, s->start, s->stop, s->step);
    } else if (std::holds_alternative<NoneType>(index.value())) {
      plan.view = unsqueeze(plan.view, dim);
      plan.tensors.insert(plan.tensors.begin() + dim++, Tensor());
    } else if (std::holds_alternative<EllipsisType>(index.value())) {
      dim += x.dim() - used;
    } else {
      const Tensor& t = std::get<Tensor>(index.value());
      impl_of("index", t);
      if (t.dtype() == DType::Bool) {
        add_mask(plan, dim, t);
      } else {
        check_index_dtype("index", t);
        plan.tensors[static_cast<size_t>(dim++)] = t;
      }
    }
  }
  return plan;
}

/// The indexed dimensions brought together and flattened: y = reshape(index_select(base, 0, places), …).
struct Flat {
  Dims order;        // indexed dimensions first, then the others
  Tensor places;     // (P) in the flattened indexed dimensions
  Shape joint;       // the broadcast shape of the index tensors
  Shape rest;        // the other dimensions
  int64_t at = 0;    // where `joint` stands among `rest` in the result
};

Flat flatten_plan(const Plan& plan) {
  const Shape& shape = plan.view.shape();
  Flat f;
  Shape indexed;
  bool neighbours = true;
  for (int64_t d = 0; d < shape.size(); ++d) {
    if (!plan.tensors[static_cast<size_t>(d)].defined()) continue;
    f.joint = broadcast_shapes("index", f.joint, plan.tensors[static_cast<size_t>(d)].shape());
    if (!f.order.empty() && f.order.back() != d - 1) neighbours = false;
    f.order.push_back(d);
    indexed.push_back(shape[d]);
  }
  f.at = neighbours ? f.order[0] : 0;
  Tensor places = zeros(f.joint, {.dtype = DType::Int64});
  for (int64_t i = 0; i < indexed.size(); ++i) {
    const Tensor index = plan.tensors[static_cast<size_t>(f.order[i])].contiguous();
    check_indices("index", index, -indexed[i], indexed[i], "elements");
    places = places * indexed[i] + where(lt(index, 0), index + indexed[i], index);
  }
  f.places = reshape(places, -1);
  for (int64_t d = 0; d < shape.size(); ++d)
    if (!plan.tensors[static_cast<size_t>(d)].defined()) {
      f.order.push_back(d);
      f.rest.push_back(shape[d]);
    }
  return f;
}

Shape flat_shape(const Tensor& view, const Flat& f) {
  Shape shape{1};
  for (int64_t i = 0; i < f.order.size() - f.rest.size(); ++i) shape[0] *= view.shape()[f.order[i]];
  for (int64_t size : f.rest) shape.push_back(size);
  return shape;
}

/// From (joint…, rest…) to the order of the result, in which joint stands at f.at.
Dims result_order(const Flat& f) {
  Dims order;
  const int64_t j = f.joint.size();
  for (int64_t i = 0; i < f.at; ++i) order.push_back(j + i);
  for (int64_t i = 0; i < j; ++i) order.push_back(i);
  for (int64_t i = f.at; i < f.rest.size(); ++i) order.push_back(j + i);
  return order;
}

Shape joined(const Flat& f) {
  Shape shape = f.joint;
  for (int64_t size : f.rest) shape.push_back(size);
  return shape;
}

/// `view` with `value` at the indexed places, or added there.
Tensor with_values(const Tensor& view, const Flat& f, const Tensor& value, bool accumulate) {
  const Shape flat = flat_shape(view, f);
  const Tensor base = reshape(permute(view, f.order), flat);
  const Dims order = result_order(f);
  Shape result;
  for (int64_t d : order) result.push_back(joined(f)[d]);
  Dims back = order;
  for (int64_t d = 0; d < order.size(); ++d) back[order[d]] = d;
  Shape rows = f.rest;
  rows.insert(0, f.places.numel());
  const Tensor source = reshape(permute(expand(to(value, view.dtype()), result), back), rows);
  Tensor changed;
  if (accumulate) {
    changed = index_add(base, 0, f.places, source);
  } else {
    // Where a place is named more than once the last value stays, and alone has a gradient.
    std::vector<int64_t> last(static_cast<size_t>(flat[0]), -1);
    for (int64_t i = 0; i < f.places.numel(); ++i) last[static_cast<size_t>(f.places.data<int64_t>()[i])] = i;
    std::vector<int64_t> targets, sources;
    for (size_t row = 0; row < last.size(); ++row)
      if (last[row] >= 0) {
        targets.push_back(static_cast<int64_t>(row));
        sources.push_back(last[row]);
      }
    const auto count = static_cast<int64_t>(targets.size());
    Tensor mask = zeros(flat[0], {.dtype = DType::Bool});
    for (int64_t row : targets) mask.data<bool>()[row] = true;
    Shape column = Shape::filled(flat.size(), 1);
    column[0] = flat[0];
    const Tensor kept = masked_fill(base, reshape(mask, column), 0);
    const bool numbers = view.dtype() != DType::Bool;
    const Tensor rows_in = index_select(source, 0, from_vector(sources, count));
    const Tensor at = from_vector(targets, count);
    changed = numbers ? index_add(kept, 0, at, rows_in)
                      : ne(index_add(kept.to(DType::Int64), 0, at, rows_in.to(DType::Int64)), 0);
  }
  Shape unflat;
  for (int64_t d : f.order) unflat.push_back(view.shape()[d]);
  Dims inverse = f.order;
  for (int64_t d = 0; d < f.order.size(); ++d) inverse[f.order[d]] = d;
  return permute(reshape(changed, unflat), inverse);
}

}  // namespace

Tensor index(const Tensor& x, const std::vector<Index>& indices) {
  const Plan plan = make_plan(x, indices);
  if (!plan.any()) return plan.view;
  const Flat f = flatten_plan(plan);
  const Tensor rows = index_select(reshape(permute(plan.view, f.order), flat_shape(plan.view, f)), 0, f.places);
  return permute(reshape(rows, joined(f)), result_order(f)).contiguous();
}

Tensor Tensor::index(std::initializer_list<Index> indices) const { return gradus::index(*this, std::vector<Index>(indices)); }
Tensor Tensor::index(const std::vector<Index>& indices) const { return gradus::index(*this, indices); }

const Tensor& Tensor::index_put_(std::initializer_list<Index> indices, const Tensor& value, bool accumulate) const {
  impl_of("index_put_", value);
  const Plan plan = make_plan(*this, std::vector<Index>(indices));
  if (!plan.any()) {
    if (accumulate) plan.view.add_(value);
    else plan.view.copy_(value);
    return *this;
  }
  const Flat f = flatten_plan(plan);
  in_place("index_put_", plan.view, [&](const Tensor& x) { return with_values(x, f, value, accumulate); });
  return *this;
}

const Tensor& Tensor::index_put_(std::initializer_list<Index> indices, Scalar value) const {
  return index_put_(indices, full({}, value, {.dtype = dtype()}));
}

}  // namespace gradus
