#pragma once

#include <atomic>
#include <mutex>

namespace gradus {

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
