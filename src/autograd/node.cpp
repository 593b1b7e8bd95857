#include "autograd/node.h"

#include <atomic>
#include <cctype>
#include <utility>

#include "autograd/arrivals.h"
#include "autograd/tensor_impl.h"
#include "autograd/untrained.h"
#include "core/check.h"
#include "core/fork.h"
#include "core/gate.h"
#include "gradus/autograd.h"
#include "gradus/ops/shape.h"

namespace gradus {

std::atomic<UntrainedReport> report_untrained{nullptr};

static thread_local int anomaly_guards = 0;

bool detecting_anomalies() noexcept { return anomaly_guards > 0; }

autograd::DetectAnomalyGuard::DetectAnomalyGuard() noexcept {
  ++anomaly_guards;
  want_backtraces(1);
}

autograd::DetectAnomalyGuard::~DetectAnomalyGuard() {
  --anomaly_guards;
  want_backtraces(-1);
}

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

void Node::fail_freed() const {
  fail<AutogradError>(
      "backward: {} was walked a second time, but what it had saved is freed; pass retain_graph = true to the first backward, or "
      "compute the output again",
      node_display_name(name));
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
  if (!dy[0].defined()) return;
  accumulate(dy[0]);
  dy[0] = {};  // so that grad() alone holds it
  Arrivals::tell(this);
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

// ---- what is saved for backward

Tensor Saved::as_it_is_now(const Tensor& x) {
  if (!x.defined() || !is_grad_enabled()) return counted(x);
  const TensorImpl& impl = *x.impl();
  if (!impl.grad_fn && !impl.base) return counted(x);
  Edge edge = gradient_edge(follow_base(x));
  auto* kept = new TensorImpl(impl.storage, impl.layout, impl.dtype);
  kept->references.store(kSavedReference, std::memory_order_relaxed);
  if (impl.grad_fn) {
    kept->grad_fn = std::move(edge.node);
    kept->slot = edge.slot;
  } else {
    kept->sink = impl.sink;
  }
  return Tensor(Ref<TensorImpl>::adopt(kept));
}

void Saved::throw_changed() const {
  // What x got by the change is not what it was the output of; it may be going as this is read.
  const TensorImpl& impl = *tensor_.impl();
  const Ref<Node> node = impl.history == 0 ? impl.grad_fn : Ref<Node>();
  fail<AutogradError>(
      "backward: a tensor of shape {}{} that backward needs was changed in place after it was saved (it is at version {}, {} was "
      "expected); change a copy (clone), or change it before it is used",
      tensor_.shape(), node ? fmt::format(", output of {},", node_display_name(node->name)) : "", tensor_.version(), version_);
}

// ---- a tensor's place in the graph

void attach(const Tensor& y, Ref<Node> node, uint32_t slot) {
  TensorImpl& impl = *y.impl();
  impl.grad_fn = std::move(node);
  impl.slot = slot;
}

Edge gradient_edge(const Tensor& x) {
  const TensorImpl& impl = *x.impl();
  if (impl.grad_fn) return {impl.grad_fn, impl.slot};
  if (impl.sink) return {Ref<Node>(impl.sink.get()), 0};
  return {};
}

namespace {

/// What retain_grad left on the history that x had, `before`, moves to the one it has now.
void move_retained(TensorImpl& x, const Edge& before) {
  if (!x.sink || !before.node) return;
  if (Node::Hooks* hooks = before.node->hooks_if_any()) {
    std::lock_guard lock(hooks->mutex);
    std::erase_if(hooks->retained, [&](const auto& entry) { return entry.second == x.sink; });
  }
  if (!x.grad_fn) {
    x.sink = nullptr;
    return;
  }
  Node::Hooks& hooks = x.grad_fn->hooks();
  std::lock_guard lock(hooks.mutex);
  hooks.retained.emplace_back(x.slot, x.sink);
}

}  // namespace

void set_history(TensorImpl& x, const Edge& edge) {
  const Edge before{std::move(x.grad_fn), x.slot};
  x.grad_fn = edge.node;
  x.slot = edge.slot;
  move_retained(x, before);
}

const Tensor& follow_base(const Tensor& x) {
  if (!x.defined() || !x.impl()->is_behind_base()) return x;
  TensorImpl& impl = *x.impl();
  EnableGradGuard recording;
  const Tensor now = as_strided(Tensor(impl.base), impl.layout.shape, impl.layout.strides, impl.layout.offset);
  set_history(impl, gradient_edge(now));
  impl.base_history = impl.base->history;
  return x;
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
