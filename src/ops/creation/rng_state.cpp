#include "ops/creation/rng_state.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "gradus/random.h"

namespace gradus {
namespace {

// The elements of a state: a mark, the seed, how many of the numbers at hand were given, whether there is a second normal number, its bits,
// and the words.
constexpr int64_t kMark = 0x19937'0001;  // the kind of generator, and the order of the elements
constexpr size_t kBegin = 5, kCount = kBegin + Generator::word_count;

}  // namespace

Generator generator_of(Op op, const Tensor& state) {
  op.takes(state);
  op.check<DTypeError>(state.dtype() == DType::Int64, "the state is {}; give the int64 tensor that get_rng_state gave",
                       name(state.dtype()));
  op.check<ShapeError>(state.shape() == Shape{static_cast<int64_t>(kCount)},
                       "the state has shape {}, expected [{}]; give what get_rng_state gave", state.shape(), kCount);
  const std::vector<int64_t> values = state.to_vector<int64_t>();
  op.check<ValueError>(values[0] == kMark, "the tensor does not begin as those of get_rng_state do, but with {}", values[0]);
  Generator::State found{.seed = static_cast<uint64_t>(values[1]), .next = static_cast<uint64_t>(values[2])};
  op.check<ValueError>(found.next <= Generator::word_count, "element 2 of the state is {}; it must be from 0 to {}", values[2],
                       Generator::word_count);
  op.check<ValueError>(values[3] == 0 || values[3] == 1, "element 3 of the state is {}; it must be 0 or 1", values[3]);
  const auto normal = std::bit_cast<double>(values[4]);
  op.check<ValueError>(values[3] == 1 ? std::isfinite(normal) : values[4] == 0, "element 4 of the state, {}, holds no normal number",
                       values[4]);
  if (values[3] == 1) found.second_normal = normal;
  for (size_t i = 0; i < found.words.size(); ++i) {
    const int64_t word = values[kBegin + i];
    op.check<ValueError>(word >= 0 && word <= std::numeric_limits<uint32_t>::max(), "element {} of the state is {}; it must have 32 bits",
                         kBegin + i, word);
    found.words[i] = static_cast<uint32_t>(word);
  }
  // Of the first word only the highest bit counts.
  const bool dead = found.words[0] >> 31 == 0 && std::all_of(found.words.begin() + 1, found.words.end(), [](uint32_t w) { return w == 0; });
  op.check<ValueError>(!dead, "all words of the state are 0; such a generator gives nothing else");
  return Generator(found);
}

void manual_seed(uint64_t seed) { LockedGenerator()->reseed(seed); }

uint64_t initial_seed() { return LockedGenerator()->seed(); }

Tensor get_rng_state() {
  const Tensor state = Op("get_rng_state").empty({static_cast<int64_t>(kCount)}, DType::Int64);
  const Generator::State now = LockedGenerator()->state();
  auto* to = elements<int64_t>(state);
  to[0] = kMark;
  to[1] = static_cast<int64_t>(now.seed);
  to[2] = static_cast<int64_t>(now.next);
  to[3] = now.second_normal.has_value();
  to[4] = now.second_normal ? std::bit_cast<int64_t>(*now.second_normal) : 0;
  std::copy(now.words.begin(), now.words.end(), to + kBegin);
  return state;
}

void set_rng_state(const Tensor& state) {
  const Generator generator = generator_of(Op("set_rng_state"), state);
  *LockedGenerator() = generator;
}

}  // namespace gradus
