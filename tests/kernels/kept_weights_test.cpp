#include "kernels/kept_weights.h"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>

#include "gradus/memory.h"

using namespace gradus::kernels;

namespace {

KeptWeights::Form form(const float* w, int64_t depth = 4) { return {KeptWeights::Reader::Blocked, w, 2, 4, 4, 1, depth}; }

}  // namespace

TEST_CASE("a weight's form is kept from the second time on that it is asked for, until the weight changes") {
  KeptWeights weights;
  const float w[8] = {};
  int made = 0;
  const auto find = [&](uint32_t version, const KeptWeights::Form& wanted) {
    return Keeper{&weights, version}.find<float>(wanted, 8, [&](float* to) {
      ++made;
      for (int i = 0; i < 8; ++i) to[i] = static_cast<float>(version);
    });
  };
  CHECK_FALSE(find(0, form(w)));
  const SharedBytes first = find(0, form(w));
  REQUIRE(first);
  CHECK(find(0, form(w)) == first);
  CHECK(made == 1);
  CHECK_FALSE(find(0, form(w, 2)));  // another form
  CHECK(find(0, form(w)) == first);

  CHECK_FALSE(find(1, form(w)));
  const SharedBytes second = find(1, form(w));
  REQUIRE(second);
  CHECK(made == 2);
  CHECK(numbers_in<float>(first)[7] == 0);  // who has it may go on reading
  CHECK(numbers_in<float>(second)[7] == 1);
}

TEST_CASE("without a keeper nothing is kept, and a weight has a few forms at most") {
  const float w[8] = {};
  CHECK_FALSE(Keeper().find<float>(form(w), 8, [](float*) { FAIL("made"); }));
  KeptWeights weights;
  const auto find = [&](int64_t depth) { return Keeper{&weights, 0}.find<float>(form(w, depth), 8, [](float*) {}); };
  for (int64_t depth = 0; depth < 100; ++depth) CHECK_FALSE(find(depth));  // each met once, and none in another's way
  CHECK_FALSE(find(100));
  CHECK(find(100));
  for (int64_t depth = 0; depth < 8; ++depth) find(depth), find(depth);
  CHECK(find(100));
  CHECK_FALSE(find(99));
  CHECK_FALSE(find(99));
}

TEST_CASE("what is kept counts as memory of tensors, and goes with the weight or its change") {
  const size_t before = gradus::memory_stats().live_bytes;
  auto weights = std::make_unique<KeptWeights>();
  const float w[8] = {};
  const auto find = [&](uint32_t version) { return Keeper{weights.get(), version}.find<float>(form(w), 1000, [](float*) {}); };
  find(0);
  CHECK(gradus::memory_stats().live_bytes == before);
  find(0);
  CHECK(gradus::memory_stats().live_bytes >= before + 4000);
  find(1);
  CHECK(gradus::memory_stats().live_bytes == before);
  find(1);
  weights.reset();
  CHECK(gradus::memory_stats().live_bytes == before);
}
