#include "gradus/data/sampler.h"

#include <algorithm>
#include <numeric>

#include "core/array.h"
#include "core/check.h"
#include "data/sampler_state.h"

namespace gradus::data {

std::span<const int64_t> EpochBatches::operator[](int64_t i) const {
  check<IndexError>(i >= 0 && i < size(), "DataLoader: batch {} is out of range for {}", i, size());
  const int64_t begin = i == 0 ? 0 : ends[static_cast<size_t>(i) - 1], end = ends[static_cast<size_t>(i)];
  check<IndexError>(begin >= 0 && begin <= end && end <= static_cast<int64_t>(order.size()),
                    "DataLoader: batch {} is made of the examples from {} to {} of an order of {}", i, begin, end, order.size());
  return {order.data() + begin, order.data() + end};
}

BatchSampler::BatchSampler(int64_t examples, const LoaderOptions& options) : examples_(examples), options_(options) {
  check<ValueError>(options.batch_size >= 1, "DataLoader: batch_size is {}; it must be at least 1", options.batch_size);
  check<ValueError>(examples >= 0, "DataLoader: the dataset says that it has {} examples", examples);
  if (options.shuffle && !options.seed) options_.seed = drawn_seed();
}

int64_t BatchSampler::size() const noexcept {
  const int64_t full = examples_ / options_.batch_size;
  return options_.drop_last || full * options_.batch_size == examples_ ? full : full + 1;
}

EpochBatches BatchSampler::batches(int64_t epoch) const {
  EpochBatches batches;
  reserve("DataLoader", batches.order, examples_);
  batches.order.resize(static_cast<size_t>(examples_));
  std::iota(batches.order.begin(), batches.order.end(), int64_t{0});
  reserve("DataLoader", batches.ends, size());
  for (int64_t i = 0, end = 0; i < size(); ++i) batches.ends.push_back(end += std::min(options_.batch_size, examples_ - end));
  if (!options_.shuffle) return batches;
  Generator random = generator_of(*options_.seed, epoch);
  shuffle(batches.order.begin(), batches.order.end(), random);
  return batches;
}

std::vector<std::pair<const char*, int64_t>> BatchSampler::fixed() const {
  return {{"examples", examples_}, {"batch_size", options_.batch_size}, {"shuffle", options_.shuffle}, {"drop_last", options_.drop_last}};
}

StateDict BatchSampler::state_dict(const EpochPlace& place) const {
  return write_sampler_state({place, options_.shuffle ? options_.seed : std::nullopt}, fixed());
}

std::function<EpochPlace()> BatchSampler::prepare_load_state_dict(const StateDict& state) {
  return [this, loaded = read_sampler_state(state, fixed(), options_.shuffle, size())] {
    if (loaded.seed) options_.seed = loaded.seed;
    return loaded.place;
  };
}

}  // namespace gradus::data
