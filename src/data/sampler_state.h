#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/random.h"
#include "gradus/data/sampler.h"

namespace gradus::data {

/// What the batches of a sampler depend on beside the seed, and cannot be taken from a state.
using FixedNumbers = std::vector<std::pair<const char*, int64_t>>;

/// A place and, if there is one, a seed.
struct SamplerState {
  EpochPlace place;
  std::optional<uint64_t> seed;
};

/// The entries `epoch` and `batch`, `seed` if there is one, and the fixed numbers.
StateDict write_sampler_state(const SamplerState& state, const FixedNumbers& fixed);
/// Reads them. Throws ValueError, which begins with `DataLoader: load_state_dict`, and lists what is missing, unexpected, or unlike
/// `fixed`; with_seed says whether there should be a seed, `batches` how many an epoch has.
SamplerState read_sampler_state(const StateDict& state, const FixedNumbers& fixed, bool with_seed, int64_t batches);

/// The generator for one epoch of a seed.
Generator generator_of(uint64_t seed, int64_t epoch);
/// A seed from the generator behind manual_seed.
uint64_t drawn_seed();
/// Fisher and Yates; a remainder of 64 bits is even enough for any number of values that there can be.
template <class Iterator>
void shuffle(Iterator begin, Iterator end, Generator& random) {
  for (auto n = static_cast<uint64_t>(end - begin); n > 1; --n)
    std::swap(begin[static_cast<int64_t>(n) - 1], begin[static_cast<int64_t>(random.random64() % n)]);
}

/// Mixes two numbers (the finaliser of SplitMix64, Steele et al. 2014), so that neighbours give unrelated ones.
uint64_t mix(uint64_t a, uint64_t b) noexcept;

}  // namespace gradus::data
