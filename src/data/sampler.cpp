#include <algorithm>
#include <numeric>

#include "core/array.h"
#include "core/check.h"
#include "core/random.h"
#include "gradus/data.h"

namespace gradus::data {
namespace {

/// Mixes two numbers into a seed (the finaliser of SplitMix64, Steele et al. 2014), so that neighbouring epochs have unrelated orders.
uint64_t mix(uint64_t seed, uint64_t epoch) {
  uint64_t z = seed + (epoch + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

BatchSampler::BatchSampler(int64_t examples, const LoaderOptions& options) : examples_(examples), options_(options) {
  check<ValueError>(options.batch_size >= 1, "DataLoader: batch_size is {}; it must be at least 1", options.batch_size);
  check<ValueError>(examples >= 0, "DataLoader: the dataset says that it has {} examples", examples);
  if (options.shuffle && !options.seed) options_.seed = LockedGenerator()->random64();
}

int64_t BatchSampler::size() const noexcept {
  const int64_t full = examples_ / options_.batch_size;
  return options_.drop_last || full * options_.batch_size == examples_ ? full : full + 1;
}

std::vector<int64_t> BatchSampler::order(int64_t epoch) const {
  std::vector<int64_t> order;
  reserve("DataLoader", order, examples_);
  order.resize(static_cast<size_t>(examples_));
  std::iota(order.begin(), order.end(), int64_t{0});
  if (!options_.shuffle) return order;
  // Fisher and Yates; a remainder of 64 bits is even enough for any number of examples that there can be.
  Generator random(mix(*options_.seed, static_cast<uint64_t>(epoch)));
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.random64() % i]);
  return order;
}

std::vector<int64_t> BatchSampler::batch(const std::vector<int64_t>& order, int64_t i) const {
  check<IndexError>(i >= 0 && i < size(), "DataLoader: batch {} is out of range for {}", i, size());
  check<ValueError>(static_cast<int64_t>(order.size()) == examples_, "DataLoader: an order of {} examples, but there are {}", order.size(),
                    examples_);
  const auto begin = order.begin() + i * options_.batch_size;
  return {begin, begin + std::min(options_.batch_size, order.end() - begin)};
}

}  // namespace gradus::data
