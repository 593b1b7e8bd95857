#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "data/batches.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/random.h"

using namespace data_test;
namespace data = gradus::data;

namespace {

Batches indices_of(const auto& parts) {
  Batches all;
  for (const auto& part : parts) all.push_back(part.indices());
  return all;
}

/// Sentences, some of them several times.
struct Sentences {
  std::vector<std::string> texts;
  int64_t size() const { return std::ssize(texts); }
  const std::string& get(int64_t i) const { return texts[static_cast<size_t>(i)]; }
};

}  // namespace

TEST_CASE("random_split gives PyTorch's parts for the same seed, of lengths and of fractions") {
  CHECK(indices_of(data::random_split(Numbers{10}, {3, 7}, 42)) == Batches{{2, 6, 1}, {8, 4, 5, 0, 9, 3, 7}});
  CHECK(indices_of(data::random_split(Numbers{10}, {0.3, 0.3, 0.4}, 42)) == Batches{{2, 6, 1}, {8, 4, 5}, {0, 9, 3, 7}});
  CHECK(indices_of(data::random_split(Numbers{11}, {0.5, 0.25, 0.25}, 7)) == Batches{{3, 0, 9, 2, 5, 8}, {4, 10, 1}, {7, 6}});
  gradus::manual_seed(3);
  CHECK(indices_of(data::random_split(Numbers{11}, {0.9, 0.1})) == Batches{{9, 0, 3, 6, 4, 5, 2, 8, 1, 10}, {7}});
}

TEST_CASE("random_split with a seed leaves the generator behind manual_seed alone") {
  gradus::manual_seed(5);
  const double undisturbed = gradus::rand({1}).item();
  gradus::manual_seed(5);
  data::random_split(Numbers{100}, {0.5, 0.5}, 1);
  CHECK(gradus::rand({1}).item() == undisturbed);
}

