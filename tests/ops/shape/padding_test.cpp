#include "gradus/creation.h"
#include "gradus/ops/shape.h"
#include "ops/op_test.h"

using namespace op_test;

TEST_CASE("pad shows the input's own elements around it") {
  const Tensor x = gradus::tensor({{{1, 2, 3, 4}}}).to(gradus::float64);
  CHECK(values(gradus::pad(x, {2, 1}, "reflect")) == Values{3, 2, 1, 2, 3, 4, 3});
  CHECK(values(gradus::pad(x, {2, 1}, "replicate")) == Values{1, 1, 1, 2, 3, 4, 4});
  CHECK(values(gradus::pad(x, {2, 1}, "circular")) == Values{3, 4, 1, 2, 3, 4, 1});
  CHECK(values(gradus::pad(x, {-1, 2}, "circular")) == Values{2, 3, 4, 2, 3});
  CHECK(values(gradus::pad(x, {2, 1}, "constant", 9)) == Values{9, 9, 1, 2, 3, 4, 9});
}

TEST_CASE("pad names what it cannot do") {
  const Tensor x = gradus::zeros({1, 1, 4});
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::pad(x, {4, 0}, "reflect");
        }) == "pad: dimension 2 of shape [1, 1, 4] cannot be padded by 4 and 0 in mode \"reflect\": too few elements, or none left");
  CHECK_THROWS_AS(gradus::pad(x, {5, 0}, "circular"), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::pad(x, {4, -4}, "circular"), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::pad(x, {-2, -2}, "replicate"), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::pad(gradus::zeros(4), {1, 1}, "replicate"), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::pad(gradus::zeros({1, 4}), {1, 1}, "circular"), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::pad(x, {1, 1}, "reflect", 2), gradus::ValueError);
  CHECK_THROWS_AS(gradus::pad(x, {1, 1}, "everywhere"), gradus::ValueError);
  CHECK_THROWS_AS(gradus::pad(x.to(gradus::int64), {1, 1}, "reflect"), gradus::DTypeError);
}
