#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "data/batches.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/product.h"
#include "gradus/random.h"

using namespace data_test;
namespace data = gradus::data;
using gradus::StateDict;
using gradus::Tensor;

namespace {

/// Numbers, of which it is counted how many were asked for.
struct Counted {
  int64_t n;
  std::shared_ptr<std::atomic<int64_t>> asked = std::make_shared<std::atomic<int64_t>>(0);
  int64_t size() const { return n; }
  int64_t get(int64_t i) const {
    ++*asked;
    return i;
  }
};

/// Waits, but not for ever.
bool soon(const auto& condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace

TEST_CASE("a loader that prepares batches ahead gives the same ones, and has the same state after each") {
  for (const bool shuffle : {false, true})
    for (const int64_t prefetch : {1, 2, 100}) {
      auto plain = numbers_loader(23, {.batch_size = 3, .shuffle = shuffle, .seed = 5});
      auto ahead = numbers_loader(23, {.batch_size = 3, .shuffle = shuffle, .seed = 5, .prefetch = prefetch});
      for (int epoch = 0; epoch < 3; ++epoch) {
        auto a = plain.begin();
        auto b = ahead.begin();
        while (a != plain.end()) {
          REQUIRE(b != ahead.end());
          CHECK(*a == *b);
          const StateDict expected = plain.state_dict(), state = ahead.state_dict();
          REQUIRE(expected.size() == state.size());
          for (size_t i = 0; i < state.size(); ++i) CHECK(same(state[i].second, expected[i].second));
          ++a;
          ++b;
        }
        CHECK(b == ahead.end());
      }
    }
}

TEST_CASE("so many batches are prepared ahead, and no more") {
  const Counted numbers{100};
  data::DataLoader loader(numbers, {.batch_size = 1, .prefetch = 3}, as_it_is);
  auto it = loader.begin();
  CHECK(soon([&] { return *numbers.asked == 4; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(*numbers.asked == 4);  // the one that the loop has, and three
  ++it;
  CHECK(soon([&] { return *numbers.asked == 5; }));
}

TEST_CASE("a state counts the batches that were given, wherever the thread is") {
  auto whole = numbers_loader(30, {.batch_size = 2, .shuffle = true, .seed = 1, .prefetch = 4});
  std::vector<StateDict> states{whole.state_dict()};
  Batches expected;
  for (auto& batch : whole) {
    expected.push_back(batch);
    states.push_back(whole.state_dict());
  }
  for (size_t done = 0; done < states.size(); ++done) {
    auto other = numbers_loader(30, {.batch_size = 2, .shuffle = true, .seed = 9, .prefetch = 3});
    other.load_state_dict(states[done]);
    CHECK(epoch_of(other) == Batches(expected.begin() + static_cast<int64_t>(done), expected.end()));
  }
}

TEST_CASE("what a dataset or a collate function throws comes in the loop at its batch, and the loop can go on after it") {
  struct Bad {
    int64_t size() const { return 8; }
    int64_t get(int64_t i) const { return i == 5 ? throw std::runtime_error("example 5") : i; }
  };
  const auto collate = [](const Ints& x) { return x[0] == 6 ? throw gradus::ValueError("collate: 6") : x; };
  data::DataLoader loader(Bad{}, {.batch_size = 2, .prefetch = 4}, collate);
  for (int epoch = 0; epoch < 2; ++epoch) {
    auto it = loader.begin();
    CHECK(*it == Ints{0, 1});
    ++it;
    CHECK(*it == Ints{2, 3});
    CHECK_THROWS_WITH_AS(++it, "example 5", std::runtime_error);
    CHECK_THROWS_WITH_AS(++it, "collate: 6", gradus::ValueError);
    ++it;
    CHECK(it == loader.end());
  }
  data::DataLoader at_once(Numbers{3}, {.prefetch = 2}, [](const Ints&) -> Ints { throw std::runtime_error("at once"); });
  CHECK_THROWS_WITH_AS(at_once.begin(), "at once", std::runtime_error);
  CHECK_THROWS_WITH_AS(numbers_loader(3, {.prefetch = -1}), "DataLoader: prefetch is -1; it must be at least 0", gradus::ValueError);
  CHECK_THROWS_AS(data::DataLoader(Numbers{1}, data::BucketSampler({1}), {.prefetch = -2}, as_it_is), gradus::ValueError);
  CHECK(epoch_of(*std::make_unique<data::DataLoader<Numbers, Ints (*)(const Ints&)>>(Numbers{2}, data::LoaderOptions{.prefetch = INT64_MAX},
                                                                                     as_it_is)) == Batches{{0}, {1}});
}

TEST_CASE("a loop that is left early ends its thread, and nothing that it uses is touched afterwards") {
  const Counted numbers{1000};
  for (int i = 0; i < 50; ++i) {
    auto local = std::make_unique<int64_t>(0);
    data::DataLoader loader(numbers, {.batch_size = 1, .prefetch = 3}, [&counter = *local](const Ints& x) { return ++counter, x; });
    for (auto& batch : loader)
      if (batch[0] == i % 5) break;
    const int64_t asked = *numbers.asked;
    if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK(*numbers.asked == asked);
    CHECK(*local >= i % 5 + 1);
  }
}

TEST_CASE("a loader may be moved, assigned to or copied while its thread prepares batches; so may the iterator be moved") {
  struct Rows {
    std::vector<int64_t> rows;
    int64_t size() const { return std::ssize(rows); }
    int64_t get(int64_t i) const { return rows.at(static_cast<size_t>(i)); }
  };
  const auto loader_of = [](int64_t n) { return data::DataLoader(Rows{counted(n)}, {.batch_size = 1, .prefetch = 2}, as_it_is); };
  auto loader = std::make_optional(loader_of(50));
  auto it = loader->begin();
  auto moved = std::move(*loader);
  ++it;  // over the loader that was moved from, which has no batches
  CHECK(it == loader->end());
  CHECK(epoch_of(moved).size() == 50);

  auto assigned = loader_of(50);
  auto second = assigned.begin();
  assigned = loader_of(20);
  ++second;
  CHECK(*second == Ints{1});  // of the epoch that it began
  auto third = std::move(second);
  ++third;
  CHECK(*third == Ints{2});
  CHECK_THROWS_WITH_AS(++second, "DataLoader: the iterator was moved from; go on with the one that it was moved to",
                       gradus::ValueError);  // NOLINT(bugprone-use-after-move)
  third = assigned.begin();
  CHECK(*third == Ints{0});
  auto copy = assigned;
  CHECK(epoch_of(copy).size() == 20);
}

TEST_CASE("random numbers of a dataset or a collate function are those of their batch, with and without a thread, and leave others alone") {
  const auto noisy = [](const Ints& x) { return gradus::rand({2}) + static_cast<double>(x[0]); };
  const auto epoch_with = [&](int64_t prefetch, uint64_t seed, bool draw) {
    gradus::manual_seed(3);
    data::DataLoader loader(Numbers{12}, {.batch_size = 1, .shuffle = true, .seed = seed, .prefetch = prefetch}, noisy);
    std::vector<double> all;
    for (int epoch = 0; epoch < 2; ++epoch)
      for (auto& batch : loader) {
        if (draw) gradus::rand({5});
        for (const double x : batch.to_vector<double>()) all.push_back(x);
      }
    return all;
  };
  const std::vector<double> expected = epoch_with(0, 1, false);
  CHECK(epoch_with(3, 1, false) == expected);
  CHECK(epoch_with(2, 1, true) == expected);
  CHECK(epoch_with(0, 2, false) != expected);
  CHECK(std::vector<double>(expected.begin(), expected.begin() + 24) != std::vector<double>(expected.begin() + 24, expected.end()));

  // The numbers outside are not moved on.
  gradus::manual_seed(3);
  const double undisturbed = gradus::rand({1}).item();
  gradus::manual_seed(3);
  data::DataLoader loader(Numbers{4}, {.prefetch = 1}, noisy);
  for (auto& batch : loader) CHECK(batch.defined());
  CHECK(gradus::rand({1}).item() == undisturbed);

  // A loader without a seed follows manual_seed, and a resumed one draws what the first would have drawn.
  const auto first_of = [&](uint64_t seed) {
    gradus::manual_seed(seed);
    data::DataLoader plain(Numbers{4}, {}, noisy);
    return plain.begin()->to_vector<double>();
  };
  CHECK(first_of(1) == first_of(1));
  CHECK(first_of(1) != first_of(2));
  gradus::manual_seed(8);
  data::DataLoader whole(Numbers{4}, {.shuffle = true, .seed = 4, .prefetch = 2}, noisy),
      rest(Numbers{4}, {.shuffle = true, .seed = 4}, noisy);
  auto it = whole.begin();
  rest.load_state_dict(whole.state_dict());
  ++it;
  CHECK(same(*it, *rest.begin()));
}

TEST_CASE("the thread records operations if the loop's thread does") {
  const Tensor weight = gradus::ones({2}, {.requires_grad = true});
  data::DataLoader loader(Numbers{2}, {.prefetch = 1}, [&](const Ints& x) { return weight * static_cast<double>(x[0]); });
  for (auto& batch : loader) CHECK(batch.requires_grad());
  const gradus::NoGradGuard no_grad;
  for (auto& batch : loader) CHECK(!batch.requires_grad());
}

TEST_CASE("a const loader can be looped over, by several loops at once, and stays where it is") {
  auto loader = numbers_loader(20, {.batch_size = 3, .shuffle = true, .seed = 2, .prefetch = 2});
  const Batches first = epoch_of(loader);
  const auto& fixed = loader;
  const Batches second = epoch_of(fixed);
  CHECK(second != first);
  CHECK(epoch_of(fixed) == second);  // the epoch that the next begin() is about
  CHECK(fixed.epoch() == 1);
  std::vector<Batches> found(4);
  std::vector<std::thread> threads;
  for (Batches& mine : found) threads.emplace_back([&] { mine = epoch_of(fixed); });
  for (std::thread& thread : threads) thread.join();
  for (const Batches& mine : found) CHECK(mine == second);
  // In the middle of an epoch a loop over the const one tells nothing.
  auto it = loader.begin();
  const StateDict before = loader.state_dict();
  CHECK(epoch_of(fixed).size() == 7);
  const StateDict after = loader.state_dict();
  for (size_t i = 0; i < before.size(); ++i) CHECK(same(before[i].second, after[i].second));
  ++it;
  CHECK(*it == second[1]);
}

TEST_CASE("the loop's body and the thread compute at the same time") {
  const Tensor big = gradus::ones({64, 64});
  data::DataLoader loader(Numbers{60}, {.batch_size = 2, .prefetch = 2},
                          [&](const Ints& x) { return gradus::matmul(big, big) * static_cast<double>(x[0]); });
  double sum = 0;
  for (auto& batch : loader) sum += gradus::matmul(batch, big)[0][0].item();
  CHECK(sum == 64.0 * 64 * (0 + 58) * 30 / 2);
}

TEST_CASE("a loop goes on in a child of fork(), with the same batches, and in the parent") {
  auto plain = numbers_loader(30, {.batch_size = 2, .shuffle = true, .seed = 1});
  const Batches expected = epoch_of(plain);
  auto loader = numbers_loader(30, {.batch_size = 2, .shuffle = true, .seed = 1, .prefetch = 3});
  auto it = loader.begin();
  Batches found{*it};
  ++it;
  const pid_t child = fork();
  for (; it != loader.end(); ++it) found.push_back(*it);
  if (child == 0) _exit(found == expected ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(found == expected);
}
