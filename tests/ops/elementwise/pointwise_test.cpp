
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::bools;
using op_test::error_of;
using op_test::Ints;
using op_test::ints;
using op_test::kInf;
using op_test::kLeast;
using op_test::kMost;
using op_test::kNan;
using op_test::Values;
using op_test::values;

namespace {

constexpr DType kDTypes[] = {boolean, int64, float32, float64};

}  // namespace

TEST_CASE("tensors with dimensions meet in the larger dtype") {
  for (const DType a : kDTypes)
    for (const DType b : kDTypes) {
      const Tensor x = ones({2}, {.dtype = a}), y = ones({2}, {.dtype = b});
      const DType meets = std::max(a, b);
      CHECK(add(x, y).dtype() == meets);
      CHECK(mul(x, y).dtype() == meets);
      CHECK(div(x, y).dtype() == std::max(meets, float32));
      CHECK(eq(x, y).dtype() == boolean);
      CHECK(where(ones({2}, {.dtype = boolean}), x, y).dtype() == meets);
    }
}

TEST_CASE("a scalar tensor does not widen one with dimensions of its kind") {
  const Tensor single = ones({2}), wide = tensor(1.0, {.dtype = float64});
  CHECK((single + wide).dtype() == float32);
  CHECK((wide + single).dtype() == float32);
  CHECK((ones({2}, {.dtype = int64}) + wide).dtype() == float64);
  CHECK((ones({2}, {.dtype = float64}) + tensor(1.0)).dtype() == float64);
  CHECK((tensor(1.0) + wide).dtype() == float64);
  CHECK((tensor(1) + ones({2}, {.dtype = boolean})).dtype() == int64);
}

TEST_CASE("a number widens a tensor only to another kind") {
  CHECK((ones({2}) + 1).dtype() == float32);
  CHECK((ones({2}) + 1.5).dtype() == float32);
  CHECK((ones({2}, {.dtype = float64}) * 1.5).dtype() == float64);
  CHECK((ones({2}, {.dtype = int64}) + 1).dtype() == int64);
  CHECK((ones({2}, {.dtype = int64}) + 1.5).dtype() == float32);
  CHECK((ones({2}, {.dtype = int64}) / 2).dtype() == float32);
  CHECK((ones({2}, {.dtype = boolean}) + 1).dtype() == int64);
  CHECK((ones({2}, {.dtype = boolean}) + true).dtype() == boolean);
  CHECK(values(tensor({1, 2}) + 0.5) == Values{1.5, 2.5});
  CHECK(values(1 - tensor({1, 2})) == Values{0, -1});
  CHECK(values(2 / tensor({1, 4})) == Values{2, 0.5});
}

TEST_CASE("shapes broadcast, and those that do not are named") {
  CHECK((zeros({2, 1}) + zeros({3})).shape().str() == "[2, 3]");
  CHECK((zeros({0, 3}) + zeros({1, 3})).shape().str() == "[0, 3]");
  CHECK(ints(tensor({{1}, {2}}) + tensor({10, 20})) == Ints{11, 21, 12, 22});
  const std::string rule = "shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 at dimension -1 (from the end) must be equal or 1";
  const Tensor x = zeros({2, 3}), y = zeros({4});
  CHECK(error_of<ShapeError>([&] { x + y; }) == "add: " + rule);
  CHECK(error_of<ShapeError>([&] { x - y; }) == "sub: " + rule);
  CHECK(error_of<ShapeError>([&] { x* y; }) == "mul: " + rule);
  CHECK(error_of<ShapeError>([&] { x / y; }) == "div: " + rule);
  CHECK(error_of<ShapeError>([&] { pow(x, y); }) == "pow: " + rule);
  CHECK(error_of<ShapeError>([&] { lt(x, y); }) == "lt: " + rule);
  CHECK(error_of<ShapeError>([&] { logical_and(x, y); }) == "logical_and: " + rule);
  CHECK(error_of<ShapeError>([&] { masked_fill(x, y.gt(0), 0); }) == "masked_fill: " + rule);
  CHECK_THROWS_AS(where(x.gt(0), x, y), ShapeError);
}

