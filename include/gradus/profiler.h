#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gradus/export.h"

namespace gradus {

/// Records which operations run, when and for how long, on every thread, from its construction until stop() or its end:
///
///     gradus::Profiler profiler;
///     train_one_step();
///     profiler.stop();
///     std::cout << profiler.table();
///     profiler.write_chrome_trace("trace.json");
///
/// Recorded are operations by their name ("linear"), the nodes that backward visits ("GruBackward0"), some kernels ("gemm", "copy") and,
/// in the trace, the pieces of work that threads of the pool take. Operations that only make a view do no work and are left out. Without a
/// Profiler this costs one load of a flag an operation.
class GRADUS_API Profiler {
 public:
  /// Starts recording. Throws StateError while there is another Profiler: there is one record for the whole program.
  Profiler();
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  /// Stops recording; what is still running is left out. What was recorded stays.
  void stop() noexcept;
  /// Goes on recording after stop().
  void start() noexcept;

  /// All calls under one name; times in seconds.
  struct Entry {
    std::string name;
    int64_t calls = 0;
    double total = 0;  ///< from begin to end, what it called included
    double self = 0;   ///< without the recorded things that it called; over all entries this adds up to the time that was recorded
  };
  /// One entry a name, those with the largest self time first. Pieces of work on threads of the pool belong to an operation that is
  /// counted already, and are left out.
  std::vector<Entry> entries() const;

  /// The entries as a table, at most `rows` of them: name, calls, total and self time in ms, mean time in µs, share of the self times in %.
  std::string table(std::size_t rows = 20) const;

  /// Writes everything as a Chrome trace (JSON with "traceEvents", times in µs), which chrome://tracing and ui.perfetto.dev show. Throws
  /// IoError when the file cannot be written.
  void write_chrome_trace(const std::string& path) const;
};

}  // namespace gradus
