#include "core/layout.h"

#include <algorithm>
#include <array>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"

fmt::format_context::iterator fmt::formatter<gradus::Shape>::format(const gradus::Shape& shape, fmt::format_context& context) const {
  const std::string text = shape.str();
  return std::copy(text.begin(), text.end(), context.out());
}

namespace gradus {

/// a b in a tensor without elements, whose strides lead nowhere: it wraps around. In any other tensor the product is one that fits.
static int64_t wrapping_product(int64_t a, int64_t b) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

// ---- shapes

Shape::Shape(std::span<const int64_t> values) : size_(static_cast<int64_t>(values.size())) {
  check<ShapeError>(size_ <= max_rank, "shape: {} dimensions, but a tensor has at most {}", size_, max_rank);
  std::copy(values.begin(), values.end(), values_.begin());
}

Shape Shape::filled(int64_t rank, int64_t value) {
  check<ShapeError>(rank <= max_rank, "shape: {} dimensions, but a tensor has at most {}", rank, max_rank);
  Shape shape;
  shape.size_ = rank;
  std::fill(shape.begin(), shape.end(), value);
  return shape;
}

void Shape::push_back(int64_t value) { insert(size_, value); }

void Shape::insert(int64_t i, int64_t value) {
  check<ShapeError>(size_ < max_rank, "shape: one dimension more than the {} that a tensor has at most", max_rank);
  std::move_backward(begin() + i, end(), end() + 1);
  values_[static_cast<size_t>(i)] = value;
  ++size_;
}

void Shape::erase(int64_t i) {
  std::move(begin() + i + 1, end(), begin() + i);
  --size_;
}

int64_t Shape::numel() const noexcept {
  int64_t n = 1;
  for (int64_t value : *this) n = wrapping_product(n, value);
  return n;
}

std::string Shape::str() const {
  std::string text = "[";
  for (int64_t i = 0; i < size_; ++i) text += (i > 0 ? ", " : "") + std::to_string((*this)[i]);
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

// ---- layouts

bool Layout::is_contiguous() const noexcept {
  int64_t expected = 1;
  for (int64_t d = rank() - 1; d >= 0; --d) {
    if (shape[d] == 0) return true;
    if (shape[d] != 1 && strides[d] != expected) return shape.numel() == 0;
    expected = wrapping_product(expected, shape[d]);
  }
  return true;
}

namespace {

/// A dimension of more than one element.
struct Step {
  int64_t stride, size;
};

/// `from` and all the sums that take each stride 0 to size - 1 times more, in order.
std::vector<int64_t> places_from(int64_t from, std::span<const Step> steps) {
  std::vector<int64_t> places{from};
  for (const auto& [stride, size] : steps) {
    const size_t before = places.size();
    for (int64_t i = 1; i < size; ++i)
      for (size_t k = 0; k < before; ++k) places.push_back(places[k] + i * stride);
  }
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<int64_t> places_of(const Layout& x) {
  std::array<Step, Shape::max_rank> steps;
  size_t count = 0;
  for (int64_t d = 0; d < x.rank(); ++d)
    if (x.strides[d] != 0) steps[count++] = {x.strides[d], x.shape[d]};
  return places_from(x.offset, std::span(steps).first(count));
}

/// The place of the last element; strides are not negative.
int64_t last_place(const Layout& x) {
  int64_t place = x.offset;
  for (int64_t d = 0; d < x.rank(); ++d) place += (x.shape[d] - 1) * x.strides[d];
  return place;
}

}  // namespace

bool overlaps(const Layout& x) {
  std::array<Step, Shape::max_rank> steps;
  size_t count = 0;
  for (int64_t d = 0; d < x.rank(); ++d) {
    if (x.shape[d] == 0) return false;
    if (x.shape[d] == 1) continue;
    size_t at = count++;  // in order of the strides
    for (; at > 0 && steps[at - 1].stride > x.strides[d]; --at) steps[at] = steps[at - 1];
    steps[at] = {x.strides[d], x.shape[d]};
  }
  // A dimension whose stride leads beyond all that the smaller ones reach takes no part in a meeting of two elements. In usual layouts
  // that is every dimension.
  int64_t reach = 0, elements = 1;
  size_t doubtful = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto& [stride, size] = steps[i];
    if (stride <= reach) doubtful = i + 1;
    reach += (size - 1) * stride;
    elements *= size;
    // More elements than places.
    if (stride == 0 || elements > reach + 1) return true;
  }
  if (doubtful == 0) return false;
  const std::vector<int64_t> places = places_from(0, std::span(steps).first(doubtful));
  return std::adjacent_find(places.begin(), places.end()) != places.end();
}

bool meet(const Layout& x, const Layout& y) {
  if (x.shape.numel() == 0 || y.shape.numel() == 0) return false;
  if (x.offset > last_place(y) || y.offset > last_place(x)) return false;
  if (x.is_contiguous() && y.is_contiguous()) return true;
  const std::vector<int64_t> a = places_of(x), b = places_of(y);
  for (size_t i = 0, j = 0; i < a.size() && j < b.size(); a[i] < b[j] ? ++i : ++j)
    if (a[i] == b[j]) return true;
  return false;
}

Strides contiguous_strides(const Shape& shape) noexcept {
  Strides strides = shape;
  uint64_t stride = 1;  // wraps around where another size is 0, so that the strides lead nowhere
  for (int64_t d = shape.size() - 1; d >= 0; --d) {
    strides[d] = static_cast<int64_t>(stride);
    stride *= static_cast<uint64_t>(std::max<int64_t>(shape[d], 1));
  }
  return strides;
}

Layout contiguous_layout(const char* op, const Shape& shape) {
  int64_t numel = 1;
  for (int64_t size : shape) {
    check<ShapeError>(size >= 0, "{}: shape {} has a negative size", op, shape);
    check<ShapeError>(!__builtin_mul_overflow(numel, size, &numel), "{}: shape {} has too many elements", op, shape);
  }
  check<ShapeError>(numel <= std::numeric_limits<int64_t>::max() / 8, "{}: shape {} has too many elements", op, shape);
  return {shape, contiguous_strides(shape), 0};
}

int64_t wrap_dim(const char* op, int64_t dim, int64_t rank) {
  const int64_t limit = std::max<int64_t>(rank, 1);
  check<IndexError>(dim >= -limit && dim < limit, "{}: dimension {} is out of range for a tensor with {} dimensions: use {} to {}", op, dim,
                    rank, -limit, limit - 1);
  return dim < 0 ? dim + limit : dim;
}

Dims wrap_dims(const char* op, const Dims& dims, int64_t rank) {
  Dims wrapped = dims;
  for (int64_t i = 0; i < wrapped.size(); ++i) {
    wrapped[i] = wrap_dim(op, dims[i], rank);
    for (int64_t j = 0; j < i; ++j)
      check<ValueError>(wrapped[j] != wrapped[i], "{}: dims {} name dimension {} twice", op, dims, wrapped[i]);
  }
  return wrapped;
}

Layout permute(const char* op, const Layout& x, const Dims& dims) {
  check<ShapeError>(dims.size() == x.rank(), "{}: dims {} for shape {}: name each of its {} dimensions once", op, dims, x.shape, x.rank());
  const Dims order = wrap_dims(op, dims, x.rank());
  Layout y = x;
  for (int64_t d = 0; d < x.rank(); ++d) {
    y.shape[d] = x.shape[order[d]];
    y.strides[d] = x.strides[order[d]];
  }
  return y;
}

Layout expand(const char* op, const Layout& x, const Shape& shape) {
  const int64_t added = shape.size() - x.rank();
  check<ShapeError>(added >= 0, "{}: shape {} cannot become {}: it has more dimensions", op, x.shape, shape);
  Layout y{shape, Strides::filled(shape.size(), 0), x.offset};
  for (int64_t d = 0; d < shape.size(); ++d) {
    if (d < added) {
      check<ShapeError>(shape[d] >= 0, "{}: shape {} cannot become {}: a new dimension needs its size", op, x.shape, shape);
      continue;
    }
    const int64_t size = x.shape[d - added];
    if (shape[d] == -1 || shape[d] == size) {
      y.shape[d] = size;
      y.strides[d] = x.strides[d - added];
      continue;
    }
    check<ShapeError>(size == 1 && shape[d] >= 0, "{}: shape {} cannot become {}: dimension {} has size {}, and only size 1 stretches", op,
                      x.shape, shape, d - added, size);
  }
  return y;
}

/// Where `index` of `dim` begins.
static int64_t offset_at(const Layout& x, int64_t dim, int64_t index) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(x.offset) + static_cast<uint64_t>(wrapping_product(index, x.strides[dim])));
}

