
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;
using op_test::Ints;
using op_test::ints;
using op_test::kInf;
using op_test::kLeast;
using op_test::kMost;
using op_test::kNan;
using op_test::Values;
using op_test::values;

TEST_CASE("tensor takes its dtype from the numbers") {
  CHECK(tensor({1, 2}).dtype() == int64);
  CHECK(tensor({1.0, 2.0}).dtype() == float32);
  CHECK(tensor({1.0F}).dtype() == float32);
  CHECK(tensor({true, false}).dtype() == boolean);
  CHECK(tensor({1, 2.5}).dtype() == float32);
  CHECK(tensor({true, 2}).dtype() == int64);
  CHECK(tensor({size_t{3}}).dtype() == int64);
  CHECK(tensor({1, 2}, {.dtype = float64}).dtype() == float64);
  CHECK(tensor({1.9, -1.9}, {.dtype = int64}).to_vector<int64_t>() == Ints{1, -1});
  CHECK(tensor({1.0, 2.0}, {.requires_grad = true}).requires_grad());
}

TEST_CASE("tensor takes its shape from the braces") {
  CHECK(tensor(3).shape().str() == "[]");
  CHECK(tensor({3}).shape().str() == "[1]");
  CHECK(tensor({{1, 2, 3}, {4, 5, 6}}).shape().str() == "[2, 3]");
  CHECK(tensor({{{1}, {2}}, {{3}, {4}}}).shape().str() == "[2, 2, 1]");
  CHECK(ints(tensor({{1, 2, 3}, {4, 5, 6}})) == Ints{1, 2, 3, 4, 5, 6});
  CHECK(tensor(std::vector<double>{}).shape().str() == "[0]");
  CHECK(tensor(std::vector<double>{}).dtype() == float32);
  CHECK(tensor(std::vector<int64_t>{4, 5}).dtype() == int64);
  CHECK(tensor(std::vector<std::vector<float>>{{1, 2}, {3, 4}}).shape().str() == "[2, 2]");
  CHECK(tensor(std::vector<bool>{true, false}).dtype() == boolean);
}

TEST_CASE("tensor keeps all bits of an integer") { CHECK(ints(tensor({kMost, kLeast})) == Ints{kMost, kLeast}); }

TEST_CASE("rows of different length or depth are refused") {
  CHECK(error_of<ShapeError>([] {
          tensor({{1, 2}, {3}});
        }) == "tensor: a row has 1 entries where the first of its depth has 2; rows must be of one length");
  CHECK_THROWS_AS(tensor({{1}, {2, 3}}), ShapeError);
  CHECK_THROWS_AS(tensor(std::vector<std::vector<int64_t>>{{}, {1}}), ShapeError);
  CHECK(error_of<ShapeError>([] {
          tensor({Nested{1, 2}, Nested(3)});
        }) == "tensor: a number stands at depth 1 where a row of 2 was expected");
  CHECK(error_of<ShapeError>([] { tensor({Nested(3), Nested{1, 2}}); }) == "tensor: a row stands at depth 1 where a number was expected");
}

TEST_CASE("a number that an integer cannot hold is refused rather than made up") {
  CHECK_THROWS_AS(tensor({op_test::kNan}, {.dtype = int64}), ValueError);
  CHECK_THROWS_AS(tensor({1e30}, {.dtype = int64}), ValueError);
  CHECK_THROWS_AS(full({2}, op_test::kInf, {.dtype = int64}), ValueError);
  CHECK_THROWS_AS(full_like(tensor({1}), 0x1p63), ValueError);
  CHECK_THROWS_AS(arange(1e30, 2e30, 1e30, {.dtype = int64}), ValueError);
  CHECK_THROWS_AS(linspace(0, op_test::kInf, 3, {.dtype = int64}), ValueError);
  CHECK(full({1}, -0x1p63, {.dtype = int64}).item<int64_t>() == kLeast);
  CHECK_THROWS_AS(tensor({op_test::kNan}).to(int64), ValueError);
  CHECK_THROWS_AS(tensor({1e19}).to(int64), ValueError);
  CHECK(tensor({-1e18}).to(int64).item<int64_t>() < 0);
}

