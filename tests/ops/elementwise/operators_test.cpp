#include "gradus/operators.h"

#include "ops/op_test.h"

using namespace gradus;
using op_test::Bools;
using op_test::bools;
using op_test::error_of;
using op_test::Ints;
using op_test::ints;

TEST_CASE("comparison operators compare element by element, with numbers on either side") {
  const Tensor x = tensor({1.0, 2.0, 3.0}), y = tensor({3.0, 2.0, 1.0});
  CHECK(bools(x == y) == Bools{false, true, false});
  CHECK(bools(x != y) == Bools{true, false, true});
  CHECK(bools(x < y) == Bools{true, false, false});
  CHECK(bools(x <= y) == Bools{true, true, false});
  CHECK(bools(x > y) == Bools{false, false, true});
  CHECK(bools(x >= y) == Bools{false, true, true});
  CHECK(bools(x > 2) == Bools{false, false, true});
  CHECK(bools(2 > x) == Bools{true, false, false});
  CHECK(bools(x >= 2.0) == Bools{false, true, true});
  CHECK(bools(2 >= x) == Bools{true, true, false});
  CHECK(bools(2 < x) == bools(x > 2));
  CHECK(bools(2 <= x) == bools(x >= 2));
  CHECK(bools(x < 2) == bools(2 > x));
  CHECK(bools(x <= 2) == bools(2 >= x));
  CHECK(bools(x == 2) == Bools{false, true, false});
  CHECK(bools(2 == x) == bools(x == 2));
  CHECK(bools(x != 2) == bools(2 != x));
  CHECK(bools(tensor({{1}, {2}}) == tensor({1, 2})) == Bools{true, false, false, true});
  CHECK(bools(tensor({true, false}) == true) == Bools{true, false});
  CHECK_FALSE((x.requires_grad_() > 0).requires_grad());
}

TEST_CASE("logical operators work on bool as such and on int64 bit by bit, as PyTorch's") {
  const Tensor a = tensor({true, true, false, false}), b = tensor({true, false, true, false}), n = tensor({5, 6});
  CHECK(bools(~a) == Bools{false, false, true, true});
  CHECK(bools(a & b) == Bools{true, false, false, false});
  CHECK(bools(a | b) == Bools{true, true, true, false});
  CHECK(bools(a ^ b) == Bools{false, true, true, false});
  CHECK(bools(a & true) == bools(a));
  CHECK(bools(true ^ a) == bools(~a));
  CHECK(ints(~n) == Ints{-6, -7});
  CHECK(ints(n & tensor({4, 3})) == Ints{4, 2});
  CHECK(ints(n | 3) == Ints{7, 7});
  CHECK(ints(1 & n) == Ints{1, 0});
  CHECK(ints(n ^ true) == Ints{4, 7});
  CHECK((tensor({true, false}) & n).dtype() == int64);
  CHECK(ints(tensor({true, false}) | 2) == Ints{3, 2});
  const Tensor x = tensor({-1.0, 0.5, 2.0});
  CHECK(bools((x > 0) & (x < 1)) == Bools{false, true, false});
  CHECK(bools(~(x > 0)) == Bools{true, false, false});
}

TEST_CASE("logical operators refuse floating-point numbers and say what to do") {
  const Tensor x = tensor({1.0, 2.0});
  CHECK(error_of<DTypeError>([&] { x& x; }) == "bitwise_and: takes bool or int64, got float32; compare first, as in (x > 0) & (y > 0)");
  CHECK_THROWS_AS(~x, DTypeError);
  CHECK_THROWS_AS(tensor({1, 2}) | 0.5, DTypeError);
  CHECK_THROWS_AS(tensor({true}) ^ x, DTypeError);
  CHECK_THROWS_AS(~Tensor(), StateError);
  CHECK_THROWS_AS(static_cast<void>(Tensor() == x), StateError);
  CHECK_THROWS_AS(static_cast<void>(x == Tensor()), StateError);
  CHECK_THROWS_AS(tensor({true, false}) & tensor({true, false, true}), ShapeError);
}

TEST_CASE("logical operators in place change the tensor and keep its dtype") {
  Tensor m = tensor({true, true, false});
  const Tensor same = m;
  m &= tensor({true, false, true});
  CHECK(bools(same) == Bools{true, false, false});
  m |= tensor({false, false, true});
  CHECK(bools(same) == Bools{true, false, true});
  m ^= tensor({true, true, true});
  CHECK(bools(same) == Bools{false, true, false});
  CHECK_THROWS_AS(m &= tensor({1, 2, 3}), DTypeError);
  CHECK(bools(same) == Bools{false, true, false});
}
