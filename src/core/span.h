#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

/// What a Profiler sees. Off, a span costs one relaxed load.
namespace gradus::profiling {

enum class Kind : uint8_t {
  Operation,  ///< the work of an operation
  Backward,   ///< a visit of a node of the graph
  Kernel,     ///< a part of an operation that is worth a line of its own
  Piece,      ///< a piece of an operation's work on a thread of the pool
};

/// A span that has ended. Times are in nanoseconds of the steady clock.
struct Event {
  const char* name;
  Kind kind;
  uint32_t thread;  // index into thread_names()
  int64_t begin, end;
  int64_t children;  // of it, in spans inside this one on the same thread
};

extern std::atomic<bool> recording;

/// Marks the time between its construction and its destruction. `name` must outlive the profile: a literal. A span inside one of the same
/// name is part of that one, so that doors which lead into each other count once.
class Span {
 public:
  Span(Kind kind, const char* name) noexcept {
    if (recording.load(std::memory_order_relaxed)) [[unlikely]]
      begin(kind, name);
  }
  ~Span() {
    if (name_) [[unlikely]]
      end();
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  void begin(Kind kind, const char* name) noexcept;
  void end() noexcept;

  const char* name_ = nullptr;  // null: not recorded
  Kind kind_ = Kind::Operation;
  int64_t begin_ = 0, children_ = 0;
  Span* outer_ = nullptr;

  friend const char* current_name() noexcept;
};

/// The name of the innermost span on this thread; null without one, or while nothing is recorded.
const char* current_name() noexcept;

/// Calls this thread `role` in profiles, a literal; "thread" before.
void name_this_thread(const char* role) noexcept;

/// Starts recording. Spans that are open at this moment stay out, as do those that are when it stops.
void start() noexcept;
void stop() noexcept;
/// Forgets all events.
void clear() noexcept;
/// Every event of every thread, those of threads that have ended too.
std::vector<Event> events();
/// "thread 0", "pool thread 1", …
std::vector<std::string> thread_names();

}  // namespace gradus::profiling
