#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

namespace gradus {

/// MT19937 with PyTorch's conversions to integers and reals, in its order of draws.
class Generator {
 public:
  explicit Generator(uint64_t seed) noexcept { reseed(seed); }
  void reseed(uint64_t seed) noexcept;
  uint64_t seed() const noexcept { return seed_; }

  uint32_t random() noexcept {
    if (next_ == 624) twist();
    uint32_t y = state_[static_cast<size_t>(next_++)];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9D2C5680U;
    y ^= (y << 15) & 0xEFC60000U;
    return y ^ (y >> 18);
  }
  uint64_t random64() noexcept {
    const uint64_t high = random();
    return high << 32 | random();
  }
  /// Uniform on [0, 1): 24 bits of one draw, as PyTorch fills float32.
  float uniform_float() noexcept { return static_cast<float>(random() & 0xFFFFFF) * 0x1p-24F; }
  /// Uniform on [0, 1): 53 bits of two draws, as PyTorch fills float64.
  double uniform_double() noexcept { return static_cast<double>(random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53; }
  template <class T>
  T uniform() noexcept {
    if constexpr (sizeof(T) == 4) return uniform_float();
    else return uniform_double();
  }
  /// Standard normal, one at a time: Box–Muller in float64, whose second value is kept for the next call.
  double normal() noexcept;

 private:
  void twist() noexcept;

  uint64_t seed_ = 0;
  std::array<uint32_t, 624> state_{};
  int next_ = 624;
  std::optional<double> second_normal_;
};

/// The generator that manual_seed seeds, locked for as long as the value lives.
class LockedGenerator {
 public:
  LockedGenerator();
  Generator* operator->() const noexcept { return &generator_; }
  Generator& operator*() const noexcept { return generator_; }

 private:
  Generator& generator_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace gradus
