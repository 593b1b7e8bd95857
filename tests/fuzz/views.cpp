#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "choices.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/shape.h"

namespace {

using namespace gradus;
using fuzz::Choices;
using fuzz::expect;

/// What a view should be: for each of its elements the place in a list that stands for the storage.
struct Dense {
  Shape shape;
  std::vector<size_t> places;

  size_t at(const Shape& index) const { return places[fuzz::place_of(index, shape)]; }
  /// The elements that stand where `from` says, for each index of the new shape.
  Dense picked(const Shape& to, const std::function<Shape(const Shape&)>& from) const {
    Dense result{to, {}};
    fuzz::for_each_index(to, [&](const Shape& index) { result.places.push_back(at(from(index))); });
    return result;
  }
  bool repeats() const {
    std::vector<size_t> sorted = places;
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  }
};

/// A tensor, the list of its storage's elements, and which of them the tensor should see.
struct State {
  Tensor x;
  std::vector<double> storage;
  Dense dense;

  void check() const {
    expect(x.shape() == dense.shape, "a view has another shape");
    const std::vector<double> found = x.to_vector<double>();
    expect(found.size() == dense.places.size(), "a view has another number of elements");
    for (size_t i = 0; i < found.size(); ++i) expect(found[i] == storage[dense.places[i]], "a view has another element");
    expect(x.contiguous().to_vector<double>() == found, "a contiguous copy has another element");
    expect(!x.is_contiguous() || x.numel() == 0 || !dense.repeats(), "a view that repeats elements is called contiguous");
  }
  void become(Tensor y, Dense expected) {
    const bool is_copy = !y.shares_storage_with(x);
    x = std::move(y);
    dense = std::move(expected);
    if (!is_copy) return;
    std::vector<double> elements;
    for (size_t place : dense.places) elements.push_back(storage[place]);
    storage = std::move(elements);
    std::iota(dense.places.begin(), dense.places.end(), size_t{0});
  }
};

int64_t any_dim(Choices& choices, const Shape& shape) { return choices.below(shape.size()); }
/// The same dimension, or its name from the end.
int64_t named(Choices& choices, int64_t dim, int64_t rank) { return choices.flip() ? dim - rank : dim; }

void permute(State& s, Choices& choices) {
  const int64_t rank = s.x.dim();
  Shape order = Shape::filled(rank, 0), shape = order;
  for (int64_t d = 0; d < rank; ++d) order[d] = d;
  for (int64_t d = rank - 1; d > 0; --d) std::swap(order[d], order[choices.below(d + 1)]);
  for (int64_t d = 0; d < rank; ++d) shape[d] = s.dense.shape[order[d]];
  Dense expected = s.dense.picked(shape, [&](Shape index) {
    Shape from = index;
    for (int64_t d = 0; d < rank; ++d) from[order[d]] = index[d];
    return from;
  });
  s.become(s.x.permute(order), std::move(expected));
}

void slice(State& s, Choices& choices) {
  if (s.x.dim() == 0) return;
  const int64_t dim = any_dim(choices, s.dense.shape), n = s.dense.shape[dim];
  const int64_t start = choices.between(-n - 2, n + 2), stop = choices.between(-n - 2, n + 2), step = choices.between(1, 3);
  const auto bound = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  Shape shape = s.dense.shape;
  shape[dim] = std::max<int64_t>(bound(stop) - bound(start) + step - 1, 0) / step;
  Dense expected = s.dense.picked(shape, [&](Shape index) {
    index[dim] = bound(start) + step * index[dim];
    return index;
  });
  s.become(s.x.slice(named(choices, dim, s.x.dim()), start, stop, step), std::move(expected));
}

void select(State& s, Choices& choices) {
  if (s.x.dim() == 0) return;
  const int64_t dim = any_dim(choices, s.dense.shape), n = s.dense.shape[dim];
  if (n == 0) return;
  const int64_t i = choices.below(n);
  Shape shape = s.dense.shape;
  shape.erase(dim);
  Dense expected = s.dense.picked(shape, [&](Shape index) {
    index.insert(dim, i);
    return index;
  });
  s.become(s.x.select(named(choices, dim, s.x.dim()), choices.flip() ? i - n : i), std::move(expected));
}

void unsqueeze(State& s, Choices& choices) {
  if (s.x.dim() >= 6) return;
  const int64_t dim = choices.below(s.x.dim() + 1);
  Shape shape = s.dense.shape;
  shape.insert(dim, 1);
  s.become(s.x.unsqueeze(named(choices, dim, s.x.dim() + 1)), {shape, s.dense.places});
}

void squeeze(State& s, Choices&) {
  Shape shape;
  for (int64_t size : s.dense.shape)
    if (size != 1) shape.push_back(size);
  s.become(s.x.squeeze(), {shape, s.dense.places});
}

void expand(State& s, Choices& choices) {
  Shape shape = s.dense.shape;
  if (shape.size() < 5 && choices.flip()) shape.insert(0, choices.below(4));
  const int64_t more = shape.size() - s.dense.shape.size();
  for (int64_t d = more; d < shape.size(); ++d)
    if (shape[d] == 1 && choices.flip()) shape[d] = choices.below(4);
  Dense expected = s.dense.picked(shape, [&](const Shape& index) {
    Shape from = Shape::filled(s.dense.shape.size(), 0);
    for (int64_t d = 0; d < from.size(); ++d) from[d] = s.dense.shape[d] == 1 ? 0 : index[d + more];
    return from;
  });
  s.become(s.x.expand(shape), std::move(expected));
}

/// Two dimensions become one, or one two.
void reshape(State& s, Choices& choices) {
  Shape shape = s.dense.shape;
  if (shape.size() >= 2 && choices.flip()) {
    const int64_t dim = choices.below(shape.size() - 1);
    shape[dim] *= shape[dim + 1];
    shape.erase(dim + 1);
  } else if (!shape.empty() && shape.size() < 5) {
    const int64_t dim = any_dim(choices, shape), factor = choices.between(1, 4);
    if (shape[dim] % factor != 0) return;
    shape[dim] /= factor;
    shape.insert(dim, factor);
  }
  const bool must_be_view = choices.flip();
  try {
    s.become(must_be_view ? s.x.view(shape) : s.x.reshape(shape), {shape, s.dense.places});
  } catch (const Error&) {
    expect(must_be_view && !s.x.is_contiguous(), "a reshape is refused");
  }
}

void flip(State& s, Choices& choices) {
  if (s.x.dim() == 0) return;
  const int64_t dim = any_dim(choices, s.dense.shape);
  Dense expected = s.dense.picked(s.dense.shape, [&](Shape index) {
    index[dim] = s.dense.shape[dim] - 1 - index[dim];
    return index;
  });
  s.become(s.x.flip(named(choices, dim, s.x.dim())), std::move(expected));
}

void unfold(State& s, Choices& choices) {
  if (s.x.dim() == 0 || s.x.dim() >= 6) return;
  const int64_t dim = any_dim(choices, s.dense.shape), n = s.dense.shape[dim];
  const int64_t size = choices.below(n + 1), step = choices.between(1, 3);
  Shape shape = s.dense.shape;
  shape[dim] = (n - size) / step + 1;
  shape.push_back(size);
  if (shape.numel() > 4096) return;
  Dense expected = s.dense.picked(shape, [&](Shape index) {
    index[dim] = index[dim] * step + index.back();
    index.erase(index.size() - 1);
    return index;
  });
  s.become(gradus::unfold(s.x, named(choices, dim, s.x.dim()), size, step), std::move(expected));
}

void diagonal(State& s, Choices& choices) {
  if (s.x.dim() < 2) return;
  const int64_t first = any_dim(choices, s.dense.shape);
  const int64_t second = (first + 1 + choices.below(s.x.dim() - 1)) % s.x.dim(), offset = choices.between(-3, 3);
  const int64_t down = std::max<int64_t>(-offset, 0), right = std::max<int64_t>(offset, 0);
  const int64_t length = std::max<int64_t>(std::min(s.dense.shape[first] - down, s.dense.shape[second] - right), 0);
  Shape shape = s.dense.shape;
  shape.erase(std::max(first, second));
  shape.erase(std::min(first, second));
  shape.push_back(length);
  Dense expected = s.dense.picked(shape, [&](Shape index) {
    const int64_t i = index.back();
    index.erase(index.size() - 1);
    const bool in_order = first < second;
    index.insert(std::min(first, second), in_order ? i + down : i + right);
    index.insert(std::max(first, second), in_order ? i + right : i + down);
    return index;
  });
  s.become(gradus::diagonal(s.x, offset, named(choices, first, s.x.dim()), named(choices, second, s.x.dim())), std::move(expected));
}

void roll(State& s, Choices& choices) {
  if (s.x.dim() == 0) return;
  const int64_t dim = any_dim(choices, s.dense.shape), shift = choices.between(-5, 5), n = s.dense.shape[dim];
  Dense expected = s.dense.picked(s.dense.shape, [&](Shape index) {
    index[dim] = ((index[dim] - shift) % n + n) % n;
    return index;
  });
  s.become(gradus::roll(s.x, shift, named(choices, dim, s.x.dim())), std::move(expected));
}

/// Writes through the view: the storage changes at the view's places and nowhere else.
void write(State& s, Choices& choices) {
  const double value = choices.byte();
  const int kind = static_cast<int>(choices.below(3));
  try {
    if (kind == 0) s.x.fill_(value);
    if (kind == 1) s.x.add_(value);
    if (kind == 2) s.x.copy_(arange(s.x.numel(), {.dtype = float64}).reshape(s.x.shape()));
  } catch (const Error&) {
    expect(s.dense.repeats(), "a write is refused to a view without repeated elements");
    return;
  }
  expect(s.x.numel() < 2 || !s.dense.repeats(), "a write to repeated elements is not refused");
  for (size_t i = 0; i < s.dense.places.size(); ++i) {
    double& element = s.storage[s.dense.places[i]];
    element = kind == 0 ? value : kind == 1 ? element + value : static_cast<double>(i);
  }
}

/// Arguments that need not be valid: they give a tensor or an Error, and leave this one as it was.
void anything(State& s, Choices& choices) {
  const auto number = [&] {
    const int64_t n = choices.between(-9, 9);
    return choices.byte() == 255 ? n * (int64_t{1} << 59) : n;
  };
  const auto numbers = [&] {
    Shape list = Shape::filled(choices.below(5), 0);
    for (int64_t& n : list) n = number();
    return list;
  };
  try {
    Tensor y;
    switch (choices.below(14)) {
      case 0: y = s.x.permute(numbers()); break;
      case 1: y = s.x.slice(number(), number(), number(), number()); break;
      case 2: y = s.x.select(number(), number()); break;
      case 3: y = s.x.narrow(number(), number(), number()); break;
      case 4: y = s.x.expand(numbers()); break;
      case 5: y = s.x.view(numbers()); break;
      case 6: y = s.x.reshape(numbers()); break;
      case 7: y = gradus::unfold(s.x, number(), number(), number()); break;
      case 8: y = gradus::diagonal(s.x, number(), number(), number()); break;
      case 9: y = gradus::as_strided(s.x, numbers(), numbers(), number()); break;
      case 10: y = gradus::movedim(s.x, numbers(), numbers()); break;
      case 11: y = gradus::unflatten(s.x, number(), numbers()); break;
      case 12: y = gradus::roll(s.x, numbers(), numbers()); break;
      default: y = s.x.flatten(number(), number()); break;
    }
    if (y.numel() <= 4096) y.to_vector<double>();
  } catch (const Error&) {
    return s.check();
  }
}

using Step = void (*)(State&, Choices&);
constexpr Step kSteps[] = {permute, slice, select, unsqueeze, squeeze, expand, reshape, flip, unfold, diagonal, roll, write, anything};

}  // namespace

/// The bytes are a shape and a sequence of views, each of the one before, and of writes through them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  constexpr int64_t most_steps = 32, many = 1024;
  Choices choices(bytes, size);
  State s;
  s.dense.shape = choices.shape(4, 4);
  s.x = arange(s.dense.shape.numel(), {.dtype = float64}).reshape(s.dense.shape);
  s.storage = s.x.to_vector<double>();
  s.dense.places.resize(s.storage.size());
  std::iota(s.dense.places.begin(), s.dense.places.end(), size_t{0});
  for (int64_t step = 0; choices.are_left() && step < most_steps && s.x.numel() <= many; ++step) {
    kSteps[choices.below(std::size(kSteps))](s, choices);
    s.check();
  }
  return 0;
}
