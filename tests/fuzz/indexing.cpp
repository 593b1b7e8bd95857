#include <algorithm>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "choices.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/indexing.h"

namespace {

using namespace gradus;
using fuzz::Choices;
using fuzz::expect;

/// A tensor as a list, for loops that a reader sees through at once.
struct Dense {
  Shape shape;
  std::vector<double> elements;

  explicit Dense(const Tensor& x) : shape(x.shape()), elements(x.to_vector<double>()) {}
  Dense(const Shape& s, double value) : shape(s), elements(static_cast<size_t>(s.numel()), value) {}

  double& at(const Shape& index) { return elements[fuzz::place_of(index, shape)]; }
  void expect_is(const Tensor& x, const char* what) const {
    expect(x.shape() == shape, what);
    expect(x.to_vector<double>() == elements, what);
  }
};

int64_t from_start(double i, int64_t n) { return static_cast<int64_t>(i) + (i < 0 ? n : 0); }

Tensor draw(Choices& choices, const Shape& shape) {
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (double& v : values) v = choices.byte();
  return from_vector(values, shape);
}

/// Indices of a dimension of n elements, a few of them, in a tensor of that shape; some are out of range when `wild`.
Tensor draw_indices(Choices& choices, const Shape& shape, int64_t n, bool wild, bool negative) {
  std::vector<int64_t> values(static_cast<size_t>(shape.numel()));
  for (int64_t& v : values) {
    v = n > 0 ? choices.below(n) : 0;
    if (negative && choices.flip()) v -= n;
    if (wild) v = choices.between(-6, 6) * (choices.byte() == 255 ? int64_t{1} << 59 : 1);
  }
  return from_vector(values, shape);
}

bool are_within(const Tensor& indices, int64_t n, bool negative) {
  const std::vector<int64_t> values = indices.to_vector<int64_t>();
  return std::all_of(values.begin(), values.end(), [&](int64_t i) { return i < n && i >= (negative ? -n : 0); });
}

/// index_select, index_add, index_copy and index_fill, whose index is a list.
void check_lists(Choices& choices, const Tensor& x, int64_t dim, bool wild) {
  const int64_t n = x.size(dim);
  const Tensor index = draw_indices(choices, choices.below(5), n, wild, false);
  if (!are_within(index, n, false)) {
    try {
      index_select(x, dim, index);
    } catch (const IndexError&) {
      return;
    }
    fuzz::fault("an index that is out of range is accepted");
  }
  const std::vector<int64_t> places = index.to_vector<int64_t>();
  Shape shape = x.shape();
  shape[dim] = index.numel();
  Dense all(x), selected(shape, 0), added(x), filled(x);
  const Tensor source = draw(choices, shape).to(x.dtype());
  Dense terms(source);
  fuzz::for_each_index(shape, [&](const Shape& to) {
    Shape from = to;
    from[dim] = places[static_cast<size_t>(to[dim])];
    selected.at(to) = all.at(from);
    added.at(from) += terms.at(to);
    filled.at(from) = 7;
  });
  selected.expect_is(index_select(x, dim, index), "index_select gives something else");
  added.expect_is(index_add(x, dim, index, source), "index_add gives something else");
  filled.expect_is(index_fill(x, dim, index, 7), "index_fill gives something else");
}

/// gather, scatter and scatter_add, whose index has the tensor's dimensions.
void check_places(Choices& choices, const Tensor& x, int64_t dim, bool wild) {
  Shape shape = x.shape();
  for (int64_t& n : shape) n = choices.below(n + 1);
  shape[dim] = choices.below(5);
  const int64_t n = x.size(dim);
  const Tensor index = draw_indices(choices, shape, n, wild, false);
  if (!are_within(index, n, false)) {
    try {
      gather(x, dim, index);
    } catch (const IndexError&) {
      return;
    }
    fuzz::fault("an index that is out of range is accepted");
  }
  Dense all(x), places(index), gathered(shape, 0), added(x), scattered(x);
  const Tensor source = draw(choices, shape).to(x.dtype());
  Dense terms(source);
  fuzz::for_each_index(shape, [&](const Shape& to) {
    Shape from = to;
    from[dim] = static_cast<int64_t>(places.at(to));
    gathered.at(to) = all.at(from);
    added.at(from) += terms.at(to);
    scattered.at(from) = 7;
  });
  gathered.expect_is(gather(x, dim, index), "gather gives something else");
  added.expect_is(scatter_add(x, dim, index, source), "scatter_add gives something else");
  scattered.expect_is(scatter(x, dim, index, 7), "scatter gives something else");
}

void check_mask(Choices& choices, const Tensor& x) {
  const Tensor mask = draw_indices(choices, x.shape(), 2, false, false).to(boolean);
  const std::vector<double> all = x.to_vector<double>(), chosen = mask.to_vector<double>();
  std::vector<double> expected;
  Dense filled(x);
  for (size_t i = 0; i < all.size(); ++i) {
    if (chosen[i] == 0) continue;
    expected.push_back(all[i]);
    filled.elements[i] = 7;
  }
  expect(masked_select(x, mask).to_vector<double>() == expected, "masked_select gives something else");
  expect(x.index({mask}).to_vector<double>() == expected, "a mask as index gives something else");
  const Tensor y = x.clone();
  y.index_put_({mask}, 7);
  filled.expect_is(y, "index_put_ by a mask gives something else");
  expect(nonzero(mask).size(0) == static_cast<int64_t>(expected.size()), "nonzero finds another number of elements");
}

/// x[i, …] by one tensor of indices for each of the first dimensions, broadcast together, at any place among slices.
void check_index(Choices& choices, const Tensor& x, bool wild) {
  const int64_t rank = x.dim(), count = choices.between(1, rank), first = choices.below(rank - count + 1);
  const Shape of_index = choices.shape(2, 3);
  std::vector<Index> indices(static_cast<size_t>(first), Index(Slice{}));
  std::vector<Dense> places;
  bool within = true;
  for (int64_t k = 0; k < count; ++k) {
    Shape own = of_index;
    for (int64_t& n : own)
      if (choices.below(4) == 0) n = 1;
    const Tensor index = draw_indices(choices, own, x.size(first + k), wild, true);
    // What is broadcast to no elements is not looked at.
    within = within && are_within(index, x.size(first + k), true);
    indices.emplace_back(index);
    places.emplace_back(index);
  }
  Shape met = Shape::filled(of_index.size(), 1);
  for (const Dense& p : places)
    for (int64_t d = 0; d < met.size(); ++d)
      if (p.shape[d] != 1) met[d] = p.shape[d];
  Shape shape;
  for (int64_t d = 0; d < first; ++d) shape.push_back(x.size(d));
  for (int64_t n : met) shape.push_back(n);
  for (int64_t d = first + count; d < rank; ++d) shape.push_back(x.size(d));

  Tensor found, written = x.clone(), added = x.clone();
  try {
    found = x.index(indices);
    written.index_put_(indices, full({}, 7, {.dtype = x.dtype()}));
    added.index_put_(indices, full({}, 7, {.dtype = x.dtype()}), true);
  } catch (const IndexError&) {
    expect(!within, "indices within the tensor are refused");
    return;
  }
  if (!within) {
    expect(found.numel() == 0, "an index that is out of range is accepted");
    return;
  }
  Dense all(x), expected(shape, 0), filled(x), sums(x);
  fuzz::for_each_index(shape, [&](const Shape& to) {
    Shape from = Shape::filled(rank, 0);
    for (int64_t d = 0; d < first; ++d) from[d] = to[d];
    for (int64_t k = 0; k < count; ++k) {
      Dense& p = places[static_cast<size_t>(k)];
      Shape at = Shape::filled(met.size(), 0);
      for (int64_t d = 0; d < met.size(); ++d) at[d] = p.shape[d] == 1 ? 0 : to[first + d];
      from[first + k] = from_start(p.at(at), x.size(first + k));
    }
    for (int64_t d = first + count; d < rank; ++d) from[d] = to[d - count + met.size()];
    expected.at(to) = all.at(from);
    filled.at(from) = 7;
    sums.at(from) += 7;
  });
  expected.expect_is(found, "index gives something else");
  filled.expect_is(written, "index_put_ gives something else");
  sums.expect_is(added, "index_put_ that adds gives something else");
}

}  // namespace

/// The bytes are a tensor, the way in which it lies in memory, and indices into it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Choices choices(bytes, size);
  const int64_t which = choices.below(4);
  const bool wild = choices.below(4) == 1;
  Tensor x = draw(choices, choices.shape(4, 4));
  if (choices.flip()) x = x.to(float32);
  if (choices.flip() && x.dim() > 1) x = x.transpose(0, -1);
  if (choices.flip() && x.dim() > 0) x = x.slice(-1, {}, {}, 2);
  if (which == 2) check_mask(choices, x);
  if (x.dim() == 0) return 0;
  const int64_t dim = choices.below(x.dim());
  if (which == 0) check_lists(choices, x, dim, wild);
  if (which == 1) check_places(choices, x, dim, wild);
  if (which == 3) check_index(choices, x, wild);
  return 0;
}
