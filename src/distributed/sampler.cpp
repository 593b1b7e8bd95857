#include "gradus/distributed/sampler.h"

#include <algorithm>
#include <string>
#include <vector>

#include "distributed/message.h"
#include "gradus/creation.h"
#include "gradus/random.h"

namespace gradus::distributed {
namespace {

/// The options with rank 0's seed, once all ranks have shown that theirs are the same.
DistributedSamplerOptions agreed(const Session& session, int64_t examples, DistributedSamplerOptions options) {
  const std::vector<int64_t> own{examples,
                                 options.batch_size,
                                 options.shuffle,
                                 options.drop_last,
                                 options.shards,
                                 options.seed.has_value(),
                                 static_cast<int64_t>(options.seed.value_or(0))};
  const Tensor numbers = from_vector(own, {static_cast<int64_t>(own.size())});
  const std::vector<Tensor> all = session.all_gather(numbers);
  for (size_t rank = 1; rank < all.size(); ++rank)
    check<ValueError>(
        all[rank].equal(all[0]),
        "DistributedSampler: rank {} has other arguments than rank 0: examples, batch_size, shuffle, drop_last, shards, whether "
        "there is a seed, and the seed are {} and {}",
        rank, all[rank].str(), all[0].str());
  check<ValueError>(options.shards >= session.size(), "DistributedSampler: {} shards for {} ranks; there must be as many at least",
                    options.shards, session.size());
  check<ValueError>(options.batch_size >= options.shards,
                    "DistributedSampler: a batch_size of {} for {} shards; there must be an example for each", options.batch_size,
                    options.shards);
  check<ValueError>(examples >= options.shards, "DistributedSampler: {} examples for {} shards; there must be one for each", examples,
                    options.shards);
  if (options.shuffle && !options.seed)
    options.seed = static_cast<uint64_t>(session.broadcast(randint(0, int64_t{1} << 62, {})).item<int64_t>());
  return options;
}

}  // namespace

DistributedSampler::DistributedSampler(const Session& session, int64_t examples, const DistributedSamplerOptions& options)
    : examples_(examples),
      options_(agreed(session, examples, options)),
      first_shard_(session.rank() * options.shards / session.size()),
      last_shard_((session.rank() + 1) * options.shards / session.size()),
      global_(examples,
              {.batch_size = options_.batch_size, .shuffle = options_.shuffle, .seed = options_.seed, .drop_last = options_.drop_last}) {}

int64_t DistributedSampler::steps() const noexcept {
  const int64_t rest = examples_ % options_.batch_size;
  const bool joins = !options_.drop_last && rest > 0 && rest < options_.shards && examples_ > options_.batch_size;
  return global_.size() - (joins ? 1 : 0);
}

data::EpochBatches DistributedSampler::batches(int64_t epoch) const {
  const data::EpochBatches whole = global_.batches(epoch);
  data::EpochBatches own;
  for (int64_t step = 0; step < steps(); ++step) {
    const bool is_last = step + 1 == steps();
    const int64_t begin = step * options_.batch_size, end = is_last ? whole.ends.back() : whole.ends[static_cast<size_t>(step)];
    for (int64_t shard = first_shard_; shard < last_shard_; ++shard) {
      const int64_t from = begin + shard * (end - begin) / options_.shards, to = begin + (shard + 1) * (end - begin) / options_.shards;
      own.order.insert(own.order.end(), whole.order.begin() + from, whole.order.begin() + to);
      own.ends.push_back(static_cast<int64_t>(own.order.size()));
    }
  }
  return own;
}

StateDict DistributedSampler::state_dict(const data::EpochPlace& place) const {
  StateDict state = global_.state_dict({.epoch = place.epoch, .batch = place.batch / own_shards()});
  state.emplace_back("shards", from_vector(std::vector<int64_t>{options_.shards}, {}));
  return state;
}

std::function<data::EpochPlace()> DistributedSampler::prepare_load_state_dict(const StateDict& state) {
  StateDict global = state;
  const auto shards = std::find_if(global.begin(), global.end(), [](const auto& entry) { return entry.first == "shards"; });
  check<ValueError>(shards != global.end() && shards->second.defined() && shards->second.dtype() == int64 && shards->second.numel() == 1,
                    "DistributedSampler: load_state_dict: shards must be there, one int64");
  const auto its_shards = shards->second.item<int64_t>();
  check<ValueError>(its_shards == options_.shards,
                    "DistributedSampler: load_state_dict: {} shards, and this one has {}: examples would be "
                    "dealt in another way",
                    its_shards, options_.shards);
  global.erase(shards);
  return [this, load = global_.prepare_load_state_dict(global)] {
    const data::EpochPlace place = load();
    return data::EpochPlace{.epoch = place.epoch, .batch = place.batch * own_shards()};
  };
}

}  // namespace gradus::distributed