Layout narrow(const char* op, const Layout& x, int64_t dim, int64_t start, int64_t length) {
  check<ShapeError>(x.rank() > 0, "{}: a scalar has no dimension to cut", op);
  dim = wrap_dim(op, dim, x.rank());
  const int64_t size = x.shape[dim];
  check<IndexError>(start >= -size && start <= size, "{}: start {} is out of range for dimension {} of shape {}", op, start, dim, x.shape);
  if (start < 0) start += size;
  check<IndexError>(length >= 0 && length <= size - start, "{}: start {} and length {} go beyond dimension {} of shape {}", op, start,
                    length, dim, x.shape);
  Layout y = x;
  y.shape[dim] = length;
  y.offset = offset_at(x, dim, start);
  return y;
}

Layout slice(const char* op, const Layout& x, int64_t dim, int64_t start, int64_t stop, int64_t step) {
  check<ShapeError>(x.rank() > 0, "{}: a scalar has no dimension to cut", op);
  check<ValueError>(step > 0, "{}: step {} must be positive; use flip to turn an order around", op, step);
  dim = wrap_dim(op, dim, x.rank());
  const int64_t size = x.shape[dim];
  const auto bound = [size](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  start = bound(start);
  const int64_t length = std::max<int64_t>(bound(stop) - start, 0);
  Layout y = x;
  y.shape[dim] = length == 0 ? 0 : (length - 1) / step + 1;
  y.offset = offset_at(x, dim, start);
  if (y.shape[dim] > 1) y.strides[dim] = wrapping_product(y.strides[dim], step);  // otherwise it is not used
  return y;
}

Layout select(const char* op, const Layout& x, int64_t dim, int64_t index) {
  check<IndexError>(x.rank() > 0, "{}: a scalar has no dimension to choose from", op);
  dim = wrap_dim(op, dim, x.rank());
  const int64_t size = x.shape[dim];
  check<IndexError>(index >= -size && index < size, "{}: index {} is out of range for dimension {} of shape {}", op, index, dim, x.shape);
  Layout y = x;
  y.offset = offset_at(x, dim, index < 0 ? index + size : index);
  y.shape.erase(dim);
  y.strides.erase(dim);
  return y;
}

Layout squeeze(const Layout& x, int64_t dim) {
  Layout y = x;
  y.shape.erase(dim);
  y.strides.erase(dim);
  return y;
}

Layout unsqueeze(const char* op, const Layout& x, int64_t dim) {
  dim = wrap_dim(op, dim, x.rank() + 1);
  Layout y = x;
  const int64_t stride = dim < x.rank() ? wrapping_product(x.shape[dim], x.strides[dim]) : 1;
  y.shape.insert(dim, 1);
  y.strides.insert(dim, stride);
  return y;
}

Shape infer_shape(const char* op, const Shape& shape, int64_t numel) {
  Shape full = shape;
  int64_t unknown = -1, known = 1;
  for (int64_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == -1) {
      check<ShapeError>(unknown < 0, "{}: shape {} has more than one -1", op, shape);
      unknown = d;
      continue;
    }
    check<ShapeError>(shape[d] >= 0, "{}: shape {} has a negative size", op, shape);
    check<ShapeError>(!__builtin_mul_overflow(known, shape[d], &known), "{}: shape {} has too many elements", op, shape);
  }
  if (unknown >= 0) {
    check<ShapeError>(known != 0, "{}: shape {}: -1 cannot be worked out beside a size of 0", op, shape);
    full[unknown] = numel / known;
  }
  const int64_t filled = unknown >= 0 ? known * full[unknown] : known;
  check<ShapeError>(filled == numel, "{}: {} elements do not fill shape {}", op, numel, shape);
  return full;
}

