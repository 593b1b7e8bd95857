#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "gradus/data/sampler.h"

namespace gradus::data {

/// How a BucketSampler divides examples.
struct BucketOptions {
  /// Of a batch, padding included: its longest length times its number of examples is at most that (fairseq's --max-tokens).
  int64_t max_tokens = 4096;
  /// A batch has no more examples than that, if it is given (fairseq's --max-sentences).
  std::optional<int64_t> max_examples = {};
  /// The batches of an epoch come in a random order, and examples of equal length are exchanged at random.
  bool shuffle = false;
  /// Of the shuffling; when left out, the generator behind manual_seed gives one.
  std::optional<uint64_t> seed = {};
  /// An example longer than max_tokens is a batch of its own. Without it such an example is refused.
  bool longer_alone = false;
};

/// Batches of examples of similar length, so that little of a padded batch is padding: examples are sorted by length, equally long ones as
/// they stand or shuffled, and cut into batches as long as the budget allows. Without shuffling the batches come from short to long.
///
///     data::BucketSampler buckets(data::lengths_of(pairs, source_tokens), {.max_tokens = 4096, .shuffle = true, .seed = 0});
///     data::DataLoader loader(pairs, buckets, {.prefetch = 2}, collate);
///
/// All epochs have the same number of batches, of the same sizes. One that was moved from has no examples.
class GRADUS_API BucketSampler {
 public:
  /// lengths[i]: of example i, in whatever `max_tokens` counts; where a batch has several tensors, the longest that is padded.
  /// Throws ValueError, which names the example, on a negative length and, unless longer_alone is set, on one above max_tokens; and when
  /// max_tokens or max_examples is below 1.
  explicit BucketSampler(std::vector<int64_t> lengths, const BucketOptions& options = {});

  /// The number of batches in an epoch.
  int64_t size() const noexcept { return static_cast<int64_t>(ends_.size()); }
  /// The batches of one epoch, which depend on the lengths, the options and the number of the epoch alone.
  EpochBatches batches(int64_t epoch) const;
  /// Of the shuffling; nothing when it was not given and nothing is shuffled.
  std::optional<uint64_t> seed() const noexcept { return options_.seed; }
  /// The share of padding in the padded batches, from 0 to 1, of an epoch; 0 without tokens.
  double padding() const noexcept;

  /// `epoch` and `batch`, the place, and what the batches depend on: `seed`, when shuffling, `examples`, `lengths` (a checksum),
  /// `max_tokens`, `max_examples` (0: not given) and `shuffle`.
  StateDict state_dict(const EpochPlace& place) const;
  /// Checks a state_dict; the function that it gives takes the seed over and returns the place. Throws ValueError that lists what is
  /// missing, unexpected, or unlike this sampler.
  [[nodiscard]] std::function<EpochPlace()> prepare_load_state_dict(const StateDict& state);

 private:
  std::vector<std::pair<const char*, int64_t>> fixed() const;

  std::vector<int64_t> lengths_;
  std::vector<int64_t> by_length_;  // the examples, from short to long
  std::vector<int64_t> ends_;       // of the batches among them
  BucketOptions options_;
};

}  // namespace gradus::data