TEST_CASE("long rows that are strided, or one number, give what dense ones give, bit by bit") {
  const Tensor x = randn({3, 2602}), column = randn({3, 1}), mask = x.gt(0);
  const auto odd = [](const Tensor& t) { return t.slice(1, 1, 2602, 2); };  // 1301 elements in a row, every other one
  const auto same = [](const Tensor& a, const Tensor& b) { return equal(a, b.clone()); };
  const Tensor dense = odd(x).clone(), spread = column.expand({3, 1301}).clone();
  CHECK(same(tanh(odd(x)), tanh(dense)));
  CHECK(same(add(odd(x), column), add(dense, spread)));
  CHECK(same(sub(column, odd(x)), sub(spread, dense)));
  CHECK(same(maximum(dense, column), maximum(dense, spread)));
  CHECK(same(gt(odd(x), column), gt(dense, spread)));
  CHECK(same(where(odd(mask), odd(x), column), where(odd(mask).clone(), dense, spread)));
  Tensor y = x.clone();
  odd(y).add_(odd(x), 2.0);
  CHECK(same(odd(y), dense.clone().add_(dense, 2.0)));
  CHECK(same(y.slice(1, 0, 2602, 2), x.slice(1, 0, 2602, 2)));
}

TEST_CASE("strided, expanded and empty operands give what dense ones give") {
  const Tensor x = randn({6, 8}), y = randn({8, 6});
  CHECK(equal(x.t() + y, x.t().clone() + y));
  const Tensor window = x.slice(1, 1, 8, 3).slice(0, 0, 6, 2);
  CHECK(allclose(tanh(window), tanh(window.clone()), 1e-6, 0));
  CHECK(equal(window * x[0].slice(0, 0, 3), window.clone() * x[0].slice(0, 0, 3).clone()));
  CHECK(allclose(exp(x[0].expand({3, 8})), exp(x[0].expand({3, 8}).clone()), 1e-6, 0));
  CHECK(exp(zeros({0, 2})).shape().str() == "[0, 2]");
}

TEST_CASE("integers wrap around on overflow, also the smallest") {
  CHECK((tensor(kMost) + 1).item<int64_t>() == kLeast);
  CHECK((tensor(kLeast) - 1).item<int64_t>() == kMost);
  CHECK((tensor(kMost) * 2).item<int64_t>() == -2);
  CHECK((-tensor(kLeast)).item<int64_t>() == kLeast);
  CHECK(abs(tensor(kLeast)).item<int64_t>() == kLeast);
  CHECK(pow(tensor(3), 41).item<int64_t>() == static_cast<int64_t>(18026252303461234787ULL));
}

TEST_CASE("division of integers is that of real numbers, so nothing traps") {
  CHECK(values(tensor({1, -1, 0}) / tensor({0, 0, 1})) == Values{kInf, -kInf, 0});
  CHECK(std::isnan((tensor({0}) / 0).item()));
  CHECK((tensor({kLeast}) / -1).item() == doctest::Approx(0x1p63));
  CHECK((tensor({7}) / 2).item() == 3.5);
}

TEST_CASE("powers") {
  CHECK(ints(pow(tensor({2, -3, 0}), 3)) == Ints{8, -27, 0});
  CHECK(pow(tensor({2, 5}), 0).dtype() == int64);
  CHECK(values(pow(2, tensor({0, 3}))) == Values{1, 8});
  CHECK(values(pow(tensor({4.0}), 0.5)) == Values{2});
  CHECK(std::isnan(pow(tensor({-1.0}), 0.5).item()));
  CHECK(error_of<ValueError>([] { pow(tensor({2}), -1); }) ==
        "pow: integers have no negative powers, got -1; convert with .to(gradus::float32)");
  CHECK(error_of<ValueError>([] {
          pow(tensor({2, 2}), tensor({1, -1}));
        }) == "pow: integers have no negative powers; convert with .to(gradus::float32)");
  CHECK_THROWS_AS(pow(tensor({true}), tensor({true})), DTypeError);
}

