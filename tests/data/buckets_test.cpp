#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "data/batches.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/random.h"

using namespace data_test;
namespace data = gradus::data;
using gradus::StateDict;

namespace {

/// Lengths of 500 examples: many short ones, few long ones.
Ints many_lengths() {
  Ints lengths;
  for (int64_t i = 0; i < 500; ++i) lengths.push_back(1 + (i * 7919) % 13 * ((i * 104729) % 5));
  return lengths;
}

int64_t longest_of(const Ints& batch, const Ints& lengths) {
  int64_t longest = 0;
  for (const int64_t i : batch) longest = std::max(longest, lengths[static_cast<size_t>(i)]);
  return longest;
}

/// Sizes of the batches, smallest first: longest times examples.
Ints sizes_of(const Batches& batches, const Ints& lengths) {
  Ints sizes;
  for (const Ints& b : batches) sizes.push_back(longest_of(b, lengths) * std::ssize(b));
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

}  // namespace

TEST_CASE("BucketSampler puts examples of similar length together, and a batch as long as the longest holds at most max_tokens") {
  const Ints lengths{5, 1, 3, 3, 2, 6, 1};
  const data::BucketSampler buckets(lengths, {.max_tokens = 8});
  // Sorted: 1 and 6 (length 1), 4 (2), 2 and 3 (3), 0 (5), 5 (6): three of 2 are 6, four of 3 would be 12.
  CHECK(batches_of(buckets, 0) == Batches{{1, 6, 4}, {2, 3}, {0}, {5}});
  CHECK(buckets.size() == 4);
  CHECK(buckets.padding() == doctest::Approx(1 - 21.0 / (6 + 6 + 5 + 6)));
  const data::BucketSampler pairs(lengths, {.max_tokens = 8, .max_examples = 2});
  CHECK(batches_of(pairs, 0) == Batches{{1, 6}, {4, 2}, {3}, {0}, {5}});
}

TEST_CASE("BucketSampler gives every example once in every epoch, within the budget, in batches of the same sizes") {
  const Ints lengths = many_lengths();
  for (const bool shuffle : {false, true}) {
    const data::BucketSampler buckets(lengths, {.max_tokens = 100, .max_examples = 30, .shuffle = shuffle, .seed = 3});
    const Ints sizes = sizes_of(batches_of(buckets, 0), lengths);
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      const Batches batches = batches_of(buckets, epoch);
      CHECK(std::ssize(batches) == buckets.size());
      CHECK(sorted(batches) == counted(500));
      CHECK(sizes_of(batches, lengths) == sizes);
      for (const Ints& b : batches) {
        CHECK(!b.empty());
        CHECK(b.size() <= 30);
        CHECK(longest_of(b, lengths) * std::ssize(b) <= 100);
      }
    }
    CHECK(buckets.padding() < 0.05);
  }
}

TEST_CASE("BucketSampler shuffles the batches and equally long examples, by seed and epoch alone") {
  const Ints lengths = many_lengths();
  const data::BucketSampler a(lengths, {.max_tokens = 100, .shuffle = true, .seed = 3}),
      same(lengths, {.max_tokens = 100, .shuffle = true, .seed = 3}), other(lengths, {.max_tokens = 100, .shuffle = true, .seed = 4});
  CHECK(batches_of(a, 0) == batches_of(same, 0));
  CHECK(batches_of(a, 7) == batches_of(same, 7));
  CHECK(batches_of(a, 0) != batches_of(a, 1));
  CHECK(batches_of(a, 0) != batches_of(other, 0));
  // Not only the order of the batches changes, but what is in them.
  std::set<Ints> first, second;
  for (Ints b : batches_of(a, 0)) std::sort(b.begin(), b.end()), first.insert(b);
  for (Ints b : batches_of(a, 1)) std::sort(b.begin(), b.end()), second.insert(b);
  CHECK(first != second);
  // Without a seed of its own it follows manual_seed.
  const auto drawn = [&](uint64_t seed) {
    gradus::manual_seed(seed);
    return batches_of(data::BucketSampler(lengths, {.max_tokens = 100, .shuffle = true}), 0);
  };
  CHECK(drawn(1) == drawn(1));
  CHECK(drawn(1) != drawn(2));
}

TEST_CASE("an example above max_tokens is refused by name, or is a batch of its own by longer_alone") {
  CHECK_THROWS_WITH_AS(data::BucketSampler({3, 9, 2}, {.max_tokens = 8}),
                       "BucketSampler: example 1 has the length 9, but max_tokens is 8; leave the example out, raise max_tokens, or set "
                       "longer_alone, which makes it a batch of its own",
                       gradus::ValueError);
  const data::BucketSampler buckets({3, 9, 2, 10}, {.max_tokens = 8, .longer_alone = true});
  CHECK(batches_of(buckets, 0) == Batches{{2, 0}, {1}, {3}});
  CHECK(batches_of(data::BucketSampler({8, 8}, {.max_tokens = 8}), 0) == Batches{{0}, {1}});
}

