#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "choices.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/elementwise.h"

namespace {

using namespace gradus;
using fuzz::Choices;
using fuzz::expect;

constexpr DType kDTypes[] = {boolean, int64, float32, float64};

/// A tensor of small whole numbers, so that all arithmetic is exact in every dtype, that lies in memory in some way.
Tensor draw(Choices& choices, const Shape& shape) {
  const DType dtype = kDTypes[choices.below(4)];
  const int64_t way = choices.below(4);
  Shape wide = shape;
  if (way == 1 && !shape.empty()) wide[shape.size() - 1] *= 2;
  std::vector<double> values(static_cast<size_t>(wide.numel()));
  for (double& v : values) v = static_cast<double>(choices.between(-3, 3));
  Tensor x = from_vector(values, wide).to(dtype);
  if (way == 1 && !shape.empty()) x = x.slice(-1, {}, {}, 2);
  if (way == 2 && shape.size() > 1) x = x.transpose(0, -1).clone().transpose(0, -1);
  if (way == 3 && !shape.empty() && shape[0] > 0) x = x.slice(0, 0, 1).expand(shape);
  return x;
}

/// The shape in which both meet, by NumPy's rule; nothing when there is none.
std::optional<Shape> meet(const Shape& a, const Shape& b) {
  Shape shape = Shape::filled(std::max(a.size(), b.size()), 0);
  for (int64_t i = 1; i <= shape.size(); ++i) {
    const int64_t of_a = i <= a.size() ? a[a.size() - i] : 1, of_b = i <= b.size() ? b[b.size() - i] : 1;
    if (of_a != of_b && of_a != 1 && of_b != 1) return {};
    shape[shape.size() - i] = of_a == 1 ? of_b : of_a;
  }
  return shape;
}

/// Where the element for an index of the wider shape stands in row-major order.
size_t place(const Shape& shape, const Shape& index) {
  int64_t i = 0;
  for (int64_t d = 0; d < shape.size(); ++d) i = i * shape[d] + (shape[d] == 1 ? 0 : index[d + index.size() - shape.size()]);
  return static_cast<size_t>(i);
}

/// PyTorch's torch.result_type, told in its own words: by kind, tensors with dimensions before those without.
DType meet(const Tensor& x, const Tensor& y) {
  const auto kind = [](DType dtype) { return dtype == boolean ? 0 : dtype == int64 ? 1 : 2; };
  std::optional<DType> with, without;
  for (const Tensor* t : {&x, &y}) {
    std::optional<DType>& found = t->dim() > 0 ? with : without;
    found = found ? std::max(*found, t->dtype()) : t->dtype();
  }
  if (!with) return *without;
  if (!without || kind(*without) <= kind(*with)) return *with;
  return *without;
}

struct Operation {
  Tensor (*ours)(const Tensor&, const Tensor&);
  double (*of_numbers)(double, double);
  bool gives_bool;
};
const Operation kOperations[] = {
    {[](const Tensor& x, const Tensor& y) { return add(x, y); }, [](double a, double b) { return a + b; }, false},
    {[](const Tensor& x, const Tensor& y) { return sub(x, y); }, [](double a, double b) { return a - b; }, false},
    {[](const Tensor& x, const Tensor& y) { return mul(x, y); }, [](double a, double b) { return a * b; }, false},
    {[](const Tensor& x, const Tensor& y) { return maximum(x, y); }, [](double a, double b) { return std::max(a, b); }, false},
    {[](const Tensor& x, const Tensor& y) { return minimum(x, y); }, [](double a, double b) { return std::min(a, b); }, false},
    {[](const Tensor& x, const Tensor& y) { return where(ge(x, y), x, y); }, [](double a, double b) { return std::max(a, b); }, false},
    {[](const Tensor& x, const Tensor& y) { return lt(x, y); }, [](double a, double b) { return a < b ? 1.0 : 0.0; }, true},
    {[](const Tensor& x, const Tensor& y) { return eq(x, y); }, [](double a, double b) { return a == b ? 1.0 : 0.0; }, true},
    {[](const Tensor& x, const Tensor& y) { return logical_xor(x, y); },
     [](double a, double b) { return (a != 0) != (b != 0) ? 1.0 : 0.0; }, true},
};

void check_result(const Operation& operation, const Tensor& x, const Tensor& y, const Tensor& z) {
  const auto shape = meet(x.shape(), y.shape());
  expect(shape.has_value(), "shapes that do not meet are accepted");
  expect(z.shape() == *shape, "the result has another shape");
  expect(z.dtype() == (operation.gives_bool ? boolean : meet(x, y)), "the result has another dtype");
  const std::vector<double> a = x.to_vector<double>(), b = y.to_vector<double>(), found = z.to_vector<double>();
  size_t i = 0;
  fuzz::for_each_index(*shape, [&](const Shape& index) {
    double expected = operation.of_numbers(a[place(x.shape(), index)], b[place(y.shape(), index)]);
    if (z.dtype() == boolean) expected = expected != 0;
    expect(found[i++] == expected, "the result has another element");
  });
}

/// x is changed only when it has the result's shape, holds its kind of numbers and repeats no element.
void check_in_place(const Tensor& x, const Tensor& y) {
  const std::vector<double> before = x.to_vector<double>();
  const Tensor copy = x.clone();
  try {
    x.add_(y);
  } catch (const Error&) {
    expect(x.to_vector<double>() == before, "what was refused has changed");
    return;
  }
  expect(x.to_vector<double>() == add(copy, y).to(x.dtype()).to_vector<double>(), "in place the result is another");
}

}  // namespace

/// The bytes are two shapes, two dtypes, two ways to lie in memory, the elements, and an operation.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Choices choices(bytes, size);
  const Operation& operation = kOperations[choices.below(std::size(kOperations))];
  const Shape of_x = choices.shape(4, 4);
  Shape of_y = choices.flip() ? choices.shape(4, 4) : of_x;
  for (int64_t& n : of_y)
    if (choices.below(3) == 0) n = 1;
  while (!of_y.empty() && choices.below(4) == 1) of_y.erase(0);
  const Tensor x = draw(choices, of_x), y = draw(choices, of_y);
  try {
    check_result(operation, x, y, operation.ours(x, y));
  } catch (const ShapeError&) {
    expect(!meet(of_x, of_y), "shapes that meet are refused");
  } catch (const DTypeError&) {
    expect(x.dtype() == boolean || y.dtype() == boolean, "numbers are refused");
  }
  check_in_place(x, y);
  return 0;
}