TEST_CASE("the parts of random_split have every example once, and are datasets") {
  const int64_t lengths[] = {60, 25, 15};
  const auto parts = data::random_split(Numbers{100}, {lengths[0], lengths[1], lengths[2]}, 9);
  REQUIRE(parts.size() == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(parts[i].size() == lengths[i]);
  CHECK(sorted(indices_of(parts)) == counted(100));
  data::DataLoader loader(parts[1], {.batch_size = 10}, as_it_is);
  CHECK(sorted(epoch_of(loader)) == sorted({parts[1].indices()}));
  CHECK(&parts[0].dataset() == &parts[1].dataset());
  CHECK(data::random_split(Numbers{0}, {0.5, 0.5}).size() == 2);
  CHECK(data::random_split(Numbers{3}, std::vector<double>{1.0}, 1)[0].size() == 3);
  CHECK(data::random_split(Numbers{3}, {0, 3}, 1)[1].size() == 3);
}

TEST_CASE("random_split refuses lengths that do not add up, and fractions that are none") {
  CHECK_THROWS_WITH_AS(data::random_split(Numbers{10}, {3, 6}), "random_split: the lengths 3, 6 add up to 9, but there are 10 examples",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(data::random_split(Numbers{10}, {3, 8}), "random_split: the lengths 3, 8 add up to more than the 10 examples",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(data::random_split(Numbers{10}, {-1, 11}), "random_split: the length of part 0 is -1; it must be at least 0",
                       gradus::ValueError);
  CHECK_THROWS_AS(data::random_split(Numbers{10}, {INT64_MAX, INT64_MAX}), gradus::ValueError);
  CHECK_THROWS_WITH_AS(data::random_split(Numbers{10}, {0.5, 0.25}), "random_split: the fractions 0.5, 0.25 add up to 0.75, not to 1",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(data::random_split(Numbers{10}, {1.5, -0.5}), "random_split: fraction 1.5 of part 0 is not in [0, 1]",
                       gradus::ValueError);
  CHECK_THROWS_AS(data::random_split(Numbers{10}, {1.0, std::nan("")}), gradus::ValueError);
  CHECK_THROWS_AS(data::random_split(Numbers{10}, std::vector<int64_t>{}), gradus::ValueError);
  CHECK_THROWS_AS(data::random_split(Numbers{10}, std::vector<double>{}), gradus::ValueError);
}

TEST_CASE("Subset gives the examples that it names, as often as it names them, and refuses others") {
  const data::Subset some(Numbers{5}, {4, 0, 4});
  CHECK(some.size() == 3);
  CHECK(some.get(0) == 4);
  CHECK(some.get(2) == 4);
  CHECK_THROWS_WITH_AS(some.get(3), "Subset: example 3 is out of range for 3", gradus::IndexError);
  CHECK_THROWS_AS(some.get(-1), gradus::IndexError);
  CHECK_THROWS_WITH_AS(data::Subset(Numbers{5}, {0, 5}), "Subset: index 5 at 1 is out of range for 5 examples", gradus::IndexError);
  CHECK_THROWS_AS(data::Subset(Numbers{5}, {-1}), gradus::IndexError);
  const data::Subset words(Sentences{{"a", "b"}}, {1});
  static_assert(std::is_same_v<decltype(words.get(0)), const std::string&>);
  CHECK(words.get(0) == "b");
}

TEST_CASE("group_split keeps the examples of a group together, in parts near their fractions, the same for the same seed") {
  Sentences sentences;
  for (int i = 0; i < 1000; ++i) sentences.texts.push_back("sentence " + std::to_string(i * 37 % 1000 % (i % 3 == 0 ? 50 : 400)));
  const auto key = [](const std::string& text) { return text; };
  const auto parts = data::group_split(sentences, key, {0.8, 0.15, 0.05}, 1);
  CHECK(sorted(indices_of(parts)) == counted(1000));
  std::map<std::string, std::set<size_t>> where;
  for (size_t p = 0; p < parts.size(); ++p)
    for (int64_t i = 0; i < parts[p].size(); ++i) where[parts[p].get(i)].insert(p);
  for (const auto& entry : where) {
    CAPTURE(entry.first);
    CHECK(entry.second.size() == 1);
  }
  const double wanted[] = {800, 150, 50};
  for (size_t p = 0; p < parts.size(); ++p) CHECK(std::abs(static_cast<double>(parts[p].size()) - wanted[p]) <= 10);
  CHECK(indices_of(data::group_split(sentences, key, {0.8, 0.15, 0.05}, 1)) == indices_of(parts));
  CHECK(indices_of(data::group_split(sentences, key, {0.8, 0.15, 0.05}, 2)) != indices_of(parts));
}

TEST_CASE("group_split gives a part of fraction 0 nothing, and refuses what random_split refuses") {
  const auto parity = [](int64_t i) { return i % 2; };
  const auto parts = data::group_split(Numbers{6}, parity, {0, 0.5, 0.5, 0}, 4);
  CHECK(parts[0].size() == 0);
  CHECK(parts[3].size() == 0);
  CHECK(parts[1].size() == 3);
  CHECK(parts[2].size() == 3);
  CHECK(data::group_split(Numbers{6}, parity, {1}, 4)[0].size() == 6);
  CHECK(data::group_split(Numbers{0}, parity, {0.5, 0.5})[1].size() == 0);
  CHECK_THROWS_WITH_AS(data::group_split(Numbers{6}, parity, {0.5}), "group_split: the fractions 0.5 add up to 0.5, not to 1",
                       gradus::ValueError);
  CHECK_THROWS_AS(data::group_split(Numbers{6}, parity, {}), gradus::ValueError);
}

TEST_CASE("a Subset that was moved from has no examples and no dataset") {
  auto parts = data::random_split(Numbers{6}, {4, 2}, 1);
  const auto moved = std::move(parts[0]);
  CHECK(moved.size() == 4);
  CHECK(parts[0].size() == 0);
  CHECK_THROWS_AS(parts[0].get(0), gradus::IndexError);
  CHECK_THROWS_WITH_AS(parts[0].dataset(), "Subset: it was moved from; use the one that it was moved to", gradus::StateError);
}