TEST_CASE("BucketSampler takes lengths of 0 and of any size, and no examples at all") {
  CHECK(data::BucketSampler({}, {}).size() == 0);
  CHECK(data::BucketSampler({}, {}).padding() == 0);
  CHECK(batches_of(data::BucketSampler({0, 0, 0}, {.max_tokens = 1}), 0) == Batches{{0, 1, 2}});
  CHECK(batches_of(data::BucketSampler({0, 0, 0}, {.max_tokens = 1, .max_examples = 2}), 0) == Batches{{0, 1}, {2}});
  CHECK(batches_of(data::BucketSampler({INT64_MAX, INT64_MAX}, {.max_tokens = INT64_MAX}), 0) == Batches{{0}, {1}});
  CHECK_THROWS_WITH_AS(data::BucketSampler({1, -1}), "BucketSampler: example 1 has the length -1; a length is at least 0",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(data::BucketSampler({1}, {.max_tokens = 0}), "BucketSampler: max_tokens is 0; it must be at least 1",
                       gradus::ValueError);
  CHECK_THROWS_AS(data::BucketSampler({1}, {.max_examples = 0}), gradus::ValueError);
  data::BucketSampler from({1, 2}, {.shuffle = true, .seed = 1});
  const data::BucketSampler to = std::move(from);
  CHECK(from.size() == 0);  // NOLINT(bugprone-use-after-move)
  CHECK(from.batches(0).order.empty());
  CHECK(to.size() == 1);
}

TEST_CASE("a loader over buckets gathers their batches, and is resumed at any of them") {
  const Ints lengths = many_lengths();
  const auto loader_of = [&](uint64_t seed) {
    return data::DataLoader(Numbers{500}, data::BucketSampler(lengths, {.max_tokens = 100, .shuffle = true, .seed = seed}), {}, as_it_is);
  };
  auto whole = loader_of(5);
  CHECK(whole.size() == whole.sampler().size());
  std::vector<StateDict> states{whole.state_dict()};
  Batches expected;
  for (int epoch = 0; epoch < 2; ++epoch)
    for (auto& batch : whole) {
      expected.push_back(batch);
      states.push_back(whole.state_dict());
    }
  CHECK(Batches(expected.begin(), expected.begin() + whole.size()) == batches_of(whole.sampler(), 0));
  for (size_t done = 0; done < states.size(); done += 5) {
    auto other = loader_of(77);
    other.load_state_dict(states[done]);
    Batches rest;
    while (other.epoch() < 2)
      for (auto& batch : other) rest.push_back(batch);
    CHECK(rest == Batches(expected.begin() + static_cast<int64_t>(done), expected.end()));
  }
}

TEST_CASE("a state of other lengths, or of another kind of loader, is refused with every difference") {
  const auto loader_of = [](const Ints& lengths, const data::BucketOptions& options) {
    return data::DataLoader(Numbers{std::ssize(lengths)}, data::BucketSampler(lengths, options), {}, as_it_is);
  };
  const StateDict state = loader_of({1, 2, 3}, {.max_tokens = 8, .shuffle = true, .seed = 1}).state_dict();
  auto same = loader_of({1, 2, 3}, {.max_tokens = 8, .shuffle = true, .seed = 2});
  same.load_state_dict(state);
  CHECK(same.sampler().seed() == 1);
  auto other_lengths = loader_of({1, 3, 2}, {.max_tokens = 8, .shuffle = true, .seed = 1});
  CHECK_THROWS_WITH_AS(other_lengths.load_state_dict(state), doctest::Contains("the state does not fit: lengths is "), gradus::ValueError);
  auto other_budget = loader_of({1, 2, 3}, {.max_tokens = 9, .max_examples = 2});
  CHECK_THROWS_WITH_AS(other_budget.load_state_dict(state),
                       doctest::Contains("max_tokens is 8, but 9 here; max_examples is 0, but 2 here; shuffle is 1, but 0 here; seed is "
                                         "unexpected"),
                       gradus::ValueError);
  data::DataLoader plain(Numbers{3}, {.batch_size = 1}, as_it_is);
  CHECK_THROWS_WITH_AS(plain.load_state_dict(state), doctest::Contains("batch_size is missing"), gradus::ValueError);
}

TEST_CASE("lengths_of asks every example for its length") {
  CHECK(data::lengths_of(Numbers{4}, [](int64_t i) { return i * i; }) == Ints{0, 1, 4, 9});
}

TEST_CASE("a DataLoader takes a sampler of one's own, which need not be resumable") {
  struct Odd {
    int64_t size() const { return 2; }
    data::EpochBatches batches(int64_t epoch) const { return {.order = {1, 3, 5 + epoch}, .ends = {1, 3}}; }
  };
  static_assert(data::Sampler<Odd> && !data::ResumableSampler<Odd>);
  data::DataLoader loader(Numbers{10}, Odd(), {}, as_it_is);
  CHECK(epoch_of(loader) == Batches{{1}, {3, 5}});
  CHECK(epoch_of(loader) == Batches{{1}, {3, 6}});
  struct Wrong : Odd {
    data::EpochBatches batches(int64_t) const { return {.order = {1}, .ends = {1, 3}}; }
  };
  data::DataLoader wrong(Numbers{10}, Wrong(), {}, as_it_is);
  CHECK_THROWS_WITH_AS(epoch_of(wrong), "DataLoader: batch 1 is made of the examples from 1 to 3 of an order of 1", gradus::IndexError);
}

TEST_CASE("a BucketSampler that was moved from has no examples") {
  data::BucketSampler buckets({3, 1, 2}, {.max_tokens = 4, .shuffle = true, .seed = 1});
  const data::BucketSampler moved = std::move(buckets);
  CHECK(moved.batches(0).order.size() == 3);
  CHECK(buckets.size() == 0);
  CHECK(buckets.batches(0).order.empty());
  CHECK(buckets.padding() == 0);
}
