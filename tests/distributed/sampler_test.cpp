#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "distributed/ranks.h"
#include "gradus/creation.h"
#include "gradus/data/sampler.h"
#include "gradus/distributed.h"
#include "gradus/error.h"

using gradus::distributed::DistributedSampler;
using gradus::distributed::DistributedSamplerOptions;
using namespace distributed_test;

static_assert(gradus::data::ResumableSampler<DistributedSampler>);

namespace {

/// The examples of all ranks in one step of an epoch.
std::vector<int64_t> examples_of_step(const DistributedSampler& sampler, int64_t epoch, int64_t step, int64_t examples) {
  // Each rank says of every example how often it has it.
  std::vector<int64_t> count(static_cast<size_t>(examples));
  const gradus::data::EpochBatches own = sampler.batches(epoch);
  const int64_t shards = sampler.size() / sampler.steps();
  for (int64_t i = step * shards; i < (step + 1) * shards; ++i) {
    CHECK(!own[i].empty());
    for (const int64_t example : own[i]) ++count[static_cast<size_t>(example)];
  }
  return session().all_reduce(gradus::from_vector(count, {examples})).to_vector<int64_t>();
}

}  // namespace

TEST_CASE("all ranks together have every example once an epoch, in global batches") {
  for (const int64_t examples : {8, 16, 17, 19, 23, 30}) {
    CAPTURE(examples);
    const DistributedSampler sampler(session(), examples, {.batch_size = 8, .shuffle = true, .seed = 4, .shards = 4});
    CHECK(sampler.batches(0).size() == sampler.size());
    for (const int64_t epoch : {0, 3}) {
      std::vector<int64_t> all(static_cast<size_t>(examples));
      for (int64_t step = 0; step < sampler.steps(); ++step) {
        const auto here = examples_of_step(sampler, epoch, step, examples);
        for (size_t i = 0; i < all.size(); ++i) all[i] += here[i];
        const int64_t count = std::accumulate(here.begin(), here.end(), int64_t{0});
        if (step + 1 < sampler.steps()) CHECK(count == 8);
        else CHECK(count == examples - 8 * step);
      }
      CHECK(std::all_of(all.begin(), all.end(), [](int64_t count) { return count == 1; }));
    }
  }
}

TEST_CASE("the global batches are those of a BatchSampler of the same seed, whatever the number of ranks") {
  const DistributedSampler sampler(session(), 24, {.batch_size = 8, .shuffle = true, .seed = 4});
  const gradus::data::EpochBatches whole = gradus::data::BatchSampler(24, {.batch_size = 8, .shuffle = true, .seed = 4}).batches(1);
  for (int64_t step = 0; step < 3; ++step) {
    const auto here = examples_of_step(sampler, 1, step, 24);
    for (const int64_t example : whole[step]) CHECK(here[static_cast<size_t>(example)] == 1);
  }
}

TEST_CASE("a last batch is left out with drop_last, and joins the one before when it has fewer examples than shards") {
  CHECK(DistributedSampler(session(), 18, {.batch_size = 8}).steps() == 2);
  CHECK(DistributedSampler(session(), 20, {.batch_size = 8}).steps() == 3);
  CHECK(DistributedSampler(session(), 20, {.batch_size = 8, .drop_last = true}).steps() == 2);
  CHECK(DistributedSampler(session(), 5, {.batch_size = 8}).steps() == 1);
}

TEST_CASE("a place counts global batches, and another number of shards is refused") {
  const DistributedSamplerOptions options{.batch_size = 8, .shuffle = true, .seed = 4};
  DistributedSampler sampler(session(), 24, options), other(session(), 24, {.batch_size = 8, .shuffle = true, .seed = 9});
  const int64_t shards = sampler.size() / sampler.steps();
  const auto state = sampler.state_dict({.epoch = 2, .batch = 2 * shards});
  const auto place = other.prepare_load_state_dict(state)();
  CHECK(place.epoch == 2);
  CHECK(place.batch == 2 * shards);
  CHECK(other.batches(2).order == sampler.batches(2).order);
  DistributedSampler eight(session(), 24, {.batch_size = 8, .shuffle = true, .seed = 4, .shards = 8});
  CHECK_THROWS_AS(static_cast<void>(eight.prepare_load_state_dict(state)), gradus::ValueError);
  CHECK_THROWS_AS(static_cast<void>(eight.prepare_load_state_dict({})), gradus::ValueError);
}

TEST_CASE("arguments that do not do, or differ between ranks, are refused on every rank") {
  CHECK_THROWS_AS(DistributedSampler(session(), 24, {.batch_size = 3}), gradus::ValueError);
  CHECK_THROWS_AS(DistributedSampler(session(), 3, {.batch_size = 8}), gradus::ValueError);
  CHECK_THROWS_AS(DistributedSampler(session(), 24, {.batch_size = 8, .shards = session().size() - 1}), gradus::ValueError);
  if (session().size() > 1) CHECK_THROWS_AS(DistributedSampler(session(), 24 + session().rank(), {.batch_size = 8}), gradus::ValueError);
  session().barrier();
}

TEST_CASE("any is true on all ranks when it is on one") {
  CHECK(session().any(session().rank() == session().size() - 1));
  CHECK_FALSE(session().any(false));
}
