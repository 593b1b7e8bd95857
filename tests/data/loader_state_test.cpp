#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/error.h"
#include "gradus/random.h"

using gradus::StateDict;
using gradus::Tensor;
namespace data = gradus::data;

/// What a DataLoader's state leads on to.
namespace {

using Ints = std::vector<int64_t>;
using Batches = std::vector<Ints>;

/// The numbers 0 … n - 1, each an example; counts how often it was asked.
struct Watched {
  int64_t n;
  int64_t* asked = nullptr;
  int64_t size() const { return n; }
  int64_t get(int64_t i) const {
    if (asked) ++*asked;
    return i;
  }
};

auto loader_of(const Watched& numbers, const data::LoaderOptions& options) {
  return data::DataLoader(numbers, options, [](const Ints& examples) { return examples; });
}

const data::LoaderOptions shuffled{.batch_size = 3, .shuffle = true, .seed = 5};

/// The batches of the next `epochs` epochs; `after` is called with the number of batches so far, in the loop's body and after an epoch.
template <class Loader>
Batches next_batches(
    Loader& loader, int64_t epochs, const std::function<void(size_t)>& after = [](size_t) {}) {
  Batches all;
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    for (auto& batch : loader) {
      all.push_back(batch);
      after(all.size());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a loader that takes over a state goes on with the batch after it, wherever in an epoch that was") {
  for (const bool shuffle : {false, true})
    for (const bool drop_last : {false, true}) {
      const data::LoaderOptions options{.batch_size = 3, .shuffle = shuffle, .seed = 5, .drop_last = drop_last};
      auto whole = loader_of({10}, options);
      std::vector<StateDict> states{whole.state_dict()};
      const Batches expected = next_batches(whole, 3, [&](size_t) { states.push_back(whole.state_dict()); });
      for (size_t done = 0; done < states.size(); ++done) {
        CAPTURE(done);
        auto other = loader_of({10}, {.batch_size = 3, .shuffle = shuffle, .seed = 77, .drop_last = drop_last});
        other.load_state_dict(states[done]);
        Batches rest;
        while (other.epoch() < 3)
          for (auto& batch : other) rest.push_back(batch);
        CHECK(rest == Batches(expected.begin() + static_cast<int64_t>(done), expected.end()));
        CHECK(other.epoch() == 3);
      }
    }
}

TEST_CASE("after the last batch of an epoch the rest of the loop's body is still to come; after the loop, the next epoch is") {
  auto loader = loader_of({6}, shuffled);
  StateDict in_body;
  for (auto& batch : loader) {
    CHECK(batch.size() == 3);
    in_body = loader.state_dict();
  }
  const StateDict after = loader.state_dict();
  auto other = loader_of({6}, shuffled);
  other.load_state_dict(in_body);
  CHECK(other.epoch() == 0);
  CHECK(next_batches(other, 1).empty());
  CHECK(other.epoch() == 1);
  auto third = loader_of({6}, shuffled);
  third.load_state_dict(after);
  CHECK(third.epoch() == 1);
  CHECK(next_batches(third, 1) == next_batches(loader, 1));
}

TEST_CASE("the batches before the place are not gathered") {
  auto loader = loader_of({1000}, {.batch_size = 10, .shuffle = true, .seed = 1});
  auto it = loader.begin();
  for (int i = 0; i < 89; ++i) ++it;
  const StateDict state = loader.state_dict();
  int64_t asked = 0;
  auto other = loader_of({1000, &asked}, {.batch_size = 10, .shuffle = true, .seed = 1});
  other.load_state_dict(state);
  CHECK(asked == 0);
  ++it;
  CHECK(*other.begin() == *it);
  CHECK(asked == 10);
}

TEST_CASE("a loop that was left is where it was left, and the next begin() starts the next epoch") {
  auto loader = loader_of({9}, shuffled);
  for (auto& batch : loader)
    if (batch.size() == 3) break;
  const StateDict state = loader.state_dict();
  auto other = loader_of({9}, shuffled);
  other.load_state_dict(state);
  CHECK(next_batches(other, 1).size() == 2);
  CHECK(next_batches(loader, 1) == next_batches(other, 1));
}

TEST_CASE("the seed is part of the state, also one that the generator behind manual_seed gave") {
  gradus::manual_seed(1);
  auto loader = loader_of({20}, {.batch_size = 4, .shuffle = true});
  auto it = loader.begin();
  const StateDict state = loader.state_dict();
  gradus::manual_seed(2);
  auto other = loader_of({20}, {.batch_size = 4, .shuffle = true});
  other.load_state_dict(state);
  ++it;
  CHECK(*other.begin() == *it);
  CHECK(next_batches(loader, 2) == next_batches(other, 2));
}

TEST_CASE("of two loops at once the one that was begun last is the loader's place") {
  auto loader = loader_of({9}, {.batch_size = 3});
  auto first = loader.begin();
  auto second = loader.begin();
  ++first;
  ++first;
  auto other = loader_of({9}, {.batch_size = 3});
  other.load_state_dict(loader.state_dict());
  CHECK(other.epoch() == 1);
  CHECK(*other.begin() == Ints{3, 4, 5});
  CHECK(*second == Ints{0, 1, 2});
  // A loop from before a load_state_dict does not move the place either.
  loader.load_state_dict(other.state_dict());
  ++second;
  ++second;
  CHECK(*loader.begin() == Ints{6, 7, 8});
}

TEST_CASE("a copy of a loader and one that it was moved to have its place, and their own from then on") {
  auto loader = loader_of({9}, shuffled);
  auto it = loader.begin();
  auto copy = loader;
  ++it;
  auto expected = loader_of({9}, shuffled);
  auto there = expected.begin();
  auto from_copy = loader_of({9}, shuffled);
  from_copy.load_state_dict(copy.state_dict());
  ++there;
  CHECK(*from_copy.begin() == *there);  // the copy does not follow the loop over the original
  auto moved = std::move(loader);
  ++it;  // over the loader that was moved from, which has no batches
  auto from_moved = loader_of({9}, shuffled);
  from_moved.load_state_dict(moved.state_dict());
  ++there;
  CHECK(*from_moved.begin() == *there);
  // Assigned over, a loader does not follow the loop over what it was.
  auto target = loader_of({9}, shuffled);
  auto old_loop = target.begin();
  target = copy;
  ++old_loop;
  ++old_loop;
  auto from_target = loader_of({9}, shuffled);
  from_target.load_state_dict(target.state_dict());
  auto again = loader_of({9}, shuffled);
  again.load_state_dict(copy.state_dict());
  CHECK(*from_target.begin() == *again.begin());
}

TEST_CASE("set_epoch leaves a place inside an epoch") {
  auto loader = loader_of({9}, shuffled);
  auto it = loader.begin();
  const Batches first = next_batches(loader, 1);
  auto other = loader_of({9}, shuffled);
  other.load_state_dict(loader.state_dict());
  other.set_epoch(1);
  CHECK(next_batches(other, 1) == first);
  CHECK(it != loader.end());
}

TEST_CASE("an example that cannot be had is asked for again by whoever takes over the state") {
  struct Bad {
    const bool* bad;
    int64_t size() const { return 4; }
    int64_t get(int64_t i) const { return i == 2 && *bad ? throw std::runtime_error("example 2") : i; }
  };
  bool bad = true;
  const auto collate = [](const Ints& examples) { return examples; };
  data::DataLoader loader(Bad{&bad}, {.batch_size = 2}, collate);
  CHECK_THROWS_AS(next_batches(loader, 1), std::runtime_error);
  bad = false;
  data::DataLoader other(Bad{&bad}, {.batch_size = 2}, collate);
  other.load_state_dict(loader.state_dict());
  CHECK(next_batches(other, 1) == Batches{{2, 3}});
}

TEST_CASE("a state of other data, other batches or another order is refused with every difference, and changes nothing") {
  auto loader = loader_of({10}, shuffled);
  auto it = loader.begin();
  const StateDict state = loader.state_dict();
  const auto refused = [&](const Watched& numbers, const data::LoaderOptions& options, const char* text) {
    auto other = loader_of(numbers, options);
    auto same = loader_of(numbers, options);
    CHECK_THROWS_WITH_AS(other.load_state_dict(state), doctest::Contains(text), gradus::ValueError);
    CHECK(next_batches(other, 2) == next_batches(same, 2));
  };
  refused({11}, shuffled, "DataLoader: load_state_dict: the state does not fit: examples is 10, but 11 here");
  refused({9}, {.batch_size = 2, .shuffle = true, .seed = 5}, "examples is 10, but 9 here; batch_size is 3, but 2 here");
  refused({10}, {.batch_size = 3}, "shuffle is 1, but 0 here; seed is unexpected");
  refused({10}, {.batch_size = 3, .shuffle = true, .seed = 5, .drop_last = true}, "drop_last is 0, but 1 here");
  const auto with = [&](const char* name, const Tensor& value) {
    StateDict changed;
    for (const auto& [key, tensor] : state) changed.emplace_back(key, key == name ? value : tensor);
    return changed;
  };
  const StateDict before = loader.state_dict();
  for (const auto& [bad, text] :
       std::vector<std::pair<StateDict, const char*>>{{{}, "examples is missing; batch_size is missing"},
                                                      {with("batch", gradus::tensor(-1)), "batch is -1"},
                                                      {with("batch", gradus::tensor(5)), "batch is 5, and an epoch has 4"},
                                                      {with("epoch", gradus::tensor(-1)), "epoch is -1"},
                                                      {with("epoch", gradus::tensor(INT64_MAX)), "epoch is 9223372036854775807"},
                                                      {with("epoch", gradus::tensor(1.5)), "epoch is no int64 number"},
                                                      {with("seed", gradus::tensor({1, 2})), "seed is no int64 number"},
                                                      {with("seed", Tensor()), "seed is no int64 number"}})
    CHECK_THROWS_WITH_AS(loader.load_state_dict(bad), doctest::Contains(text), gradus::ValueError);
  StateDict twice = state;
  twice.push_back(twice.front());
  CHECK_THROWS_WITH_AS(loader.load_state_dict(twice), doctest::Contains("epoch is there twice"), gradus::ValueError);
  ++it;
  auto other = loader_of({10}, shuffled);
  other.load_state_dict(before);
  CHECK(*other.begin() == *it);
}
