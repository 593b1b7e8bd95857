#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "job.h"
#include "process.h"

namespace bench {

/// How long to measure.
struct Effort {
  int rounds = 15;         ///< of ours and each peer in turn
  double seconds = 0.03;   ///< of one measurement
  double limit = 5;        ///< seconds of a comparison, after which no further round starts; three rounds there are always
  int most_steps = 10000;  ///< of the growth rows
};
inline constexpr Effort quick_effort{5, 0.01, 2, 1000};

/// One line of the table.
struct Result {
  int row = 0;       ///< of the issue's list: 1 to 7
  std::string what;  ///< "d2l", "softmax forward 1920 x 1000" …
  int threads = 1;
  std::string unit;       ///< "ms", "ns", "MB", "share" …
  double ours = 0;        ///< the median
  std::string peer = {};  ///< "oneDNN", "LibTorch, 2 threads" …; empty where there is none
  double theirs = 0;      ///< the median
  double ratio = 0;       ///< the median over the rounds of peer / ours: above 1, ours is ahead
  double target = 0;      ///< that ratio at least (0: none)
  std::string note = {};
};

/// A long-living process with one library in it.
class Worker {
 public:
  /// With `kernels`, OpenBLAS takes those ("Haswell") instead of its own choice.
  explicit Worker(const std::string& library, const std::string& kernels = "");
  /// A worker by its command.
  explicit Worker(const std::vector<std::string>& command) : process_(command) {}
  /// False where the library does not have this job.
  bool make(const Job& job);
  double run(double seconds);
  double checksum();
  double peak_bytes();
  std::string about();

 private:
  Process process_;
};

/// A measurement that returns its value: seconds, bytes …
using Measure = std::function<double()>;

/// The medians of `measures`, taken in turn, and the medians of their ratios to the first.
struct Medians {
  std::vector<double> values, ratios;
};
Medians in_turn(const std::vector<Measure>& measures, const Effort& effort);

double median(std::vector<double> values);

/// The workers of all three libraries; one library may have two, for two numbers of threads.
struct Workers {
  explicit Workers(const std::string& torch_kernels) : torch("libtorch", torch_kernels), torch_two("libtorch", torch_kernels) {}
  Worker ours{"gradus"}, torch, torch_two, onednn{"onednn"};
};

}  // namespace bench
