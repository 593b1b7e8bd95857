#include "core/thread_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "gradus/error.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;

namespace {

constexpr int kThreads[] = {1, 2, 3, 8};

/// Sets the number of threads while it lives.
class Threads {
 public:
  explicit Threads(int threads) : before_(get_num_threads()) { set_num_threads(threads); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

/// How often parallel_for visits each of n elements.
std::vector<int> visits(int64_t n, int64_t grain) {
  std::vector<std::atomic<int>> counts(static_cast<size_t>(n));
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++counts[static_cast<size_t>(i)];
  });
  return {counts.begin(), counts.end()};
}

}  // namespace

TEST_CASE("parallel_for covers every element once, with any number of threads") {
  for (const int threads : kThreads) {
    const Threads set(threads);
    CHECK(get_num_threads() == threads);
    for (const int64_t n : {0, 1, 2, 7, 64, 1001})
      for (const int64_t grain : {1, 2, 10, 64, 5000}) {
        CAPTURE(n);
        CAPTURE(grain);
        CHECK(visits(n, grain) == std::vector<int>(static_cast<size_t>(n), 1));
      }
  }
}

TEST_CASE("pieces depend on the sizes alone") {
  std::set<std::pair<int64_t, int64_t>> expected{{0, 4}, {4, 8}, {8, 10}};
  for (const int threads : kThreads) {
    const Threads set(threads);
    std::mutex mutex;
    std::set<std::pair<int64_t, int64_t>> pieces;
    parallel_for(10, 4, [&](int64_t begin, int64_t end) {
      const std::lock_guard lock(mutex);
      pieces.emplace(begin, end);
    });
    CHECK(pieces == expected);
  }
}

TEST_CASE("parallel_for of nothing calls nothing") {
  int pieces = 0;
  parallel_for(0, 4, [&](int64_t, int64_t) { ++pieces; });
  parallel_for(-3, 4, [&](int64_t, int64_t) { ++pieces; });
  CHECK(pieces == 0);
}

TEST_CASE("an exception in a piece is thrown again in the caller, and the pool goes on") {
  for (const int threads : kThreads) {
    const Threads set(threads);
    for (int round = 0; round < 20; ++round) {
      CHECK(error_of<ValueError>([] {
              parallel_pieces(50, [](int64_t piece) {
                if (piece == 17) throw ValueError("piece 17");
              });
            }) == "piece 17");
      CHECK(visits(100, 3) == std::vector<int>(100, 1));
    }
    CHECK_THROWS_AS(parallel_pieces(20, [](int64_t) { throw std::runtime_error("each"); }), std::runtime_error);
  }
}

TEST_CASE("a parallel loop within a parallel loop covers everything too") {
  for (const int threads : kThreads) {
    const Threads set(threads);
    std::vector<std::atomic<int>> counts(60);
    parallel_for(6, 1, [&](int64_t row, int64_t) {
      parallel_for(10, 3, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++counts[static_cast<size_t>(row * 10 + i)];
      });
    });
    for (const auto& count : counts) CHECK(count == 1);
  }
}

TEST_CASE("an exception of an inner loop goes through the outer one") {
  const Threads set(4);
  CHECK_THROWS_AS(parallel_for(6, 1,
                               [](int64_t row, int64_t) {
                                 parallel_for(10, 1, [row](int64_t i, int64_t) {
                                   if (row == 3 && i == 3) throw IndexError("inner");
                                 });
                               }),
                  IndexError);
  CHECK(visits(100, 7) == std::vector<int>(100, 1));
}

TEST_CASE("several threads use the pool at once") {
  const Threads set(3);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> users;
  for (int t = 0; t < 4; ++t)
    users.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        if (visits(40, 4) != std::vector<int>(40, 1)) ++wrong;
    });
  for (std::thread& user : users) user.join();
  CHECK(wrong == 0);
}

TEST_CASE("more than one thread does the work") {
  const Threads set(4);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::atomic<int> started = 0;
  // Each piece waits until a second one has started, which only another thread can do.
  parallel_pieces(2, [&](int64_t) {
    ++started;
    while (started < 2) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  CHECK(ids.size() == 2);
}

TEST_CASE("the number of threads is from 1 to 256, and does not change inside a loop") {
  const int before = get_num_threads();
  CHECK(error_of<ValueError>([] { set_num_threads(0); }) == "set_num_threads: 0 threads; give 1 to 256");
  CHECK(error_of<ValueError>([] { set_num_threads(-2); }) == "set_num_threads: -2 threads; give 1 to 256");
  CHECK(error_of<ValueError>([] { set_num_threads(257); }) == "set_num_threads: 257 threads; give 1 to 256");
  CHECK(get_num_threads() == before);
  const Threads set(2);
  const std::string text = error_of<StateError>([] { parallel_pieces(2, [](int64_t) { set_num_threads(3); }); });
  CHECK(text.find("set_num_threads: called from inside a parallel operation") == 0);
  CHECK(get_num_threads() == 2);
}
