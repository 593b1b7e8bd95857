#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "distributed/ranks.h"
#include "gradus/creation.h"
#include "gradus/distributed/metrics.h"

using namespace gradus;
using namespace distributed_test;

TEST_CASE("a mean over the ranks' parts is that of all values") {
  train::Mean mean, whole;
  for (int64_t i = 0; i < 20; ++i) {
    const auto value = static_cast<double>(i * i), weight = static_cast<double>(i % 3);
    if (i % session().size() == session().rank()) mean.update(value, weight);
    whole.update(value, weight);
  }
  distributed::all_reduce(session(), mean);
  CHECK(mean.compute() == whole.compute());
  CHECK(mean.weight() == whole.weight());
}

TEST_CASE("a mean of which no rank has a value stays NaN, and one that is not finite stays so") {
  train::Mean none, infinite;
  distributed::all_reduce(session(), none);
  CHECK(std::isnan(none.compute()));
  if (session().rank() == session().size() - 1) infinite.update(INFINITY);
  else infinite.update(1);
  distributed::all_reduce(session(), infinite);
  CHECK(std::isinf(infinite.compute()));
}

TEST_CASE("an accuracy counts what all ranks have seen") {
  train::Accuracy accuracy;
  const int64_t right = session().rank() == 0 ? 1 : 0;  // rank 0 finds both of its two, the others one
  accuracy.update_predicted(from_vector(std::vector<int64_t>{1, right}, {2}), from_vector(std::vector<int64_t>{1, 1}, {2}));
  distributed::all_reduce(session(), accuracy);
  CHECK(accuracy.correct() == session().size() + 1);
  CHECK(accuracy.total() == 2 * session().size());
}

TEST_CASE("an error rate counts the edits of all ranks") {
  text::ErrorRate errors = text::error_rate({{"a", "b"}, {"c"}}, {{"a", "x", "y"}, {"c"}});
  const text::ErrorRate own = errors;
  distributed::all_reduce(session(), errors);
  CHECK(errors.edits.distance() == own.edits.distance() * session().size());
  CHECK(errors.sequences == 2 * session().size());
  CHECK(errors.wrong_sequences == session().size());
  CHECK(errors.rate() == own.rate());
}
