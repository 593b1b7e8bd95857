#include <doctest/doctest.h>

#include <type_traits>

#include "autograd/leaf.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/indexing.h"
#include "gradus/tensor.h"

using namespace gradus;
using namespace autograd_test;

TEST_CASE("x[i] = y writes the elements, broadcast and converted, through a view too") {
  const Tensor x = zeros({3, 2});
  x[0] = tensor({1.0, 2.0});
  x[1] = tensor({7});
  x.t()[1][2] = x[0][1];
  CHECK(x.to_vector<double>() == Values{1, 2, 7, 7, 0, 2});
  x.index({Ellipsis, Slice{1, 2}}) = ones({3, 1});
  x.select(0, 1).narrow(0, 0, 1) = tensor({9});
  CHECK(x.to_vector<double>() == Values{1, 1, 9, 1, 0, 1});
  x[0] = x[1] = x[2];
  CHECK(x.to_vector<double>() == Values{0, 1, 0, 1, 0, 1});
  const Tensor n = tensor({1, 2});
  n[0] = tensor({5})[0];
  CHECK(n.to_vector<int64_t>() == std::vector<int64_t>{5, 2});
}

TEST_CASE("x[i] = number fills") {
  const Tensor x = zeros({2, 2});
  x[0] = 3;
  x[1][0] = 0.5;
  x.index({Slice{}, 1}) = -1;
  CHECK(x.to_vector<double>() == Values{3, -1, 0.5, -1});
  const Tensor flags = zeros(2, {.dtype = boolean});
  flags[1] = true;
  CHECK(flags.to_vector<bool>() == std::vector<bool>{false, true});
}

TEST_CASE("assigning to a view is recorded") {
  const Tensor w = leaf({3, 4});
  const Tensor y = zeros({2, 2}, {.dtype = float64});
  y[1] = w;
  y[1][0] = 5;
  (y * y).sum().backward();
  CHECK(w.grad().to_vector<double>() == Values{0, 8});
  CHECK_THROWS_AS(w[0] = 1, AutogradError);
  CHECK(w.to_vector<double>() == Values{3, 4});
}

TEST_CASE("assigning to a variable gives it another tensor and writes nothing") {
  const Tensor x = zeros(2);
  Tensor y = x, view = x[0];
  y = ones(2);
  view = ones({});
  view = Tensor(x)[1];
  CHECK(x.to_vector<double>() == Values{0, 0});
  CHECK(view.shares_storage_with(x));
  Tensor moved = std::move(y);
  y = std::move(moved);
  CHECK_FALSE(moved.defined());
  y = {};
  CHECK_FALSE(y.defined());
  static_assert(std::is_nothrow_move_assignable_v<Tensor> && std::is_copy_assignable_v<Tensor> && std::movable<Tensor>);
  static_assert(!std::is_assignable_v<Tensor&, double> && !std::is_assignable_v<const Tensor&, Tensor>);
}

TEST_CASE("x[i] += y and its like write through a view") {
  const Tensor x = zeros({2, 2});
  x[0] += tensor({1.0, 2.0});
  x[0] *= 3;
  x.select(1, 1) -= 1;
  x.index({Slice{}, 0}) /= 2;
  x.narrow(0, 1, 1) += ones(2);
  x.t()[0] += 0.5;
  CHECK(x.to_vector<double>() == Values{2, 5, 1.5, 0});
  const Tensor flags = tensor({true, false, true});
  flags[0] &= flags[1];
  flags[1] |= flags[2];
  flags[2] ^= flags[1];
  CHECK(flags.to_vector<bool>() == std::vector<bool>{false, true, false});
  Tensor own = x + 1, copy = x.index({tensor({0})});
  own += 1;
  copy -= 1;
  CHECK(own.to_vector<double>() == Values{4, 7, 3.5, 2});
  CHECK(copy.to_vector<double>() == Values{1, 4});
}

TEST_CASE("x[i] += y is recorded") {
  const Tensor w = leaf({3, 4});
  const Tensor y = ones({2, 2}, {.dtype = float64});
  y[1] *= w;
  y[1] += w;
  (y * y).sum().backward();
  CHECK(w.grad().to_vector<double>() == Values{4 * 6, 4 * 8});
}

TEST_CASE("assigning to a temporary that is no view is refused and names the remedy") {
  const Tensor x = zeros(3), y = ones(1);
  const auto refused = [](const auto& assign) {
    try {
      assign();
    } catch (const ValueError& error) {
      return std::string(error.what()).find("index_put_") != std::string::npos;
    }
    return false;
  };
  CHECK(refused([&] { x.index({tensor({0, 2})}) = y; }));
  CHECK(refused([&] { x.index({x.eq(0)}) = 1; }));
  CHECK(refused([&] { x.clone() = y; }));
  CHECK(refused([&] { x + 1 = 2; }));
  const Tensor flags = tensor({true, false, true});
  CHECK(refused([&] { x.index({tensor({0, 2})}) += 1; }));
  CHECK(refused([&] { x.index({x.eq(0)}) -= y; }));
  CHECK(refused([&] { x.index({tensor({0}), None}) = y; }));
  CHECK(refused([&] { gather(x, 0, tensor({1})) *= 2; }));
  CHECK(refused([&] { masked_select(x, flags) /= y; }));
  CHECK(refused([&] { x.clone() += y; }));
  CHECK(refused([&] { x.to(float64) = 1; }));
  CHECK(refused([&] { index_select(x, 0, tensor({1})) += y; }));
  CHECK(refused([&] { flags.index({tensor({0})}) &= flags; }));
  CHECK(refused([&] { flags.index({flags}) |= flags; }));
  CHECK(refused([&] { flags.clone() ^= flags; }));
  CHECK_THROWS_AS(Tensor() = y, StateError);
  CHECK_THROWS_AS(x[0] = Tensor(), StateError);
  CHECK_THROWS_AS(x[0] = ones(2), ShapeError);
  CHECK(x.to_vector<double>() == Values{0, 0, 0});
}
