#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "distributed/ranks.h"
#include "error_of.h"
#include "gradus/creation.h"
#include "gradus/error.h"

using gradus::Tensor;
using gradus::distributed::ReduceOp;
using gradus::distributed::Session;
using testing::error_of;
using namespace distributed_test;

namespace {

/// What each rank contributes differs in every element.
template <class T>
std::vector<T> numbers(int rank, int64_t n) {
  std::vector<T> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<T>((i * 37 + rank * 101) % 1009) / static_cast<T>(rank + 3));
  return values;
}

/// ((0 + 1) + (2 + 3)) + …, as documented.
template <class T>
T tree_sum(std::vector<T> parts) {
  while (parts.size() > 1) {
    // Neighbours of one round have equal numbers of ranks below them but for the last.
    std::vector<T> next;
    for (size_t i = 0; i < parts.size(); i += 2) next.push_back(i + 1 < parts.size() ? parts[i] + parts[i + 1] : parts[i]);
    parts = next;
  }
  return parts[0];
}

template <class T>
void check_sums(int64_t n) {
  const std::vector<T> sums = session().all_reduce(gradus::from_vector(numbers<T>(session().rank(), n), {n})).template to_vector<T>();
  int64_t wrong = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<T> parts;
    for (int rank = 0; rank < session().size(); ++rank) parts.push_back(numbers<T>(rank, n)[static_cast<size_t>(i)]);
    wrong += sums[static_cast<size_t>(i)] != tree_sum(parts);
  }
  CHECK(wrong == 0);
}

bool is_first() { return session().rank() == 0; }

}  // namespace

TEST_CASE("a session knows its rank and the number of ranks") {
  CHECK(session().size() >= 1);
  CHECK(session().rank() >= 0);
  CHECK(session().rank() < session().size());
}

TEST_CASE("there is one session in a process") {
  CHECK_THROWS_AS(Session{}, gradus::StateError);
  CHECK_THROWS_AS(Session({.timeout = std::chrono::seconds(0)}), gradus::ValueError);
}

TEST_CASE("all_reduce adds up in a tree over the ranks, to the bit, for every dtype and for fewer elements than ranks") {
  for (const int64_t n : {0, 1, 2, 3, 5, 100}) {
    CAPTURE(n);
    check_sums<float>(n);
    check_sums<double>(n);
    check_sums<int64_t>(n);
  }
}

TEST_CASE("all_reduce keeps shape, strided operands and their elements") {
  const Tensor x = gradus::arange(6).reshape({2, 3}).transpose(0, 1);
  const Tensor y = session().all_reduce(x);
  CHECK(y.shape() == gradus::Shape{3, 2});
  CHECK(y.equal(x * session().size()));
  CHECK(x.equal(gradus::arange(6).reshape({2, 3}).transpose(0, 1)));
}

TEST_CASE("all_reduce gives largest and smallest elements, and NaN where one is") {
  const auto rank = static_cast<double>(session().rank());
  const Tensor x = gradus::from_vector(std::vector<double>{rank, -rank}, {2});
  const auto last = static_cast<double>(session().size() - 1);
  CHECK(session().all_reduce(x, ReduceOp::Max).to_vector<double>() == std::vector<double>{last, 0});
  CHECK(session().all_reduce(x, ReduceOp::Min).to_vector<double>() == std::vector<double>{0, -last});
  const double one = is_first() ? std::numeric_limits<double>::quiet_NaN() : 1;
  CHECK(std::isnan(session().all_reduce(gradus::full({1}, one), ReduceOp::Max).item()));
  CHECK(std::isnan(session().all_reduce(gradus::full({1}, one), ReduceOp::Min).item()));
}

TEST_CASE("broadcast gives the root's elements to all") {
  for (int root = 0; root < session().size(); ++root) {
    const Tensor x = gradus::full({3, 5}, session().rank() + 1);
    CHECK(session().broadcast(x, root).equal(gradus::full({3, 5}, root + 1)));
    CHECK(x.equal(gradus::full({3, 5}, session().rank() + 1)));
  }
  CHECK_THROWS_AS(session().broadcast(gradus::ones({2}), session().size()), gradus::IndexError);
  CHECK_THROWS_AS(session().broadcast(gradus::ones({2}), -1), gradus::IndexError);
}

TEST_CASE("all_gather gives the tensors of all ranks in order") {
  const auto all = session().all_gather(gradus::full({2, 2}, session().rank(), {.dtype = gradus::int64}));
  REQUIRE(static_cast<int>(all.size()) == session().size());
  for (int rank = 0; rank < session().size(); ++rank)
    CHECK(all[static_cast<size_t>(rank)].equal(gradus::full({2, 2}, rank, {.dtype = gradus::int64})));
}

TEST_CASE("what no rank may give is refused on every rank, and the session goes on") {
  CHECK_THROWS_AS(session().all_reduce(Tensor()), gradus::StateError);
  CHECK_THROWS_AS(session().all_gather(gradus::ones({2}, {.dtype = gradus::boolean})), gradus::DTypeError);
  session().barrier();
}

TEST_CASE("ranks with other shapes all throw ShapeError that shows both") {
  if (session().size() == 1) return;
  const auto f = [] { session().all_reduce(gradus::ones(is_first() ? gradus::Shape{2, 3} : gradus::Shape{3, 2})); };
  const std::string text = error_of<gradus::ShapeError>(f);
  CHECK(text.starts_with("all_reduce: "));
  CHECK(text.find("float32 [2, 3]") != std::string::npos);
  CHECK(text.find("rank 1") != std::string::npos);
  CHECK(text.find("float32 [3, 2]") != std::string::npos);
  CHECK_THROWS_AS(session().all_gather(gradus::ones(is_first() ? gradus::Shape{1} : gradus::Shape{})), gradus::ShapeError);
  session().barrier();
}

TEST_CASE("ranks with other dtypes all throw DTypeError") {
  if (session().size() == 1) return;
  const auto f = [] { session().broadcast(gradus::ones({2}, {.dtype = is_first() ? gradus::float32 : gradus::int64})); };
  CHECK(error_of<gradus::DTypeError>(f).find("int64 [2]") != std::string::npos);
  CHECK_THROWS_AS(session().all_reduce(is_first() ? gradus::ones({2}) : Tensor()), gradus::DTypeError);
  session().barrier();
}

TEST_CASE("ranks that make other calls all throw StateError, each with its own call first") {
  if (session().size() == 1) return;
  const auto f = [] {
    if (is_first()) session().barrier();
    else session().all_reduce(gradus::ones({2}));
  };
  const std::string text = error_of<gradus::StateError>(f);
  CHECK(text.starts_with(is_first() ? "barrier: " : "all_reduce: "));
  CHECK(text.find("rank 0 makes barrier") != std::string::npos);
  session().barrier();
}

TEST_CASE("ranks with other arguments all throw ValueError") {
  if (session().size() == 1) return;
  CHECK_THROWS_AS(session().broadcast(gradus::ones({2}), is_first() ? 0 : 1), gradus::ValueError);
  CHECK_THROWS_AS(session().all_reduce(gradus::ones({2}), is_first() ? ReduceOp::Sum : ReduceOp::Max), gradus::ValueError);
  session().barrier();
}
