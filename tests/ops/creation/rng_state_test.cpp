#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/reduction.h"
#include "gradus/random.h"

using namespace gradus;

namespace {

/// Numbers of every kind, one after the other; the two normal ones leave an odd number in hand or take it.
std::vector<double> draws() {
  std::vector<double> all;
  const auto add = [&](const Tensor& x) {
    for (const double v : x.to(float64).to_vector<double>()) all.push_back(v);
  };
  add(randn({3}));
  add(rand({5}));
  add(rand({5}, {.dtype = float64}));
  add(randint(1000, {4}));
  add(randperm(7));
  add(dropout(ones({20}), 0.5, true));
  add(randn({40}));
  return all;
}

Tensor changed(const Tensor& state, int64_t place, int64_t value) {
  std::vector<int64_t> values = state.to_vector<int64_t>();
  values[static_cast<size_t>(place)] = value;
  return tensor(values);
}

}  // namespace

TEST_CASE("a random state brings the same numbers again, wherever in its block the generator is and with a normal number in hand or not") {
  for (int normals = 0; normals < 2; ++normals)
    for (int64_t before : {0, 1, 5, 622, 623, 624, 625, 1500}) {
      manual_seed(static_cast<uint64_t>(before));
      if (normals == 1) randn({1});
      rand({before});
      const Tensor state = get_rng_state(), copy = state.clone();
      const std::vector<double> expected = draws();
      CHECK(initial_seed() == static_cast<uint64_t>(before));
      manual_seed(99);
      randn({7});
      set_rng_state(state);
      CHECK(draws() == expected);
      CHECK(initial_seed() == static_cast<uint64_t>(before));
      CHECK(equal(state, copy));
      CHECK(state.dtype() == int64);
    }
}

TEST_CASE("what is no random state is refused, with the element at fault, and changes nothing") {
  manual_seed(7);
  randn({1});
  const Tensor good = get_rng_state();
  const std::vector<double> expected = draws();
  set_rng_state(good);
  CHECK_THROWS_AS(set_rng_state(Tensor()), StateError);
  CHECK_THROWS_AS(set_rng_state(good.to(float64)), DTypeError);
  CHECK_THROWS_AS(set_rng_state(good.slice(0, 1)), ShapeError);
  CHECK_THROWS_AS(set_rng_state(zeros({0}, {.dtype = int64})), ShapeError);
  CHECK_THROWS_AS(set_rng_state(zeros_like(good)), ValueError);
  CHECK_THROWS_AS(set_rng_state(changed(good, 0, 5)), ValueError);
  for (const int64_t next : {int64_t{-1}, int64_t{625}, std::numeric_limits<int64_t>::min()})
    CHECK_THROWS_AS(set_rng_state(changed(good, 2, next)), ValueError);
  CHECK_THROWS_WITH_AS(set_rng_state(changed(good, 3, 2)), "set_rng_state: element 3 of the state is 2; it must be 0 or 1", ValueError);
  CHECK_THROWS_AS(set_rng_state(changed(good, 3, 0)), ValueError);                                    // a number that is not there
  CHECK_THROWS_AS(set_rng_state(changed(good, 4, std::numeric_limits<int64_t>::max())), ValueError);  // NaN
  CHECK_THROWS_WITH_AS(set_rng_state(changed(good, 100, -1)), "set_rng_state: element 100 of the state is -1; it must have 32 bits",
                       ValueError);
  CHECK_THROWS_AS(set_rng_state(changed(good, 628, int64_t{1} << 32)), ValueError);
  std::vector<int64_t> dead = good.to_vector<int64_t>();
  for (size_t i = 5; i < dead.size(); ++i) dead[i] = 0;
  dead[5] = 0x7FFFFFFF;
  CHECK_THROWS_AS(set_rng_state(tensor(dead)), ValueError);
  CHECK(equal(get_rng_state(), good));
  CHECK(draws() == expected);
}

TEST_CASE("a random state may be strided") {
  manual_seed(3);
  const Tensor state = get_rng_state();
  const std::vector<double> expected = draws();
  const Tensor apart = zeros({629, 2}, {.dtype = int64});
  apart.select(1, 1).copy_(state);
  set_rng_state(apart.select(1, 1));
  CHECK(draws() == expected);
}