TEST_CASE("functions of real numbers take integers, and keep to IEEE at their ends") {
  CHECK(exp(tensor({0, 1})).dtype() == float32);
  CHECK(sqrt(tensor({4, 9})).dtype() == float32);
  for (const DType dtype : {float32, float64}) {
    const Tensor x = tensor({0.0, -1.0, kInf, kNan}, {.dtype = dtype});
    const Values logs = values(log(x));
    CHECK(logs[0] == -kInf);
    CHECK(std::isnan(logs[1]));
    CHECK(logs[2] == kInf);
    CHECK(std::isnan(logs[3]));
    CHECK(std::isnan(sqrt(x)[1].item()));
    CHECK(values(exp(tensor({kInf, -kInf}, {.dtype = dtype}))) == Values{kInf, 0});
    CHECK(values(tanh(tensor({kInf, -kInf}, {.dtype = dtype}))) == Values{1, -1});
    CHECK(values(sigmoid(tensor({kInf, -kInf}, {.dtype = dtype}))) == Values{1, 0});
    CHECK(std::isnan(relu(x)[3].item()));
    CHECK(std::isnan(clamp(x, 0, 1)[3].item()));
  }
  CHECK(std::signbit((-tensor(0.0)).item()));
  CHECK(ints(-tensor({0, 5})) == Ints{0, -5});
}

TEST_CASE("comparisons give bool, compare across dtypes, and NaN is unequal to all") {
  const Tensor x = tensor({1, 2, 3}), y = tensor({1.0, 2.5, 2.0});
  CHECK(bools(eq(x, y)) == std::vector<bool>{true, false, false});
  CHECK(bools(ne(x, y)) == std::vector<bool>{false, true, true});
  CHECK(bools(lt(x, y)) == std::vector<bool>{false, true, false});
  CHECK(bools(le(x, y)) == std::vector<bool>{true, true, false});
  CHECK(bools(gt(x, y)) == std::vector<bool>{false, false, true});
  CHECK(bools(ge(x, 2)) == std::vector<bool>{false, true, true});
  CHECK(bools(x.gt(1.5)) == std::vector<bool>{false, true, true});
  const Tensor nan = tensor({kNan});
  CHECK(!eq(nan, nan).item<bool>());
  CHECK(ne(nan, nan).item<bool>());
  CHECK(!le(nan, nan).item<bool>());
  CHECK(bools(isnan(tensor({kNan, kInf, 1.0}))) == std::vector<bool>{true, false, false});
  CHECK(bools(isfinite(tensor({kNan, -kInf, 1.0}))) == std::vector<bool>{false, false, true});
  CHECK(bools(isfinite(tensor({1, 2}))) == std::vector<bool>{true, true});
  CHECK(!gt(randn({2}, {.requires_grad = true}), 0).requires_grad());
}

TEST_CASE("logical functions see whether a number is not zero") {
  CHECK(bools(logical_not(tensor({0.0, 0.5, kNan}))) == std::vector<bool>{true, false, false});
  CHECK(bools(logical_and(tensor({1, 0, 2}), tensor({0.5, 1.0, 1.0}))) == std::vector<bool>{true, false, true});
  CHECK(bools(logical_or(tensor({false, true}), tensor({0, 0}))) == std::vector<bool>{false, true});
}