bool reshape(const Layout& x, const Shape& shape, Layout& out) noexcept {
  if (x.shape.numel() == 0 || x.is_contiguous()) {
    out = {shape, contiguous_strides(shape), x.offset};
    return true;
  }
  // Runs of old dimensions that lie evenly in memory are cut into runs of new dimensions with the same number of elements.
  out = {shape, Strides::filled(shape.size(), 0), x.offset};
  int64_t target = shape.size() - 1;
  int64_t run = 1, filled = 1, base = x.rank() ? x.strides.back() : 1;
  for (int64_t d = x.rank() - 1; d >= 0; --d) {
    run *= x.shape[d];
    const bool run_ends = d == 0 || (x.shape[d - 1] != 1 && x.strides[d - 1] != run * base);
    if (!run_ends) continue;
    while (target >= 0 && (filled < run || shape[target] == 1)) {
      out.strides[target] = filled * base;
      filled *= shape[target--];
    }
    if (filled != run) return false;
    if (d > 0) base = x.strides[d - 1];
    run = filled = 1;
  }
  return target == -1;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  const int64_t lead = longer.size() - shorter.size();
  Shape shape = longer;
  for (int64_t d = 0; d < shorter.size(); ++d) {
    int64_t& size = shape[lead + d];
    if (size == 1) size = shorter[d];
    check<ShapeError>(shorter[d] == size || shorter[d] == 1,
                      "{}: shapes {} and {} do not broadcast: sizes {} and {} at dimension {} (from the end) must be equal or 1", op, a, b,
                      a[a.size() - (shorter.size() - d)], b[b.size() - (shorter.size() - d)], d - shorter.size());
  }
  return shape;
}

}  // namespace gradus
