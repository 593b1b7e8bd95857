#include "autograd/node.h"

#include <cctype>

#include "autograd/tensor_impl.h"
#include "autograd/untrained.h"
#include "core/fork.h"
#include "core/gate.h"
#include "gradus/autograd.h"

namespace gradus {

std::atomic<UntrainedReport> report_untrained{nullptr};

uint64_t Node::next_id() noexcept {
  static std::atomic<uint64_t> counter{1};
  return counter.fetch_add(1, std::memory_order_relaxed);
}

Node::~Node() { delete hooks_.load(std::memory_order_relaxed); }

Node::Hooks& Node::hooks() {
  Hooks* present = hooks_.load(std::memory_order_acquire);
  if (present) return *present;
  auto fresh = std::make_unique<Hooks>();
  if (hooks_.compare_exchange_strong(present, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *present;
}

void retain(Node* node) noexcept { node->references_.fetch_add(1, std::memory_order_relaxed); }

void release(Node* node) noexcept {
  if (node->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // Destroying a node releases the nodes before it: they are queued here rather than destroyed inside one another.
  thread_local Node* dead = nullptr;
  thread_local bool draining = false;
  node->next_dead_ = dead;
  dead = node;
  if (draining) return;
  draining = true;
  while (dead) {
    Node* next = dead;
    dead = next->next_dead_;
    delete next;
  }
  draining = false;
}

thread_local constinit uint64_t current_pass = 0;

void begin_pass() noexcept {
  static std::atomic<uint64_t> last{0};
  current_pass = last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void GradSink::pull(std::span<Tensor> dy, InputGradients) {
  last_pass_.store(current_pass, std::memory_order_relaxed);
  if (dy[0].defined()) accumulate(dy[0]);
}

namespace {
/// Passed by who holds the lock of a sink: a child of fork() has the sinks, and must find them unlocked.
constinit Gate gradients;
[[maybe_unused]] const bool prepared =
    at_fork(ForkOrder::Gradient, {.before = [] { gradients.close(); }, .after = [] { gradients.open(); }});
}  // namespace

void GradSink::accumulate(const Tensor& dy) {
  const Passage passage(gradients);
  std::lock_guard lock(mutex_);
  if (!grad_.defined()) {
    grad_ = own_gradient(dy);
  } else if (is_grad_enabled()) {
    grad_ = sum_of_gradients(grad_, dy, false);
  } else {
    grad_ = sum_of_gradients(grad_.requires_grad() ? grad_.detach().clone() : grad_, dy, true);
  }
}

void GradSink::set(const Tensor& grad) {
  const Passage passage(gradients);
  std::lock_guard lock(mutex_);
  grad_ = grad;
}

Tensor GradSink::grad() const {
  const Passage passage(gradients);
  std::lock_guard lock(mutex_);
  return grad_;
}

std::string node_display_name(const char* name) {
  std::string text, number = "0";
  bool capital = true;
  for (const char* c = name; *c; ++c) {
    if (*c == '_' && std::isdigit(static_cast<unsigned char>(c[1])) && !c[2]) {
      number = c + 1;
      break;
    }
    if (*c == '_') {
      capital = true;
      continue;
    }
    text += capital ? static_cast<char>(std::toupper(static_cast<unsigned char>(*c))) : *c;
    capital = false;
  }
  // PyTorch's nodes for a write through a view and for a leaf are no derivatives of functions, and so are named alone.
  return text == "CopySlices" || text == "AccumulateGrad" ? text : text + "Backward" + number;
}

}  // namespace gradus
