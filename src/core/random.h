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
    if (next_ == drawn_.size()) draw();
    return drawn_[next_++];
  }
  uint64_t random64() noexcept {
    const uint64_t high = random();
    return high << 32 | random();
  }
  /// Uniform on [0, 1): 24 bits of one draw, as PyTorch fills float32.
  float uniform_float() noexcept { return static_cast<float>(random() & 0xFFFFFF) * 0x1p-24F; }
  /// Uniform on [0, 1): 53 bits of two draws, as PyTorch fills float64.
  double uniform_double() noexcept { return to_double(random64()); }
  /// Whether each of the next n of them is less than p, a probability.
  void uniform_double_below(double p, int64_t n, bool* to) noexcept;
  template <class T>
  T uniform() noexcept {
    if constexpr (sizeof(T) == 4) return uniform_float();
    else return uniform_double();
  }
  /// Standard normal, one at a time: Box–Muller in float64, whose second value is kept for the next call.
  double normal() noexcept;

  static constexpr size_t word_count = 624;
  /// All that the numbers to come depend on.
  struct State {
    uint64_t seed = 0;
    uint64_t next = word_count;  ///< how many numbers have been given that were made of the words
    std::optional<double> second_normal = {};
    std::array<uint32_t, word_count> words{};
  };
  State state() const noexcept { return {seed_, next_, second_normal_, state_}; }
  explicit Generator(const State& state) noexcept;

 private:
  static constexpr uint64_t kept_bits = (uint64_t{1} << 53) - 1;
  static double to_double(uint64_t bits) noexcept { return static_cast<double>(bits & kept_bits) * 0x1p-53; }
  /// Makes the next 624 numbers.
  void draw() noexcept;

  uint64_t seed_ = 0;
  std::array<uint32_t, word_count> state_{};
  std::array<uint32_t, word_count> drawn_{};
  size_t next_ = word_count;  // of drawn_
  std::optional<double> second_normal_;
};

/// While it lives, this thread draws from a generator of its own in the place of the one that manual_seed seeds.
class GeneratorScope {
 public:
  explicit GeneratorScope(Generator& generator) noexcept;
  ~GeneratorScope();
  GeneratorScope(const GeneratorScope&) = delete;
  GeneratorScope& operator=(const GeneratorScope&) = delete;

 private:
  Generator* before_;
};

/// The generator that manual_seed seeds, locked for as long as the value lives; inside a GeneratorScope that one's, which needs no lock.
class LockedGenerator {
 public:
  LockedGenerator();
  Generator* operator->() const noexcept { return &generator_; }
  Generator& operator*() const noexcept { return generator_; }

 private:
  Generator& generator_;
  std::unique_lock<std::mutex> lock_;
};

/// Sets the generator back to a state that it had, and afterwards forth again: what is computed twice draws the same numbers.
class Replay {
 public:
  explicit Replay(const Generator& then) : now_(*LockedGenerator()) { *LockedGenerator() = then; }
  ~Replay() { *LockedGenerator() = now_; }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

 private:
  Generator now_;
};

}  // namespace gradus
