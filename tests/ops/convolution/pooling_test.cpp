#include "gradus/creation.h"
#include "gradus/ops/convolution.h"
#include "ops/op_test.h"

using namespace op_test;

namespace {

Tensor sequence() { return gradus::tensor({{1.0, 5.0, 2.0, 4.0, 3.0}}); }

}  // namespace

TEST_CASE("max_pool takes the largest of each window and says where it was") {
  CHECK(values(gradus::max_pool1d(sequence(), 2)) == Values{5, 4});
  CHECK(values(gradus::max_pool1d(sequence(), 2, 1)) == Values{5, 5, 4, 4});
  CHECK(values(gradus::max_pool1d(sequence(), 2, {}, 0, 1, true)) == Values{5, 4, 3});
  CHECK(values(gradus::max_pool1d(sequence(), 2, 2, 1, 3)) == Values{2, 5});
  const gradus::ValuesIndices y = gradus::max_pool2d_with_indices(gradus::tensor({{{1.0, 2.0}, {7.0, 3.0}}}), 2);
  CHECK(values(y.values) == Values{7});
  CHECK(ints(y.indices) == Ints{2});
}

TEST_CASE("max_pool prefers the first among equals, and a NaN to any number") {
  const gradus::ValuesIndices y = gradus::max_pool1d_with_indices(gradus::tensor({{2.0, 2.0, kNan, 9.0}}), 2, 1);
  CHECK(ints(y.indices) == Ints{0, 2, 2});
  check_equal(y.values, gradus::tensor({{2.0, kNan, kNan}}));
}

TEST_CASE("avg_pool counts padding as zeros, or not at all") {
  CHECK(values(gradus::avg_pool1d(sequence(), 2)) == Values{3, 3});
  CHECK(values(gradus::avg_pool1d(sequence(), 2, 2, 1)) == Values{0.5, 3.5, 3.5});
  CHECK(values(gradus::avg_pool1d(sequence(), 2, 2, 1, false, false)) == Values{1, 3.5, 3.5});
  CHECK(values(gradus::avg_pool1d(sequence(), 2, {}, 0, true)) == Values{3, 3, 3});
  CHECK(values(gradus::avg_pool2d(gradus::ones({1, 2, 2}), 2, {}, 0, false, true, 8)) == Values{0.5});
  CHECK(ints(gradus::avg_pool1d(gradus::tensor({{-3, 0, 5, 2}}), 2)) == Ints{-1, 3});
}

TEST_CASE("adaptive pooling gives the size that was asked for") {
  CHECK(values(gradus::adaptive_avg_pool1d(sequence() * 3, 2)) == Values{8, 9});
  CHECK(values(gradus::adaptive_max_pool1d(sequence(), 3)) == Values{5, 5, 4});
  const Tensor image = gradus::randn({2, 3, 4, 5});
  check_equal(gradus::adaptive_avg_pool2d(image, {4, std::nullopt}), image);
  CHECK(gradus::adaptive_max_pool2d(image, {7, 1}).shape() == Shape{2, 3, 7, 1});
  CHECK(gradus::adaptive_avg_pool2d(image, 0).shape() == Shape{2, 3, 0, 0});
}

TEST_CASE("writing into the indices that max_pool gave is noticed by its gradient") {
  const Tensor x = input({1, 1, 4});
  const gradus::ValuesIndices y = gradus::max_pool1d_with_indices(x, 2);
  y.indices.fill_(100);
  CHECK_THROWS_AS(y.values.sum().backward(), gradus::AutogradError);
}

TEST_CASE("pooling names what it cannot take") {
  const Tensor x = gradus::zeros({1, 2, 5});
  CHECK(error_of<gradus::ValueError>([&] { gradus::max_pool1d(x, 2, 1, 2); }) ==
        "max_pool1d: padding 2 is more than half of the kernel_size 2");
  CHECK(error_of<gradus::ShapeError>([&] { gradus::avg_pool1d(x, 6); }) ==
        "avg_pool1d: a window that reaches over 6 elements has no place in 5 with 0 of padding at both ends");
  CHECK_THROWS_AS(gradus::max_pool1d(gradus::zeros({1, 1, 1}), 3, 5, 1, 3, true), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::max_pool1d(x, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::max_pool1d(x, 2, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::max_pool1d(x, 2, 1, -1), gradus::ValueError);
  CHECK_THROWS_AS(gradus::max_pool1d(x, 2, 1, 0, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::max_pool1d(x, {2, 2}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::max_pool2d(gradus::zeros({4, 5}), 2), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::max_pool1d(gradus::zeros({1, 0, 5}), 2), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::max_pool1d(x.to(gradus::int64), 2), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::avg_pool2d(x, 2, {}, 0, false, true, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::adaptive_avg_pool1d(x, -1), gradus::ValueError);
  CHECK_THROWS_AS(gradus::adaptive_avg_pool1d(Tensor(), 1), gradus::StateError);
}

TEST_CASE("adaptive pooling refuses more outputs than it has room for") {
  CHECK(error_of<gradus::ValueError>([] { gradus::adaptive_avg_pool1d(sequence(), int64_t{1} << 40); }) ==
        "adaptive_avg_pool1d: output_size is 1099511627776; give at most 16777216");
  CHECK_THROWS_AS(gradus::adaptive_max_pool1d(sequence(), int64_t{1} << 62), gradus::ValueError);
}
