#include "gradus/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/ops/normalization.h"
#include "gradus/random.h"
#include "ops/op_test.h"
#include "source_root.h"

using namespace gradus;
using op_test::error_of;
using op_test::ints;
using op_test::values;

namespace {

constexpr uint64_t kSeeds[] = {0, 1, 42, (uint64_t{1} << 40) + 7};

const Tensor& golden(uint64_t seed, const std::string& name) {
  static const io::NamedTensors file = io::load_safetensors(GRADUS_SOURCE_ROOT "/tests/golden/random.safetensors");
  const Tensor* found = file.find("seed" + std::to_string(seed) + "." + name);
  REQUIRE_MESSAGE(found != nullptr, name);
  return *found;
}

void check_exact(const Tensor& ours, const Tensor& theirs) {
  REQUIRE(ours.shape().str() == theirs.shape().str());
  REQUIRE(ours.dtype() == theirs.dtype());
  CHECK(ours.equal(theirs));
}

/// Normal numbers go through log and cos, whose last bits belong to the C library.
void check_rounded(const Tensor& ours, const Tensor& theirs) {
  REQUIRE(ours.shape().str() == theirs.shape().str());
  REQUIRE(ours.dtype() == theirs.dtype());
  const double tolerance = ours.dtype() == float32 ? 2e-6 : 1e-14;
  CHECK(ours.allclose(theirs, tolerance, tolerance));
}

/// Calls f(seed) for every seed of the golden file, right after seeding.
template <class F>
void for_seeds(F f) {
  for (const uint64_t seed : kSeeds) {
    CAPTURE(seed);
    manual_seed(seed);
    f(seed);
  }
}

const Options kDouble{.dtype = float64};

}  // namespace

TEST_CASE("rand gives PyTorch's numbers, to the last bit") {
  for (const int64_t n : {5, 40, 700}) for_seeds([&](uint64_t seed) { check_exact(rand(n), golden(seed, "rand_" + std::to_string(n))); });
  for (const int64_t n : {5, 40})
    for_seeds([&](uint64_t seed) { check_exact(rand(n, kDouble), golden(seed, "rand_" + std::to_string(n) + "_float64")); });
}

TEST_CASE("randn gives PyTorch's numbers, below and above the 16 at which it changes its method") {
  for (const int64_t n : {1, 5, 15, 16, 17, 40, 100}) {
    CAPTURE(n);
    const std::string name = "randn_" + std::to_string(n);
    for_seeds([&](uint64_t seed) { check_rounded(randn(n), golden(seed, name)); });
    for_seeds([&](uint64_t seed) { check_rounded(randn(n, kDouble), golden(seed, name + "_float64")); });
  }
  for_seeds([&](uint64_t seed) { check_rounded(randn({3, 7}), golden(seed, "randn_3x7")); });
}

TEST_CASE("randint gives PyTorch's numbers, also from a range beyond 32 bits") {
  for_seeds([&](uint64_t seed) { check_exact(randint(0, 10, 20), golden(seed, "randint_0_10_20")); });
  for_seeds([&](uint64_t seed) { check_exact(randint(10, 20), golden(seed, "randint_0_10_20")); });
  for_seeds([&](uint64_t seed) { check_exact(randint(-5, int64_t{1} << 40, 5), golden(seed, "randint_-5_2**40_5")); });
}

TEST_CASE("randperm gives PyTorch's orders") {
  for (const int64_t n : {1, 20, 100})
    for_seeds([&](uint64_t seed) { check_exact(randperm(n), golden(seed, "randperm_" + std::to_string(n))); });
}

TEST_CASE("dropout drops what PyTorch drops") {
  for_seeds([&](uint64_t seed) { check_exact(dropout(ones(50), 0.3), golden(seed, "dropout_0.3_50")); });
  for_seeds([&](uint64_t seed) { check_exact(dropout(ones(50, kDouble), 0.5), golden(seed, "dropout_0.5_50_float64")); });
}

TEST_CASE("draws one after the other leave the generator where PyTorch's stands") {
  for_seeds([&](uint64_t seed) {
    check_exact(rand(5), golden(seed, "rand5_randn5_randn5.0"));
    check_rounded(randn(5), golden(seed, "rand5_randn5_randn5.1"));
    check_rounded(randn(5), golden(seed, "rand5_randn5_randn5.2"));
  });
  for_seeds([&](uint64_t seed) {
    check_rounded(randn(5), golden(seed, "randn5_randn20_randn5.0"));
    check_rounded(randn(20), golden(seed, "randn5_randn20_randn5.1"));
    check_rounded(randn(5), golden(seed, "randn5_randn20_randn5.2"));
  });
  for_seeds([&](uint64_t seed) {
    check_rounded(randn(5), golden(seed, "randn5_rand5_randn5_float64.0"));
    check_exact(rand(5), golden(seed, "randn5_rand5_randn5_float64.1"));
    check_rounded(randn(5, kDouble), golden(seed, "randn5_rand5_randn5_float64.2"));
  });
  for_seeds([&](uint64_t seed) {
    check_exact(randperm(20), golden(seed, "randperm20_randint20_rand5.0"));
    check_exact(randint(0, 10, 20), golden(seed, "randperm20_randint20_rand5.1"));
    check_exact(rand(5), golden(seed, "randperm20_randint20_rand5.2"));
  });
  for_seeds([&](uint64_t seed) {
    check_exact(dropout(ones(20), 0.3), golden(seed, "dropout20_dropout20.0"));
    check_exact(dropout(ones(20), 0.3), golden(seed, "dropout20_dropout20.1"));
  });
}