TEST_CASE("from_vector copies values into a shape") {
  const std::vector<float> singles{1, 2, 3, 4, 5, 6};
  const Tensor x = from_vector(singles, {2, 3});
  CHECK(x.dtype() == float32);
  CHECK(x[1][2].item() == 6);
  CHECK(from_vector(std::vector<double>{1.5}, {1}).dtype() == float64);
  CHECK(from_vector(Ints{7}, {}).dtype() == int64);
  CHECK(from_vector(Ints{7}, {}, {.dtype = float32}).item() == 7);
  CHECK(from_vector(singles, {6}, {.requires_grad = true}).is_leaf());
  CHECK(from_vector(singles, {6}, {.dtype = float64, .requires_grad = true}).requires_grad());
  CHECK(error_of<ShapeError>([&] { from_vector(singles, {2, 2}); }) == "from_vector: 6 values for shape [2, 2], which holds 4");
  CHECK_THROWS_AS(from_vector(singles, {-1}), ShapeError);
}

TEST_CASE("zeros, ones, full and eye") {
  CHECK(values(zeros({2})) == Values{0, 0});
  CHECK(zeros({2}).dtype() == float32);
  CHECK(zeros(3).shape().str() == "[3]");
  CHECK(zeros({}).item() == 0);
  CHECK(values(ones({2}, {.dtype = float64})) == Values{1, 1});
  CHECK(ones({1}, {.dtype = boolean}).item<bool>());
  CHECK(full({2}, 3).dtype() == int64);
  CHECK(full({2}, 3.0).dtype() == float32);
  CHECK(full({2}, true).dtype() == boolean);
  CHECK(values(full({2}, 2.5, {.dtype = float64})) == Values{2.5, 2.5});
  CHECK(full({1}, kMost).item<int64_t>() == kMost);
  CHECK(empty({2, 3}, {.dtype = int64}).shape().str() == "[2, 3]");
  CHECK(values(eye(2)) == Values{1, 0, 0, 1});
  CHECK(values(eye(2, 3)) == Values{1, 0, 0, 0, 1, 0});
  CHECK(values(eye(3, 1, {.dtype = int64})) == Values{1, 0, 0});
  CHECK(eye(0).shape().str() == "[0, 0]");
  CHECK(zeros({2}, {.requires_grad = true}).requires_grad());
  CHECK(error_of<ShapeError>([] { zeros({2, -1}); }) == "zeros: shape [2, -1] has a negative size");
  CHECK(error_of<ValueError>([] { eye(-1); }) == "eye: sizes -1 and -1 must not be negative");
  CHECK(error_of<DTypeError>([] { zeros({2}, {.dtype = int64, .requires_grad = true}); }).find("requires_grad_: only float32") == 0);
}

TEST_CASE("arange counts up and down, in whole and in broken steps") {
  CHECK(ints(arange(4)) == Ints{0, 1, 2, 3});
  CHECK(arange(4).dtype() == int64);
  CHECK(arange(0).shape().str() == "[0]");
  CHECK(ints(arange(2, 5)) == Ints{2, 3, 4});
  CHECK(ints(arange(5, 0, -2)) == Ints{5, 3, 1});
  CHECK(ints(arange(0, 7, 3)) == Ints{0, 3, 6});
  CHECK(ints(arange(3, 3)).empty());
  CHECK(arange(4.0).dtype() == float32);
  CHECK(values(arange(0, 1, 0.25)) == Values{0, 0.25, 0.5, 0.75});
  CHECK(values(arange(1.0, -1.0, -0.5)) == Values{1, 0.5, 0, -0.5});
  CHECK(arange(3, {.dtype = float64}).dtype() == float64);
  CHECK(arange(3, {.dtype = float32, .requires_grad = true}).requires_grad());
  CHECK(error_of<ValueError>([] { arange(0, 3, 0); }) == "arange: step must not be 0");
  CHECK(error_of<ValueError>([] { arange(-3); }) == "arange: step 1 leads away from -3 when starting at 0");
  CHECK_THROWS_AS(arange(0, 3, -1), ValueError);
  CHECK_THROWS_AS(arange(0.0, op_test::kInf), ValueError);
  CHECK_THROWS_AS(arange(op_test::kNan), ValueError);
  CHECK_THROWS_AS(arange(3, {.dtype = boolean}), DTypeError);
  CHECK(error_of<ValueError>([] { arange(0.0, 1e300); }) == "arange: 0 to 1e+300 by 1 are too many numbers");
}

