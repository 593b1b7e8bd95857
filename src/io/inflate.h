#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace gradus::io {

/// Undoes deflate (RFC 1951). Needs zlib.
class Inflater {
 public:
  /// Whether the library was built with zlib.
  static bool is_available() noexcept;

  Inflater();
  ~Inflater();

  enum class State { Going, Ended, Damaged };
  struct Step {
    size_t taken = 0;  // bytes of the input
    size_t made = 0;   // bytes of the output
    State state = State::Going;
  };
  /// Goes on until the input is used up, the output is full, or the end is reached.
  Step step(std::span<const std::byte> input, std::span<std::byte> output);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace gradus::io
