#include "gradus/shape.h"

#include <doctest/doctest.h>

#include <sstream>

#include "gradus/error.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;

TEST_CASE("a shape holds what it was given") {
  const Shape shape{2, 3, 4};
  CHECK(shape.size() == 3);
  CHECK(!shape.empty());
  CHECK(shape[1] == 3);
  CHECK(shape.back() == 4);
  CHECK(shape.numel() == 24);
  CHECK(shape.str() == "[2, 3, 4]");
  CHECK(std::vector<int64_t>(shape.begin(), shape.end()) == std::vector<int64_t>{2, 3, 4});
}

TEST_CASE("a shape without entries is that of a scalar: one element") {
  CHECK(Shape().empty());
  CHECK(Shape().numel() == 1);
  CHECK(Shape().str() == "[]");
  CHECK(Shape({}).size() == 0);
}

TEST_CASE("a number is a shape of one entry") {
  const Shape shape = 5;
  CHECK(shape.size() == 1);
  CHECK(shape.str() == "[5]");
  CHECK(Shape(size_t{7}).back() == 7);
}

TEST_CASE("a shape can be made from a vector, a span or one value repeated") {
  const std::vector<int64_t> values{4, 0, 6};
  CHECK(Shape(values).str() == "[4, 0, 6]");
  CHECK(Shape(values).numel() == 0);
  CHECK(Shape(std::span<const int64_t>(values).subspan(1)).str() == "[0, 6]");
  CHECK(Shape::filled(3, -1).str() == "[-1, -1, -1]");
  CHECK(Shape::filled(0, 7).empty());
}

TEST_CASE("shapes are equal when all entries are, and their number") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2} != Shape{2, 1});
  CHECK(Shape() != Shape{1});
  Shape erased{2, 9};
  erased.erase(1);
  CHECK(erased == Shape{2});
}

TEST_CASE("entries go in and out anywhere") {
  Shape shape{2, 4};
  shape.insert(1, 3);
  CHECK(shape.str() == "[2, 3, 4]");
  shape.insert(0, 1);
  shape.push_back(5);
  CHECK(shape.str() == "[1, 2, 3, 4, 5]");
  shape.insert(5, 6);
  CHECK(shape.str() == "[1, 2, 3, 4, 5, 6]");
  shape.erase(0);
  shape.erase(4);
  shape.erase(1);
  CHECK(shape.str() == "[2, 4, 5]");
}

TEST_CASE("a shape takes eight entries and refuses the ninth") {
  Shape shape{1, 2, 3, 4, 5, 6, 7};
  shape.push_back(8);
  CHECK(shape.size() == Shape::max_rank);
  const std::string text = "shape: one dimension more than the 8 that a tensor has at most";
  CHECK(error_of<ShapeError>([&] { shape.push_back(9); }) == text);
  CHECK(error_of<ShapeError>([&] { shape.insert(0, 9); }) == text);
  CHECK(shape.str() == "[1, 2, 3, 4, 5, 6, 7, 8]");
  CHECK(error_of<ShapeError>([] { Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}; }) == "shape: 9 dimensions, but a tensor has at most 8");
  CHECK(error_of<ShapeError>([] { Shape(std::vector<int64_t>(12)); }) == "shape: 12 dimensions, but a tensor has at most 8");
  CHECK(error_of<ShapeError>([] { Shape::filled(9, 1); }) == "shape: 9 dimensions, but a tensor has at most 8");
}

TEST_CASE("shapes, strides, dimensions and dtypes are written to a stream as str() and name() say") {
  const Tensor x = zeros({2, 3});
  std::ostringstream out;
  out << x.shape() << ' ' << x.strides() << ' ' << Dims{0, -1} << ' ' << Shape{} << ' ' << x.dtype() << ' ' << boolean;
  CHECK(out.str() == "[2, 3] [3, 1] [0, -1] [] float32 bool");
}
