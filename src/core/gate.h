#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <thread>

/// What fork() can close: places that threads pass, and values that are made once.
namespace gradus {

/// A place that many threads pass without meeting, and that one can close: it then waits until nobody is inside. Threads count themselves
/// in cache lines of their own, so passing costs what two uncontended atomic additions do.
class Gate {
 public:
  /// False when the gate is closed; otherwise `leave` must follow.
  bool try_enter() noexcept {
    std::atomic<int>& mine = inside_[line()].count;
    mine.fetch_add(
        1);  // sequentially consistent, as is closed_: either this thread sees the gate closed, or who closes it sees this thread
    if (!closed_.load()) [[likely]]
      return true;
    mine.fetch_sub(1);
    return false;
  }
  /// Waits while the gate is closed.
  void enter() noexcept {
    while (!try_enter()) std::this_thread::yield();
  }
  void leave() noexcept { inside_[line()].count.fetch_sub(1, std::memory_order_release); }

  void close() noexcept {
    closed_.store(true);
    for (Line& line : inside_)
      while (line.count.load() != 0) std::this_thread::yield();
  }
  void open() noexcept { closed_.store(false); }
  /// In a child of fork(), where those who were inside are not.
  void empty() noexcept {
    for (Line& line : inside_) line.count.store(0);
  }

 private:
  static constexpr std::size_t lines = 64;
  struct alignas(64) Line {
    std::atomic<int> count{0};
  };

  static std::size_t line() noexcept {
    static constinit std::atomic<std::size_t> threads{0};
    static constinit thread_local std::size_t mine = lines;
    if (mine == lines) mine = threads.fetch_add(1, std::memory_order_relaxed) % lines;
    return mine;
  }

  std::array<Line, lines> inside_{};
  std::atomic<bool> closed_{false};
};

/// Inside the gate while it lives; false for one that is not inside of any.
class Passage {
 public:
  Passage() noexcept = default;
  /// Waits while the gate is closed.
  explicit Passage(Gate& gate) noexcept : gate_(&gate) { gate.enter(); }
  /// Does not wait: stays outside where the gate is closed.
  static Passage unless_closed(Gate& gate) noexcept { return Passage(gate.try_enter() ? &gate : nullptr); }
  ~Passage() {
    if (gate_) gate_->leave();
  }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  explicit operator bool() const noexcept { return gate_ != nullptr; }

 private:
  explicit Passage(Gate* gate) noexcept : gate_(gate) {}

  Gate* const gate_ = nullptr;
};

/// A value that is made when it is first asked for, by one thread while others wait. A function's static is the same, but a fork() that
/// falls into its making leaves the child one that is never ready: this one has a lock that ForkSteps can take. Never destroyed: threads
/// may ask for it until the program has ended.
template <class T>
class Once {
 public:
  /// The value, by `make()` at the first call. Where that throws, the next call makes it.
  template <class Make>
  const T& get(Make make) {
    if (const T* made = value_.load(std::memory_order_acquire)) return *made;
    const std::lock_guard lock(mutex_);
    if (!value_.load(std::memory_order_relaxed)) value_.store(new T(make()), std::memory_order_release);
    return *value_.load(std::memory_order_relaxed);
  }

  /// Waits until no thread is making the value, and keeps all from it.
  void close() { mutex_.lock(); }
  void open() { mutex_.unlock(); }

 private:
  std::atomic<const T*> value_{nullptr};
  std::mutex mutex_;
};

}  // namespace gradus
