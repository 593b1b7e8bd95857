#include "core/span.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>

#include "core/fork.h"

namespace gradus::profiling {

std::atomic<bool> recording{false};

namespace {

/// The events of one thread. Only it adds to them, so that the lock is nearly always free.
struct Log {
  std::mutex mutex;
  const char* role = "thread";
  std::vector<Event> events;
};

/// The logs of all threads there ever were. Neither they nor a thread's way to its own are destroyed: a thread, or an object in static
/// storage, may compute until the program has ended.
struct Logs {
  std::mutex mutex;
  std::vector<std::unique_ptr<Log>> all;
};
Logs& logs() {
  static Logs& instance = *new Logs;
  return instance;
}

std::atomic<int64_t> started{0};
thread_local Span* innermost = nullptr;
thread_local const char* role = "thread";

int64_t now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Mine {
  Log* log;
  uint32_t index;
};

[[maybe_unused]] const bool prepared = at_fork(ForkOrder::Profile, {.before =
                                                                        [] {
                                                                          logs().mutex.lock();
                                                                          for (const auto& log : logs().all) log->mutex.lock();
                                                                        },
                                                                    .after =
                                                                        [] {
                                                                          for (const auto& log : logs().all) log->mutex.unlock();
                                                                          logs().mutex.unlock();
                                                                        }});

const Mine& mine() {
  thread_local const Mine own = [] {
    Logs& l = logs();
    std::lock_guard lock(l.mutex);
    l.all.push_back(std::make_unique<Log>());
    l.all.back()->role = role;
    return Mine{l.all.back().get(), static_cast<uint32_t>(l.all.size() - 1)};
  }();
  return own;
}

}  // namespace

void Span::begin(Kind kind, const char* name) noexcept {
  if (!name || (innermost && std::strcmp(innermost->name_, name) == 0)) return;
  name_ = name;
  kind_ = kind;
  outer_ = innermost;
  innermost = this;
  begin_ = now();
}

void Span::end() noexcept {
  const int64_t end = now();
  innermost = outer_;
  if (!recording.load(std::memory_order_relaxed) || begin_ < started.load(std::memory_order_relaxed)) return;
  if (outer_) outer_->children_ += end - begin_;
  try {
    const Mine& own = mine();
    std::lock_guard lock(own.log->mutex);
    own.log->events.push_back({name_, kind_, own.index, begin_, end, children_});
  } catch (const std::bad_alloc&) {
    // A profile with a gap is better than no program.
  }
}

const char* current_name() noexcept { return recording.load(std::memory_order_relaxed) && innermost ? innermost->name_ : nullptr; }

void name_this_thread(const char* name) noexcept { role = name; }

void start() noexcept {
  started.store(now(), std::memory_order_relaxed);
  recording.store(true, std::memory_order_relaxed);
}

void stop() noexcept { recording.store(false, std::memory_order_relaxed); }

void clear() noexcept {
  std::lock_guard lock(logs().mutex);
  for (const auto& log : logs().all) {
    std::lock_guard own(log->mutex);
    log->events.clear();
  }
}

std::vector<Event> events() {
  std::vector<Event> found;
  std::lock_guard lock(logs().mutex);
  for (const auto& log : logs().all) {
    std::lock_guard own(log->mutex);
    found.insert(found.end(), log->events.begin(), log->events.end());
  }
  return found;
}

std::vector<std::string> thread_names() {
  std::vector<std::string> names;
  std::lock_guard lock(logs().mutex);
  for (const auto& log : logs().all) names.push_back(fmt::format("{} {}", log->role, names.size()));
  return names;
}

}  // namespace gradus::profiling