TEST_CASE("seeding again forgets the normal number that was kept") {
  for_seeds([&](uint64_t seed) {
    check_rounded(randn(5), golden(seed, "randn5_seed_randn5.0"));
    manual_seed(seed);
    check_rounded(randn(5), golden(seed, "randn5_seed_randn5.1"));
  });
}

TEST_CASE("the seed can be read back") {
  manual_seed(9);
  CHECK(initial_seed() == 9);
  randn(3);
  CHECK(initial_seed() == 9);
}

TEST_CASE("one seed gives one sequence, another another") {
  manual_seed(5);
  const Tensor a = rand(100);
  const Tensor next = rand(100);
  manual_seed(5);
  CHECK(rand(100).equal(a));
  CHECK(!next.equal(a));
  manual_seed(6);
  CHECK(!rand(100).equal(a));
}

TEST_CASE("random numbers stay in their range") {
  manual_seed(1);
  for (const double v : values(rand(5000))) CHECK((v >= 0 && v < 1));
  std::set<int64_t> seen;
  for (const int64_t v : ints(randint(-2, 3, 500))) seen.insert(v);
  CHECK(seen == std::set<int64_t>{-2, -1, 0, 1, 2});
  const std::vector<int64_t> order = ints(randperm(50));
  CHECK(std::set<int64_t>(order.begin(), order.end()).size() == 50);
  for (const int64_t v : ints(randint(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), 8)))
    CHECK(v < std::numeric_limits<int64_t>::max());
}

TEST_CASE("the mean and the spread of normal numbers are those asked for") {
  manual_seed(2);
  const Tensor x = empty(20000).normal_(3, 2);
  CHECK(x.mean().item() == doctest::Approx(3).epsilon(0.02));
  CHECK(x.var().item() == doctest::Approx(4).epsilon(0.04));
  CHECK(values(empty(3).normal_(1.5, 0)) == op_test::Values{1.5, 1.5, 1.5});
}

TEST_CASE("random tensors have the shape, dtype and gradient asked for") {
  CHECK(rand({2, 3}).dtype() == float32);
  CHECK(randn({2, 3}, kDouble).dtype() == float64);
  CHECK(randint(3, {2}).dtype() == int64);
  CHECK(randint(0, 3, 2, kDouble).dtype() == float64);
  CHECK(rand({2}, {.requires_grad = true}).requires_grad());
  CHECK(rand({}).dim() == 0);
  CHECK(randn({0, 4}).numel() == 0);
  CHECK(randperm(0).numel() == 0);
  const Tensor x = zeros({2, 3}, kDouble);
  CHECK(rand_like(x).dtype() == float64);
  CHECK(randn_like(x).shape() == x.shape());
  CHECK(randint_like(x, 0, 5).dtype() == float64);
  CHECK(randint_like(zeros({4}), 2, 3).to_vector<int64_t>() == op_test::Ints{2, 2, 2, 2});
}

TEST_CASE("threads draw from one generator, each number once") {
  manual_seed(3);
  std::vector<double> expected = values(rand(400));
  manual_seed(3);
  std::vector<double> first, second;
  std::thread other([&] {
    for (int i = 0; i < 200; ++i) second.push_back(rand(1).item());
  });
  for (int i = 0; i < 200; ++i) first.push_back(rand(1).item());
  other.join();
  first.insert(first.end(), second.begin(), second.end());
  std::sort(first.begin(), first.end());
  std::sort(expected.begin(), expected.end());
  CHECK(first == expected);
}

TEST_CASE("random functions say what is wrong with their arguments") {
  CHECK(error_of<ValueError>([] { randint(5, 5, 2); }) == "randint: low 5 must be below high 5");
  CHECK(error_of<ValueError>([] { randint(0, 2); }) == "randint: low 0 must be below high 0");
  CHECK(error_of<ValueError>([] { randperm(-1); }) == "randperm: n -1 must not be negative");
  CHECK(error_of<ShapeError>([] { rand({2, -1}); }) == "rand: shape [2, -1] has a negative size");
  CHECK(error_of<ShapeError>([] { randn(-3); }) == "randn: shape [-3] has a negative size");
  CHECK(error_of<ShapeError>([] { randint(5, {-3}); }) == "randint: shape [-3] has a negative size");
  CHECK(error_of<DTypeError>([] { rand(2, {.dtype = int64}); }) == "rand: makes float32 or float64, not int64; use randint");
  CHECK(error_of<DTypeError>([] { randint(2, 3, {.dtype = boolean}); }).find("randint: not defined for bool") == 0);
  CHECK(error_of<ValueError>([] { zeros(3).uniform_(2, 1); }) == "uniform_: bounds 2 and 1 must be finite and in order");
  CHECK(error_of<ValueError>([] { zeros(3).uniform_(0, op_test::kInf); }).find("uniform_: bounds 0 and inf") == 0);
  CHECK(error_of<ValueError>([] { zeros(3).normal_(0, -1); }).find("normal_: mean 0 and std -1") == 0);
  CHECK(error_of<DTypeError>([] { zeros(3, {.dtype = int64}).normal_(); }) == "normal_: takes float32 or float64, got int64");
  CHECK(error_of<StateError>([] { Tensor().uniform_(); }).find("uniform_: the tensor is undefined") == 0);
}

TEST_CASE("a draw that is refused draws nothing") {
  manual_seed(8);
  const Tensor expected = rand(4);
  manual_seed(8);
  CHECK_THROWS_AS(rand({2, -1}), ShapeError);
  CHECK_THROWS_AS(randint(3, 3, 4), ValueError);
  CHECK_THROWS_AS(zeros(3, {.dtype = int64}).uniform_(), DTypeError);
  CHECK(rand(4).equal(expected));
}
