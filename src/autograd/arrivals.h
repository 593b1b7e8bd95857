#pragma once

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <vector>

#include "gradus/tensor.h"

namespace gradus {

class GradSink;

/// While it lives, `call` is told of every gradient that is added to one of `leaves` on this thread, by its number.
class Arrivals {
 public:
  Arrivals(const std::vector<Tensor>& leaves, const std::function<void(size_t)>& call);
  ~Arrivals() { current_ = before_; }
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  static void tell(const GradSink* sink) {
    for (const Arrivals* one = current_; one; one = one->before_) one->tell_of(sink);
  }

 private:
  void tell_of(const GradSink* sink) const;

  static thread_local constinit const Arrivals* current_;
  const Arrivals* before_;
  const std::function<void(size_t)>& call_;
  std::unordered_map<const GradSink*, size_t> numbers_;
};

}  // namespace gradus
