#pragma once

#include <functional>
#include <utility>

namespace gradus {

/// What a thread was asked to do now and then while it computes. Operations, and inside them pieces of work and steps of a sequence, end
/// with `attend`.
class Meanwhile {
 public:
  /// While it lives `call`, unless it is empty, is called on this thread. Once it has thrown it is not called any more.
  explicit Meanwhile(const std::function<void()>& call) noexcept : before_(current_) { current_ = call ? &call : nullptr; }
  ~Meanwhile() { current_ = before_; }
  Meanwhile(const Meanwhile&) = delete;
  Meanwhile& operator=(const Meanwhile&) = delete;

  static void attend() {
    if (!current_) [[likely]]
      return;
    const std::function<void()>* call = std::exchange(current_, nullptr);  // not again from inside
    (*call)();
    current_ = call;
  }

 private:
  inline static thread_local constinit const std::function<void()>* current_ = nullptr;
  const std::function<void()>* before_;
};

}  // namespace gradus
