#include "gradus/shape.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include "core/check.h"
#include "core/checked.h"

namespace gradus {

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

}  // namespace gradus
