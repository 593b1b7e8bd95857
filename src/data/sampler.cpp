#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/array.h"
#include "core/check.h"
#include "core/random.h"
#include "gradus/creation.h"
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

StateDict BatchSampler::state_dict(const EpochPlace& place) const {
  const auto whole = [](int64_t value) { return full({}, value, {.dtype = DType::Int64}); };
  StateDict state{{"epoch", whole(place.epoch)}, {"batch", whole(place.batch)}};
  if (options_.shuffle) state.emplace_back("seed", whole(static_cast<int64_t>(*options_.seed)));
  for (const auto& [name, value] : fixed()) state.emplace_back(name, whole(value));
  return state;
}

/// What the orders depend on beside the seed, and cannot be taken from a state.
std::vector<std::pair<const char*, int64_t>> BatchSampler::fixed() const {
  return {{"examples", examples_}, {"batch_size", options_.batch_size}, {"shuffle", options_.shuffle}, {"drop_last", options_.drop_last}};
}

std::function<EpochPlace()> BatchSampler::prepare_load_state_dict(const StateDict& state) {
  std::vector<std::string> problems;
  std::map<std::string_view, Tensor> left;
  for (const auto& [name, value] : state)
    if (!left.emplace(name, value).second) problems.push_back(name + " is there twice");
  const auto take = [&](const char* name) -> std::optional<int64_t> {
    const auto found = left.extract(name);
    if (found.empty()) problems.push_back(fmt::format("{} is missing", name));
    else if (const Tensor& x = found.mapped(); x.defined() && x.dtype() == DType::Int64 && x.dim() == 0) return x.item<int64_t>();
    else problems.push_back(fmt::format("{} is no int64 number", name));
    return {};
  };
  for (const auto& [name, value] : fixed())
    if (const auto stored = take(name); stored && *stored != value)
      problems.push_back(fmt::format("{} is {}, but {} here", name, *stored, value));
  const EpochPlace place{.epoch = take("epoch").value_or(0), .batch = take("batch").value_or(0)};
  // So that counting on stays within 64 bits.
  if (place.epoch < 0 || place.epoch > int64_t{1} << 62) problems.push_back(fmt::format("epoch is {}", place.epoch));
  if (place.batch < 0 || (problems.empty() && place.batch > size()))
    problems.push_back(fmt::format("batch is {}, and an epoch has {}", place.batch, size()));
  const std::optional<int64_t> seed = options_.shuffle ? take("seed") : std::nullopt;
  for (const auto& [name, value] : left) problems.push_back(fmt::format("{} is unexpected", name));
  check<ValueError>(problems.empty(),
                    "DataLoader: load_state_dict: the state does not fit: {}; the order of the examples would be another one",
                    fmt::join(problems, "; "));
  return [this, place, seed] {
    if (seed) options_.seed = static_cast<uint64_t>(*seed);
    return place;
  };
}

std::vector<int64_t> BatchSampler::batch(const std::vector<int64_t>& order, int64_t i) const {
  check<IndexError>(i >= 0 && i < size(), "DataLoader: batch {} is out of range for {}", i, size());
  check<ValueError>(static_cast<int64_t>(order.size()) == examples_, "DataLoader: an order of {} examples, but there are {}", order.size(),
                    examples_);
  const auto begin = order.begin() + i * options_.batch_size;
  return {begin, begin + std::min(options_.batch_size, order.end() - begin)};
}

}  // namespace gradus::data
