#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

// What a worker is asked to do. There is one worker a library (gradus, LibTorch, oneDNN); all of them know the same jobs, so that a row
// compares equals. C++17, because LibTorch's headers are.

namespace bench {

/// "gru", "step", "softmax forward" … with the sizes that its row in a *_jobs.cpp names.
struct Job {
  std::string kind;
  int threads = 1;
  std::vector<int64_t> sizes = {};
};

/// A job that is ready to run.
struct Task {
  std::function<void()> run;              ///< one repetition: what is timed
  std::function<void()> prepare = {};     ///< before each repetition, untimed
  std::function<double()> checksum = {};  ///< of the results of the last repetition, for libraries to agree on
};

/// Thrown by make_task for a job that this library does not have.
struct NoSuchJob : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Each library defines it once, in its *_jobs.cpp.
Task make_task(const Job& job);

/// The library, its version and its kernels, on one line.
std::string about();

/// The bytes that the library has had in tensors at most, or 0 where it does not say.
size_t peak_bytes();

/// The same numbers for every library: spread over [-scale, scale), different for every `salt`.
inline void fill(float* values, int64_t count, float scale, uint32_t salt) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = (static_cast<uint32_t>(i) + salt * 0x9E3779B9u) * 2654435761u;
    bits ^= bits >> 15;
    values[i] = scale * (static_cast<float>(bits >> 8) / 8388608.0f - 1);
  }
}
inline void fill_indices(int64_t* values, int64_t count, int64_t limit, uint32_t salt) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = (static_cast<uint32_t>(i) + salt * 0x9E3779B9u) * 2654435761u;
    bits ^= bits >> 15;
    values[i] = static_cast<int64_t>(bits) % limit;
  }
}

}  // namespace bench
