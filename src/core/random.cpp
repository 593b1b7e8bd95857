#include "core/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>
#include <type_traits>
#include <utility>

#include "core/fork.h"
#include "core/isa.h"

namespace gradus {

// N, M, the matrix and the tempering are those of Matsumoto & Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998.
static constexpr int N = 624;
static constexpr int M = 397;
static_assert(N == Generator::word_count);
static_assert(std::endian::native == std::endian::little, "of two draws that are read together the first is the lower half");

static inline uint32_t tempered(uint32_t y) {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9D2C5680U;
  y ^= (y << 15) & 0xEFC60000U;
  return y ^ (y >> 18);
}

Generator::Generator(const State& state) noexcept
    : seed_(state.seed), state_(state.words), next_(state.next), second_normal_(state.second_normal) {
  std::transform(state_.begin(), state_.end(), drawn_.begin(), tempered);
}

void Generator::reseed(uint64_t seed) noexcept {
  seed_ = seed;
  state_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < N; ++i) state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  next_ = drawn_.size();
  second_normal_.reset();
}

void Generator::draw() noexcept {
  isa::run([s = state_.data(), out = drawn_.data()] {
    const auto next = [](uint32_t high, uint32_t low, uint32_t far) {
      const uint32_t y = (high & 0x80000000U) | (low & 0x7FFFFFFFU);
      return far ^ (y >> 1) ^ (0x9908B0DFU & (0U - (y & 1U)));
    };
    // A number depends on one M places on, or N - M back: far enough for vectors.
    GRADUS_INDEPENDENT
    for (int i = 0; i < N - M; ++i) s[i] = next(s[i], s[i + 1], s[i + M]);
    GRADUS_INDEPENDENT
    for (int i = N - M; i < N - 1; ++i) s[i] = next(s[i], s[i + 1], s[i + M - N]);
    s[N - 1] = next(s[N - 1], s[0], s[M - 1]);
    for (int i = 0; i < N; ++i) out[i] = tempered(s[i]);
  });
  next_ = 0;
}

void Generator::uniform_double_below(double p, int64_t n, bool* to) noexcept {
  // k 2^-53 < p where the whole number k < p 2^53; its two draws are read as one number, whose halves change places.
  const auto limit = static_cast<uint64_t>(std::ceil(std::ldexp(p, 53)));
  while (n > 0) {
    const auto pairs = std::min(n, static_cast<int64_t>((drawn_.size() - next_) / 2));
    isa::run([from = drawn_.data() + next_, to, pairs, limit] {
      for (int64_t i = 0; i < pairs; ++i) {
        uint64_t draws = 0;
        std::memcpy(&draws, from + 2 * i, sizeof(draws));
        to[i] = (std::rotl(draws, 32) & kept_bits) < limit;
      }
    });
    next_ += static_cast<size_t>(2 * pairs);
    to += pairs;
    n -= pairs;
    if (n-- > 0) *to++ = uniform_double() < p;
  }
}

double Generator::normal() noexcept {
  if (second_normal_) {
    const double value = *second_normal_;
    second_normal_.reset();
    return value;
  }
  const double angle = 2 * std::numbers::pi * uniform_double();
  const double radius = std::sqrt(-2 * std::log1p(-uniform_double()));
  second_normal_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

namespace {
struct Shared {
  std::mutex mutex;
  Generator generator{67280421310721};
};
static_assert(std::is_trivially_destructible_v<Shared>);  // so that it lasts as long as a thread may draw from it
Shared& shared() {
  static Shared instance;
  return instance;
}

[[maybe_unused]] const bool generators_prepared =
    at_fork(ForkOrder::Generator, {.before = [] { shared().mutex.lock(); }, .after = [] { shared().mutex.unlock(); }});

constinit thread_local Generator* own = nullptr;
}  // namespace

GeneratorScope::GeneratorScope(Generator& generator) noexcept : before_(std::exchange(own, &generator)) {}
GeneratorScope::~GeneratorScope() { own = before_; }

LockedGenerator::LockedGenerator() : generator_(own ? *own : shared().generator) {
  if (!own) lock_ = std::unique_lock(shared().mutex);
}

}  // namespace gradus
