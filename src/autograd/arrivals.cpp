#include "autograd/arrivals.h"

#include "autograd/node.h"
#include "autograd/tensor_impl.h"

namespace gradus {

thread_local constinit const Arrivals* Arrivals::current_ = nullptr;

Arrivals::Arrivals(const std::vector<Tensor>& leaves, const std::function<void(size_t)>& call) : before_(current_), call_(call) {
  for (size_t i = 0; i < leaves.size(); ++i)
    if (leaves[i].impl()->sink) numbers_.emplace(leaves[i].impl()->sink.get(), i);
  current_ = this;
}

void Arrivals::tell_of(const GradSink* sink) const {
  if (const auto found = numbers_.find(sink); found != numbers_.end()) call_(found->second);
}

}  // namespace gradus