TEST_CASE("where and masked_fill take bool conditions only") {
  CHECK(values(where(tensor({true, false}), tensor({1.0, 2.0}), 5.0)) == Values{1, 5});
  CHECK(values(where(tensor({true, false}), 7, tensor({1, 2}))) == Values{7, 2});
  CHECK(values(masked_fill(tensor({{1.0, 2.0}, {3.0, 4.0}}), tensor({false, true}), kInf)) == Values{1, kInf, 3, kInf});
  CHECK(error_of<DTypeError>([] { where(tensor({1}), tensor({1}), tensor({2})); }) ==
        "where: the condition must be bool, got int64; compare, as in x > 0");
  CHECK(error_of<DTypeError>([] { masked_fill(zeros({2}), zeros({2}), 1); }) ==
        "masked_fill: the mask must be bool, got float32; compare, as in x > 0");
  CHECK_THROWS_AS(masked_fill(tensor({1}), tensor({true}), 0.5), DTypeError);
  CHECK(masked_fill(zeros({2}), full({3, 2}, true), 1).shape().str() == "[3, 2]");
  CHECK_THROWS_AS(zeros({2}).masked_fill_(full({3, 2}, true), 1), ShapeError);
}

TEST_CASE("what has no meaning for bool is refused") {
  const Tensor x = tensor({true, false});
  CHECK(error_of<DTypeError>([&] { x - x; }).find("sub: not defined for bool; use logical_not or ne") == 0);
  CHECK(error_of<DTypeError>([&] { -x; }) == "neg: not defined for bool; use logical_not");
  CHECK_THROWS_AS(abs(x), DTypeError);
  CHECK_THROWS_AS(relu(x), DTypeError);
  CHECK_THROWS_AS(clamp(x, false), DTypeError);
}

TEST_CASE("clamp needs a bound, and alpha fits the result") {
  CHECK(error_of<ValueError>([] { clamp(zeros({2}), std::nullopt); }) == "clamp: give a min, a max or both");
  CHECK(values(clamp(tensor({-1.0, 0.5, 2.0}), 0, 1)) == Values{0, 0.5, 1});
  CHECK(values(clamp(tensor({-1.0, 2.0}), {}, 1)) == Values{-1, 1});
  CHECK(values(clamp(tensor({0.0}), 2, 1)) == Values{1});
  CHECK(values(add(tensor({1.0, 2.0}), tensor({10.0, 20.0}), 0.5)) == Values{6, 12});
  CHECK(values(sub(tensor({1.0}), tensor({10.0}), 2)) == Values{-19});
  CHECK(error_of<DTypeError>([] { add(tensor({1}), tensor({1}), 0.5); }) ==
        "add: alpha is a floating-point number, but the result is int64; convert the tensors first");
}

TEST_CASE("a change in place keeps dtype and shape, and refuses what would change them") {
  const Tensor x = tensor({1, 2});
  CHECK(error_of<DTypeError>([&] { x.add_(0.5); }) ==
        "add_: a result of dtype float32 does not fit into a tensor of dtype int64; convert one of them with .to()");
  CHECK_THROWS_AS(x.div_(2), DTypeError);
  CHECK_THROWS_AS(x.mul_(tensor({1.5, 1.5})), DTypeError);
  CHECK_THROWS_AS(x.exp_(), DTypeError);
  CHECK_THROWS_AS(x.fill_(0.5), DTypeError);
  CHECK(error_of<ShapeError>([&] {
          x.add_(zeros({3, 2}, {.dtype = int64}));
        }) == "add_: the result has shape [3, 2], but the tensor changed in place has [2]");
  CHECK_THROWS_AS(x.copy_(zeros({3})), ShapeError);
  CHECK(ints(x) == Ints{1, 2});
  CHECK(x.version() == 0);
  const Tensor single = ones({2});
  single.add_(ones({2}, {.dtype = float64}));
  CHECK(single.dtype() == float32);
  CHECK(values(single) == Values{2, 2});
}

