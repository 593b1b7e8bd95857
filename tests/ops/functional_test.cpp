#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "ops/op_test.h"

using namespace op_test;

TEST_CASE("pad puts a value around and takes elements away") {
  const Tensor x = gradus::tensor({{1, 2, 3}, {4, 5, 6}});
  check_equal(gradus::pad(x, {1, 0}), gradus::tensor({{0, 1, 2, 3}, {0, 4, 5, 6}}));
  check_equal(gradus::pad(x, {-1, 1, 1, -1}, "constant", 9), gradus::tensor({{9, 9, 9}, {2, 3, 9}}));
  CHECK(gradus::pad(x, {0, 0}).shares_storage_with(x) == false);
}

TEST_CASE("pad refuses lists that do not fit the shape, and other modes") {
  const Tensor x = gradus::zeros({2, 3});
  CHECK_THROWS_AS(gradus::pad(x, {1}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::pad(x, {1, 1, 1, 1, 1, 1}), gradus::ShapeError);
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::pad(x, {-2, -2});
        }) == "pad: -2 and -2 take more than the 3 elements of dimension 1 of shape [2, 3]");
  CHECK(error_of<gradus::ValueError>([&] {
          gradus::pad(x, {1, 1}, "mirror");
        }) == "pad: mode is \"mirror\"; it must be \"constant\", \"reflect\", \"replicate\" or \"circular\"");
}

TEST_CASE("pad refuses sizes that do not fit into an integer") {
  CHECK_THROWS_AS(gradus::pad(gradus::zeros({2}), {std::numeric_limits<int64_t>::max(), 5}), gradus::Error);
  CHECK_THROWS_AS(gradus::pad(gradus::zeros({2}), {std::numeric_limits<int64_t>::min(), 0}), gradus::Error);
}

TEST_CASE("glu, normalize and cosine_similarity name what does not fit") {
  CHECK(error_of<gradus::ShapeError>([] {
          gradus::glu(gradus::zeros({2, 3}));
        }) == "glu: shape [2, 3] has 3 elements along dimension 1, which do not halve");
  CHECK_THROWS_AS(gradus::glu(gradus::tensor(1.0)), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::glu(gradus::tensor({1, 2})), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::normalize(gradus::tensor({{1, 2}})), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::cosine_similarity(gradus::tensor({{1, 2}}), gradus::tensor({{1, 2}})), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::cosine_similarity(gradus::zeros({2, 3}), gradus::zeros({2, 4})), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::normalize(Tensor()), gradus::StateError);
}

TEST_CASE("hstack and vstack refuse an empty list, and shapes that do not meet") {
  CHECK_THROWS_AS(gradus::hstack({}), gradus::ValueError);
  CHECK_THROWS_AS(gradus::vstack({}), gradus::ValueError);
  CHECK_THROWS_AS(gradus::hstack({gradus::zeros({2, 3}), gradus::zeros({3, 3})}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::vstack({gradus::zeros({2, 3}), gradus::zeros({4})}), gradus::ShapeError);
}

TEST_CASE("index_put leaves its input as it was and needs values of its dtype") {
  const Tensor x = gradus::zeros({3});
  check_equal(gradus::index_put(x, {gradus::tensor({2, 0})}, gradus::tensor({5.0, 6.0})), gradus::tensor({6.0, 0.0, 5.0}));
  check_equal(gradus::index_put(x, {gradus::tensor({1, 1})}, gradus::ones({2}), true), gradus::tensor({0.0, 2.0, 0.0}));
  check_equal(x, gradus::zeros({3}));
  CHECK(error_of<gradus::DTypeError>([&] { gradus::index_put(x, {gradus::tensor({1})}, gradus::tensor({1})); }) ==
        "index_put: values are int64, x is float32; convert one of them with .to()");
}