TEST_CASE("arange of large integers is exact") {
  const int64_t start = (int64_t{1} << 60) + 1;
  CHECK(ints(arange(start, start + 3)) == Ints{start, start + 1, start + 2});
  CHECK(ints(arange(start + 2, start, -1)) == Ints{start + 2, start + 1});
  CHECK(ints(arange(kLeast, kMost, kMost)) == Ints{kLeast, -1, kMost - 1});
  CHECK(ints(arange(0, kMost, kMost)) == Ints{0});
  CHECK(ints(arange(kMost, kLeast, kLeast)) == Ints{kMost, -1});
  CHECK_THROWS_AS(arange(start + 1, start), ValueError);
  CHECK_THROWS_AS(arange(kLeast, kMost), ValueError);
}

TEST_CASE("linspace meets both ends") {
  CHECK(values(linspace(0, 1, 5)) == Values{0, 0.25, 0.5, 0.75, 1});
  CHECK(values(linspace(3, 3, 2)) == Values{3, 3});
  CHECK(values(linspace(2, 9, 1)) == Values{2});
  CHECK(linspace(0, 1, 0).shape().str() == "[0]");
  CHECK(linspace(0, 1, 4).dtype() == float32);
  const Tensor x = linspace(-0.1, 0.7, 8, {.dtype = float64});
  CHECK(x[0].item() == -0.1);
  CHECK(x[-1].item() == 0.7);
  CHECK(error_of<ValueError>([] { linspace(0, 1, -1); }) == "linspace: -1 steps; ask for none or more");
}

TEST_CASE("the _like functions take over shape and dtype, and may be given another dtype") {
  const Tensor x = zeros({2, 3}, {.dtype = float64, .requires_grad = true}).t();
  for (const Tensor& y : {empty_like(x), zeros_like(x), ones_like(x), full_like(x, 2), rand_like(x), randn_like(x)}) {
    CHECK(y.shape() == x.shape());
    CHECK(y.dtype() == float64);
    CHECK(!y.requires_grad());
    CHECK(y.is_contiguous());
  }
  CHECK(full_like(x, 2)[0][0].item() == 2);
  CHECK(ones_like(x, {.dtype = int64}).dtype() == int64);
  CHECK(zeros_like(x, {.requires_grad = true}).requires_grad());
  CHECK_THROWS_AS(zeros_like(Tensor()), StateError);
}

TEST_CASE("elements are converted as C++ converts them, bool by \"is not zero\"") {
  CHECK(ints(tensor({1.7, -1.7, 0.0}).to(int64)) == Ints{1, -1, 0});
  CHECK(tensor({0.5, 0.0, -1.0}).to(boolean).to_vector<bool>() == std::vector<bool>{true, false, true});
  CHECK(tensor({op_test::kNan}).to(boolean).item<bool>());
  CHECK(values(tensor({true, false}).to(float64)) == Values{1, 0});
  CHECK(tensor(0.1).item<float>() == 0.1F);
  CHECK(tensor(3).item<double>() == 3.0);
  CHECK(tensor({1, 0}).to_vector<bool>() == std::vector<bool>{true, false});
}

TEST_CASE("what an integer cannot hold is refused where an integer is asked for") {
  using gradus::ValueError;
  CHECK(error_of<ValueError>([] { gradus::tensor({kNan}).item<int64_t>(); }) ==
        "item: nan is no number that int64 holds; ask for a double");
  CHECK_THROWS_AS(gradus::tensor({1e30}).item<int64_t>(), ValueError);
  CHECK_THROWS_AS(gradus::tensor({int64_t{1} << 40}).item<int>(), ValueError);
  CHECK_THROWS_AS(gradus::tensor({-1}).item<uint32_t>(), ValueError);
  CHECK_THROWS_AS(gradus::tensor({1.0, -kInf}).to_vector<int64_t>(), ValueError);
  CHECK(gradus::tensor({-2.9}).item<int>() == -2);
  CHECK(gradus::tensor({std::numeric_limits<int64_t>::min()}).item<int64_t>() == std::numeric_limits<int64_t>::min());
  CHECK(gradus::tensor({std::numeric_limits<int64_t>::max()}).item<uint64_t>() == (uint64_t{1} << 63) - 1);
  CHECK(gradus::tensor({true}).item<int>() == 1);
  CHECK(gradus::tensor({kNan}).item<bool>());
  CHECK(gradus::tensor({2.5, -7.0}).to_vector<int64_t>() == std::vector<int64_t>{2, -7});
}

TEST_CASE("uniform_ refuses a range that is wider than its dtype holds") {
  CHECK_THROWS_AS(gradus::zeros(2).uniform_(-3e38, 3e38), gradus::ValueError);
  CHECK((gradus::zeros(9, {.dtype = gradus::float64}).uniform_(-3e38, 3e38).abs() <= 3e38).all().item<bool>());
}
