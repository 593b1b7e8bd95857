#include "core/random.h"

#include <cmath>
#include <numbers>

#include "gradus/random.h"

namespace gradus {

// N, M, the matrix and the tempering are those of Matsumoto & Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998.
static constexpr int N = 624;
static constexpr int M = 397;

void Generator::reseed(uint64_t seed) noexcept {
  seed_ = seed;
  state_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < N; ++i) state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  next_ = N;
  second_normal_.reset();
}

void Generator::twist() noexcept {
  for (int i = 0; i < N; ++i) {
    const uint32_t y = (state_[static_cast<size_t>(i)] & 0x80000000U) | (state_[static_cast<size_t>((i + 1) % N)] & 0x7FFFFFFFU);
    state_[static_cast<size_t>(i)] = state_[static_cast<size_t>((i + M) % N)] ^ (y >> 1) ^ ((y & 1U) ? 0x9908B0DFU : 0U);
  }
  next_ = 0;
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
Shared& shared() {
  static Shared instance;
  return instance;
}
}  // namespace

LockedGenerator::LockedGenerator() : generator_(shared().generator), lock_(shared().mutex) {}

void manual_seed(uint64_t seed) { LockedGenerator()->reseed(seed); }

uint64_t initial_seed() { return LockedGenerator()->seed(); }

}  // namespace gradus
