#include "data/sampler_state.h"

#include <map>
#include <string>
#include <string_view>

#include "core/check.h"
#include "core/joined.h"
#include "gradus/creation.h"

namespace gradus::data {

uint64_t mix(uint64_t a, uint64_t b) noexcept {
  uint64_t z = a + (b + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

Generator generator_of(uint64_t seed, int64_t epoch) { return Generator(mix(seed, static_cast<uint64_t>(epoch))); }

uint64_t drawn_seed() { return LockedGenerator()->random64(); }

StateDict write_sampler_state(const SamplerState& state, const FixedNumbers& fixed) {
  const auto whole = [](int64_t value) { return full({}, value, {.dtype = DType::Int64}); };
  StateDict entries{{"epoch", whole(state.place.epoch)}, {"batch", whole(state.place.batch)}};
  if (state.seed) entries.emplace_back("seed", whole(static_cast<int64_t>(*state.seed)));
  for (const auto& [name, value] : fixed) entries.emplace_back(name, whole(value));
  return entries;
}

SamplerState read_sampler_state(const StateDict& state, const FixedNumbers& fixed, bool with_seed, int64_t batches) {
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
  for (const auto& [name, value] : fixed)
    if (const auto stored = take(name); stored && *stored != value)
      problems.push_back(fmt::format("{} is {}, but {} here", name, *stored, value));
  const EpochPlace place{.epoch = take("epoch").value_or(0), .batch = take("batch").value_or(0)};
  // So that counting on stays within 64 bits.
  if (place.epoch < 0 || place.epoch > int64_t{1} << 62) problems.push_back(fmt::format("epoch is {}", place.epoch));
  if (place.batch < 0 || (problems.empty() && place.batch > batches))
    problems.push_back(fmt::format("batch is {}, and an epoch has {}", place.batch, batches));
  const std::optional<int64_t> seed = with_seed ? take("seed") : std::nullopt;
  for (const auto& [name, value] : left) problems.push_back(fmt::format("{} is unexpected", name));
  check<ValueError>(problems.empty(),
                    "DataLoader: load_state_dict: the state does not fit: {}; the order of the examples would be another one",
                    joined(problems, "; "));
  return {.place = place, .seed = seed};
}

}  // namespace gradus::data