TEST_CASE("every change in place gives what its operation gives, and returns the tensor") {
  const Tensor x = rand({3, 4}) + 0.5, y = rand({4}) + 0.5;
  const auto check = [&](const Tensor& expected, auto change) {
    const Tensor z = x.clone();
    const uint32_t version = z.version();
    const Tensor& returned = change(z);
    CHECK(returned.is_same(z));
    CHECK(equal(z, expected));
    CHECK(z.version() == version + 1);
  };
  check(x + y, [&](const Tensor& z) -> const Tensor& { return z.add_(y); });
  check(add(x, x, 3), [&](const Tensor& z) -> const Tensor& { return z.add_(x, 3); });
  check(x + 2, [&](const Tensor& z) -> const Tensor& { return z.add_(2); });
  check(x - y, [&](const Tensor& z) -> const Tensor& { return z.sub_(y); });
  check(x - 2, [&](const Tensor& z) -> const Tensor& { return z.sub_(2); });
  check(x * y, [&](const Tensor& z) -> const Tensor& { return z.mul_(y); });
  check(x * 2, [&](const Tensor& z) -> const Tensor& { return z.mul_(2); });
  check(x / y, [&](const Tensor& z) -> const Tensor& { return z.div_(y); });
  check(x / 2, [&](const Tensor& z) -> const Tensor& { return z.div_(2); });
  check(-x, [&](const Tensor& z) -> const Tensor& { return z.neg_(); });
  check(exp(x), [&](const Tensor& z) -> const Tensor& { return z.exp_(); });
  check(sqrt(x), [&](const Tensor& z) -> const Tensor& { return z.sqrt_(); });
  check(tanh(x), [&](const Tensor& z) -> const Tensor& { return z.tanh_(); });
  check(sigmoid(x), [&](const Tensor& z) -> const Tensor& { return z.sigmoid_(); });
  check(relu(x), [&](const Tensor& z) -> const Tensor& { return z.relu_(); });
  check(clamp(x, 0.6, 1), [&](const Tensor& z) -> const Tensor& { return z.clamp_(0.6, 1); });
  check(masked_fill(x, x.gt(1), 9), [&](const Tensor& z) -> const Tensor& { return z.masked_fill_(x.gt(1), 9); });
  check(full({3, 4}, 4.5), [&](const Tensor& z) -> const Tensor& { return z.fill_(4.5); });
  check(zeros({3, 4}), [&](const Tensor& z) -> const Tensor& { return z.zero_(); });
  check(y.expand({3, 4}), [&](const Tensor& z) -> const Tensor& { return z.copy_(y); });
}

TEST_CASE("the assignment operators change in place") {
  Tensor x = tensor({1.0, 2.0});
  const Tensor same = x;
  x += 1;
  x *= tensor({2.0, 3.0});
  x -= tensor({1.0, 1.0});
  x /= 2;
  CHECK(values(same) == Values{1.5, 4});
  x += tensor({1.0, 1.0});
  x -= 1;
  x *= 2;
  x /= tensor({3.0, 8.0});
  CHECK(values(same) == Values{1, 1});
}

TEST_CASE("a tensor can be changed by itself or by a view of itself") {
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
  x.add_(x);
  CHECK(values(x) == Values{2, 4, 6, 8});
  x.add_(x.t());
  CHECK(values(x) == Values{4, 10, 10, 16});
  x.copy_(x.clone().t());
  x.mul_(x[0]);
  CHECK(values(x) == Values{16, 100, 40, 160});
  x.copy_(x.t());
  CHECK(values(x) == Values{16, 40, 100, 160});
}

