#include "parity/compare.h"

#include <doctest/doctest.h>

#include <limits>

#include "gradus/creation.h"
#include "parity/cases.h"

using namespace gradus;
using namespace gradus::parity;

TEST_CASE("parity: a wrong value, shape or dtype is a difference") {
  const Tensor x = from_vector(std::vector<double>{1, 2, 3}, {3});
  CHECK(difference(x, {x}).empty());
  CHECK(difference(x + 1e-8, {x}).empty());
  CHECK(difference(x + 1e-6, {x}).starts_with("element 0 is 1.000001"));
  CHECK(difference(x.unsqueeze(0), {x}) == "shape [1, 3] instead of [3]");
  CHECK(difference(x.to(float32), {x}) == "dtype float32 instead of float64");
  CHECK_FALSE(difference(x.to(int64) + 1, {x.to(int64)}).empty());
  CHECK(difference(Tensor(), {x}) == "undefined");
}

TEST_CASE("parity: a float32 value may be as far from the truth as PyTorch's, no farther") {
  const Tensor truth = from_vector(std::vector<double>{1000}, {1}), theirs = (truth + 0.1).to(float32), ours = (truth - 0.09).to(float32);
  CHECK_FALSE(difference(ours, {theirs}).empty());
  CHECK(difference(ours, {theirs, truth, 0.1}).empty());
  CHECK_FALSE(difference((truth - 0.12).to(float32), {theirs, truth, 0.1}).empty());
}

TEST_CASE("parity: any place of equal elements will do, but none twice and none of another element") {
  const Tensor x = tensor({3, 1, 3, 2});
  CHECK(place_difference(x, 0, tensor({2, 0}), tensor({0, 2})).empty());
  CHECK(place_difference(x, 0, tensor({0, 0}), tensor({0, 2})) == "one place twice");
  CHECK_FALSE(place_difference(x, 0, tensor({0, 3}), tensor({0, 2})).empty());
  CHECK_FALSE(place_difference(x, 0, tensor({0}), tensor({0, 2})).empty());
}

TEST_CASE("parity: a documented difference holds for its operation and its kind of mismatch only") {
  const json test = {{"op", "nn.functional.cross_entropy"}}, other = {{"op", "sum"}};
  const Tensor nan = full({}, std::numeric_limits<double>::quiet_NaN()), zero = zeros({}), one = ones({});
  const auto failed = [](std::vector<Mismatch> mismatches) { return Verdict{Verdict::Failed, "", std::move(mismatches)}; };
  CHECK_FALSE(documented_difference(test, failed({{zero, nan}})).empty());
  CHECK(documented_difference(test, failed({{one, nan}})).empty());
  CHECK(documented_difference(test, failed({{zero, one}})).empty());
  CHECK(documented_difference(test, failed({{zero, nan}, {one, zero}})).empty());
  CHECK(documented_difference(test, failed({})).empty());
  CHECK(documented_difference(other, failed({{zero, nan}})).empty());
  const json module = {{"module", "NLLLoss"}}, regression = {{"op", "nn.functional.mse_loss"}};
  CHECK_FALSE(documented_difference(module, failed({{zero, nan}})).empty());
  const json gelu = {{"op", "nn.functional.gelu"}};
  CHECK_FALSE(documented_difference(gelu, failed({{one, nan}})).empty());
  CHECK(documented_difference(gelu, failed({{one, zero}})).empty());
  CHECK(documented_difference(gelu, failed({{nan, one}})).empty());
  const std::string refusal = "mse_loss: input has shape [3, 1] and target [3]; they must be equal, bring one to the other with reshape";
  CHECK_FALSE(documented_difference(regression, Verdict{Verdict::Failed, refusal}).empty());
  CHECK(documented_difference(regression, Verdict{Verdict::Failed, "mse_loss: another reason"}).empty());
  CHECK(documented_difference(other, Verdict{Verdict::Failed, refusal}).empty());
}
