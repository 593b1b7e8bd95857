#include "gradus/data/buckets.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "core/array.h"
#include "core/check.h"
#include "data/sampler_state.h"

namespace gradus::data {

BucketSampler::BucketSampler(std::vector<int64_t> lengths, const BucketOptions& options)
    : lengths_(std::move(lengths)), by_length_(lengths_.size()), options_(options) {
  check<ValueError>(options.max_tokens >= 1, "BucketSampler: max_tokens is {}; it must be at least 1", options.max_tokens);
  check<ValueError>(options.max_examples.value_or(1) >= 1, "BucketSampler: max_examples is {}; it must be at least 1",
                    options.max_examples.value_or(1));
  for (size_t i = 0; i < lengths_.size(); ++i) {
    check<ValueError>(lengths_[i] >= 0, "BucketSampler: example {} has the length {}; a length is at least 0", i, lengths_[i]);
    check<ValueError>(lengths_[i] <= options.max_tokens || options.longer_alone,
                      "BucketSampler: example {} has the length {}, but max_tokens is {}; leave the example out, raise max_tokens, or set "
                      "longer_alone, which makes it a batch of its own",
                      i, lengths_[i], options.max_tokens);
  }
  std::iota(by_length_.begin(), by_length_.end(), int64_t{0});
  const auto length = [&](int64_t i) { return lengths_[static_cast<size_t>(i)]; };
  std::stable_sort(by_length_.begin(), by_length_.end(), [&](int64_t a, int64_t b) { return length(a) < length(b); });
  // The longest example of a batch is the one that was added last.
  int64_t begin = 0;
  for (int64_t i = 0; i < std::ssize(by_length_); ++i) {
    const int64_t longest = length(by_length_[static_cast<size_t>(i)]), examples = i - begin + 1;
    const bool fits = (longest == 0 || examples <= options.max_tokens / longest) && examples <= options.max_examples.value_or(examples);
    if (fits || examples == 1) continue;
    ends_.push_back(begin = i);
  }
  if (!by_length_.empty()) ends_.push_back(std::ssize(by_length_));
  if (options.shuffle && !options.seed) options_.seed = drawn_seed();
}

EpochBatches BucketSampler::batches(int64_t epoch) const {
  if (!options_.shuffle) return {by_length_, ends_};
  Generator random = generator_of(*options_.seed, epoch);
  // Examples change places among those of their length, so that the batches are as large as before.
  std::vector<int64_t> order = by_length_;
  const auto length = [&](auto at) { return lengths_[static_cast<size_t>(*at)]; };
  for (auto begin = order.begin(), end = begin; begin != order.end(); begin = end) {
    while (end != order.end() && length(end) == length(begin)) ++end;
    shuffle(begin, end, random);
  }
  std::vector<size_t> chosen(ends_.size());
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  shuffle(chosen.begin(), chosen.end(), random);
  EpochBatches batches;
  reserve("DataLoader", batches.order, std::ssize(order));
  for (const size_t i : chosen) {
    batches.order.insert(batches.order.end(), order.begin() + (i == 0 ? 0 : ends_[i - 1]), order.begin() + ends_[i]);
    batches.ends.push_back(std::ssize(batches.order));
  }
  return batches;
}

double BucketSampler::padding() const noexcept {
  double padded = 0, tokens = 0;
  int64_t begin = 0;
  for (const int64_t end : ends_) {
    const auto longest = static_cast<double>(lengths_[static_cast<size_t>(by_length_[static_cast<size_t>(end) - 1])]);
    padded += longest * static_cast<double>(end - begin);
    begin = end;
  }
  for (const int64_t length : lengths_) tokens += static_cast<double>(length);
  return padded > 0 ? 1 - tokens / padded : 0;
}

std::vector<std::pair<const char*, int64_t>> BucketSampler::fixed() const {
  uint64_t lengths = 0;
  for (const int64_t length : lengths_) lengths = mix(lengths, static_cast<uint64_t>(length));
  return {{"examples", std::ssize(lengths_)},
          {"lengths", static_cast<int64_t>(lengths)},
          {"max_tokens", options_.max_tokens},
          {"max_examples", options_.max_examples.value_or(0)},
          {"shuffle", options_.shuffle}};
}

StateDict BucketSampler::state_dict(const EpochPlace& place) const {
  return write_sampler_state({place, options_.shuffle ? options_.seed : std::nullopt}, fixed());
}

std::function<EpochPlace()> BucketSampler::prepare_load_state_dict(const StateDict& state) {
  return [this, loaded = read_sampler_state(state, fixed(), options_.shuffle, size())] {
    if (loaded.seed) options_.seed = loaded.seed;
    return loaded.place;
  };
}

}  // namespace gradus::data