TEST_CASE("integers at the ends of int64 have PyTorch's results, and where it traps the mathematical ones") {
  const Tensor least = tensor({kLeast}), most = tensor({kMost});
  CHECK(ints(remainder(least, -1)) == Ints{0});
  CHECK(ints(remainder(least, tensor({-1}))) == Ints{0});
  CHECK(ints(fmod(least, -1)) == Ints{0});
  CHECK(ints(remainder(most, -1)) == Ints{0});
  CHECK(ints(remainder(least, kMost)) == Ints{kMost - 1});
  CHECK(ints(fmod(least, kMost)) == Ints{-1});
  CHECK(ints(remainder(most, kLeast)) == Ints{-1});
  CHECK(ints(remainder(least, kLeast)) == Ints{0});
  CHECK(ints(floor_divide(least, kMost)) == Ints{-2});
  CHECK(ints(div(least, kMost, "trunc")) == Ints{-1});
  CHECK(error_of<ValueError>([&] { floor_divide(least, -1); }) ==
        "div: -9223372036854775808 / -1 at [0] is beyond int64; convert with .to(gradus::float64)");
  CHECK_THROWS_AS(div(least, -1, "trunc"), ValueError);
  CHECK_THROWS_AS(remainder(least, 0), ValueError);
  CHECK_THROWS_AS(fmod(least, 0), ValueError);
  CHECK(ints(abs(least)) == Ints{kLeast});
  CHECK(ints(neg(least)) == Ints{kLeast});
  CHECK(ints(sign(least)) == Ints{-1});
  CHECK(ints(sign(most)) == Ints{1});
  CHECK(ints(clamp(least, kLeast, kMost)) == Ints{kLeast});
  CHECK(ints(clamp(most, 0)) == Ints{kMost});
  CHECK(ints(relu(least)) == Ints{0});
  CHECK(ints(square(least)) == Ints{0});
  CHECK(ints(pow(most, 2)) == Ints{1});
  CHECK(ints(pow(least, 1)) == Ints{kLeast});
  CHECK(ints(most + 1) == Ints{kLeast});
  CHECK(ints(least - 1) == Ints{kMost});
  CHECK(ints(least * -1) == Ints{kLeast});
  CHECK(ints(least & most) == Ints{0});
  CHECK(ints(~least) == Ints{kMost});
}

TEST_CASE("bounds that int64 does not hold are refused") {
  const Tensor x = tensor({5, 6});
  CHECK(error_of<ValueError>([&] { hardtanh(x, -1e30, 1); }) == "hardtanh: min_val -1e+30 is no number that int64 holds");
  CHECK_THROWS_AS(hardtanh(x, 0, kInf), ValueError);
  CHECK_THROWS_AS(threshold(x, kNan, 0), ValueError);
  CHECK_THROWS_AS(threshold(x, 0, 0x1p63), ValueError);
  CHECK_THROWS_AS(addcmul(x, x, x, 1e30), ValueError);
  CHECK(values(hardtanh(x.to(float32), -1e30, 1e30)) == Values{5, 6});
}

TEST_CASE("a bool tensor takes every number as a value, by whether it is 0") {
  const Tensor mask = tensor({true, false, true});
  const auto none = [] { return zeros(3, {.dtype = boolean}); };
  CHECK(bools(none().fill_(1)) == std::vector<bool>{true, true, true});
  CHECK(bools(none().fill_(2)) == std::vector<bool>{true, true, true});
  CHECK(bools(none().fill_(0.5)) == std::vector<bool>{true, true, true});
  CHECK(bools(ones(3, {.dtype = boolean}).fill_(0)) == std::vector<bool>{false, false, false});
  CHECK(bools(masked_fill(none(), mask, 1)) == std::vector<bool>{true, false, true});
  CHECK(bools(masked_fill(none(), mask, 0.5)) == std::vector<bool>{true, false, true});
  CHECK(bools(masked_fill(none(), mask, tensor(1))) == std::vector<bool>{true, false, true});
  CHECK(bools(masked_fill(none(), mask, tensor(0.5))) == std::vector<bool>{true, false, true});
  CHECK(bools(none().masked_fill_(mask, 1)) == std::vector<bool>{true, false, true});
  CHECK(bools(full_like(none(), 1)) == std::vector<bool>{true, true, true});
  CHECK(bools(index_fill(none(), 0, tensor({1}), 1)) == std::vector<bool>{false, true, false});
  CHECK(bools(scatter(none(), 0, tensor({2}), 2)) == std::vector<bool>{false, false, true});
  CHECK(bools(none().index_put_({0}, 1)) == std::vector<bool>{true, false, false});
  CHECK(bools(none().copy_(tensor({0, 2, 0}))) == std::vector<bool>{false, true, false});
  CHECK(ints(where(mask, none(), 1)) == Ints{0, 1, 0});
  CHECK_THROWS_AS(zeros(3, {.dtype = int64}).fill_(0.5), DTypeError);
  CHECK_THROWS_AS(masked_fill(zeros(3, {.dtype = int64}), mask, 0.5), DTypeError);
  CHECK_THROWS_AS(masked_fill(zeros(3, {.dtype = int64}), mask, tensor(0.5)), DTypeError);
}

TEST_CASE("results lie dense, with the strides of their shape, whatever the strides of the operand") {
  const Tensor one = ones({4, 1, 3}).transpose(0, 1), none = ones({1, 3}).narrow(0, 0, 0).expand({0, 3}),
               wide = ones({1, 3}).expand({2, 3});
  CHECK(tanh(one).strides() == ones({1, 4, 3}).strides());
  CHECK(tanh(as_strided(ones({4}), {1, 3}, {0, 1})).strides() == ones({1, 3}).strides());
  CHECK((none * 2).strides() == ones({0, 3}).strides());
  CHECK((none + none).add_(1).numel() == 0);
  CHECK((wide + wide).strides() == ones({2, 3}).strides());
}

TEST_CASE("addcmul and addcdiv multiply by the value first, so that a tiny one keeps what overflows without it") {
  // PyTorch 1.13's numbers.
  const auto one = [](double v) { return tensor({v}, {.requires_grad = true}); };
  const auto near = [](double v) { return doctest::Approx(v).epsilon(1e-6); };
  const Tensor x = one(1), a = one(1e20), b = one(1e20), c = one(1e-20);
  const Tensor product = addcmul(x, a, b, 1e-40), quotient = addcdiv(x, a, c, 1e-40);
  CHECK(product.item() == near(1.9999946355819702));
  CHECK(quotient.item() == near(1.9999947547912598));
  for (bool create_graph : {false, true}) {
    const auto p = autograd::grad({product}, {x, a, b}, {}, {.retain_graph = true, .create_graph = create_graph});
    CHECK(p[0].item() == 1);
    CHECK(p[1].item() == near(9.999946368279807e-21));
    CHECK(p[2].item() == near(9.999946368279807e-21));
    const auto q = autograd::grad({quotient}, {x, a, c}, {}, {.retain_graph = true, .create_graph = create_graph});
    CHECK(q[1].item() == near(9.999946368279807e-21));
    CHECK(q[2].item() == doctest::Approx(-1e20).epsilon(1e-5));  // PyTorch and we round 1e-40 at different places
  }
  CHECK(addcmul(tensor({0.0}), tensor({3.0}), tensor({0.5}), 1e-40).item() == 1.499991915167214e-40);
  CHECK(addcdiv(tensor({0.0}), tensor({3.0}), tensor({0.25}), 1e-40).item() == 1.1999935321337711e-39);
}

TEST_CASE("addcmul and addcdiv of unlike dtypes compute in the one where all meet") {
  const Tensor whole = tensor({(int64_t{1} << 40) + 1}), wide = tensor({0.5}, {.dtype = float64}), narrow = tensor({1.0});
  CHECK(addcmul(narrow, whole, wide, 0.5).dtype() == float64);
  CHECK(addcmul(narrow, whole, wide, 0.5).item() == ((int64_t{1} << 40) + 1) * 0.25 + 1);
  CHECK(addcdiv(wide, whole, tensor({2})).dtype() == float64);
  CHECK_THROWS_AS(addcmul(ones(3), ones(2), ones(3)), ShapeError);
}

TEST_CASE("between bounds of which one is NaN clamp gives NaN, as PyTorch does, and passes nothing back") {
  for (const auto& [low, high] : {std::pair{kNan, 2.0}, {0.0, kNan}}) {
    const Tensor x = tensor({1.0, 5.0}, {.requires_grad = true});
    const Tensor y = clamp(x, low, high);
    CHECK(isnan(y).all().item<bool>());
    CHECK(values(op_test::gradient(y, x, ones(2))) == Values{0, 0});
  }
  CHECK(values(clamp(tensor({1.0, 5.0}), kNan)) == Values{1, 5});
}
