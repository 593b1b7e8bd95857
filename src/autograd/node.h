#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/backtrace.h"
#include "gradus/dtype.h"
#include "gradus/ref.h"
#include "gradus/shape.h"
#include "gradus/tensor.h"

namespace gradus {

class Node;
void retain(Node* node) noexcept;
/// Frees a node whose last reference goes. A chain of nodes is freed in a loop, not by recursion.
void release(Node* node) noexcept;

/// One input of an operation: the node that made it and which of that node's outputs it is.
/// No node: the input needs no gradient.
struct Edge {
  Ref<Node> node;
  uint32_t slot = 0;
};

/// Shape and dtype of a node's output, to which a gradient is brought before it is added up.
struct OutputMeta {
  Shape shape;
  DType dtype = DType::Float32;
};

/// Where a pullback puts the gradients of its operation's inputs: one entry an input, undefined at first.
class InputGradients : public std::span<Tensor> {
 public:
  InputGradients(std::span<Tensor> dx, const std::vector<bool>& needed, Node& node) : std::span<Tensor>(dx), needed_(needed), node_(node) {}

  /// Whether this backward pass has a use for the gradient of input i; the entry of one that it has none for may stay undefined.
  bool needs(size_t i) const { return needed_[i]; }
  /// The node that is pulled.
  Node& node() const noexcept { return node_; }

 private:
  const std::vector<bool>& needed_;
  Node& node_;
};

/// Whether operations on this thread remember where they were called, and backward looks for NaN.
bool detecting_anomalies() noexcept;

/// A place in the graph, of which there are two kinds: a recorded operation (RecordedNode in op.h), which turns gradients of its
/// outputs into gradients of its inputs, and the end at a leaf (GradSink).
class Node : public SmallObject {
 public:
  explicit Node(const char* op) : id(next_id()), name(op) {
    if (detecting_anomalies()) [[unlikely]]
      hooks().trace = call_trace();
  }
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Gradients `dy`, one per output and undefined where none arrived, to `dx`, one per edge, defined where it is needed and not zero.
  virtual void pull(std::span<Tensor> dy, InputGradients dx) = 0;
  virtual std::span<Edge> edges() noexcept = 0;
  virtual std::span<const OutputMeta> outputs() const noexcept = 0;
  /// Drops what pull needs.
  virtual void free_saved() noexcept {}

  /// What tensor hooks, retain_grad and the search for anomalies add to a node, rare and so kept aside.
  struct Hooks {
    struct Entry {
      int64_t id;
      uint32_t slot;
      Hook hook;
    };
    std::mutex mutex;
    std::vector<Entry> entries;
    std::vector<std::pair<uint32_t, Ref<class GradSink>>> retained;
    std::vector<void*> trace;  // where the operation was called
  };
  Hooks& hooks();
  Hooks* hooks_if_any() noexcept { return hooks_.load(std::memory_order_acquire); }

  const uint64_t id;       ///< greater than the id of every node this one depends on
  const char* const name;  ///< the operation, in snake case

 protected:
  /// Throws AutogradError: pull has been here, and free_saved.
  [[noreturn]] void fail_freed() const;

 private:
  friend void retain(Node*) noexcept;
  friend void release(Node*) noexcept;
  static uint64_t next_id() noexcept;

  std::atomic<int64_t> references_{0};
  std::atomic<Hooks*> hooks_{nullptr};
  Node* next_dead_ = nullptr;
};

/// The number of the backward pass that this thread makes, or made last.
extern thread_local constinit uint64_t current_pass;
/// Begins one with a number of its own.
void begin_pass() noexcept;

/// The end of the graph at a leaf: adds gradients up. Threads may share one.
class GradSink final : public Node {
 public:
  GradSink(const Shape& shape, DType dtype) : Node("accumulate_grad"), meta_{shape, dtype} {}

  void pull(std::span<Tensor> dy, InputGradients dx) override;
  std::span<Edge> edges() noexcept override { return {}; }
  std::span<const OutputMeta> outputs() const noexcept override { return {&meta_, 1}; }

  /// Adds dy to the gradient: in place, or as a new tensor while the backward pass is recorded.
  void accumulate(const Tensor& dy);
  void set(const Tensor& grad);
  Tensor grad() const;
  /// From now on gradients become this dtype, also those of graphs that were recorded before.
  void set_dtype(DType dtype) noexcept { meta_.dtype = dtype; }
  /// The number of the last backward pass that came here; 0 before the first.
  uint64_t last_pass() const noexcept { return last_pass_.load(std::memory_order_relaxed); }

 private:
  OutputMeta meta_;
  std::atomic<uint64_t> last_pass_{0};
  mutable std::mutex mutex_;
  Tensor grad_;
};
inline void retain(GradSink* sink) noexcept { retain(static_cast<Node*>(sink)); }
inline void release(GradSink* sink) noexcept { release(static_cast<Node*>(sink)); }

/// Counts what operations keep of a tensor for backward, apart from its handles.
void retain_saved(TensorImpl* impl) noexcept;
void release_saved(TensorImpl* impl) noexcept;

/// A tensor kept for backward. Reading it with `*` throws AutogradError when its storage was changed in place since. It is no handle: a
/// history that a tensor gets after it was kept lasts as long as handles do (`release` in tensor.cpp).
class Saved {
 public:
  Saved() noexcept : tensor_() {}
  explicit Saved(const Tensor& x) : tensor_(as_it_is_now(x)), version_(x.defined() ? x.version() : 0) {}
  Saved(const Saved& other) noexcept : tensor_(counted(other.tensor_)), version_(other.version_) {}
  Saved(Saved&& other) noexcept : tensor_(std::move(other.tensor_)), version_(other.version_) {}
  Saved& operator=(Saved other) noexcept {
    std::swap(tensor_, other.tensor_);
    version_ = other.version_;
    return *this;
  }
  ~Saved() {
    if (TensorImpl* impl = tensor_.impl()) release_saved(impl);
  }

  const Tensor& operator*() const {
    if (tensor_.defined() && tensor_.version() != version_) [[unlikely]]
      throw_changed();
    return tensor_;
  }
  const Tensor* operator->() const { return &**this; }

 private:
  /// A tensor of its own where x has a history: this is how x was made when it was kept, whatever happens to x later.
  static Tensor as_it_is_now(const Tensor& x);
  /// x counted as kept, not as a handle.
  static Tensor counted(const Tensor& x) noexcept {
    TensorImpl* impl = x.impl();
    if (impl) retain_saved(impl);
    return Tensor(Ref<TensorImpl>::adopt(impl));
  }
  [[noreturn]] void throw_changed() const;

  union {
    Tensor tensor_;  // not destroyed: it is not counted as a handle
  };
  uint32_t version_ = 0;
};

/// Brings x up to date and returns it. A view whose base was changed through another tensor gets the history that it has now, a window
/// onto the base's; any other tensor stays as it is. Recording, a backward pass and hooks take this step before they ask for the edge;
/// what only asks (requires_grad, is_leaf, grad_fn) looks at the base instead and writes nothing.
const Tensor& follow_base(const Tensor& x);

/// Where the gradient of x goes: the node that made x, its sink if it is a leaf that requires a gradient, or nowhere. x must be up to date.
Edge gradient_edge(const Tensor& x);

/// Makes y, which is new, output `slot` of node.
void attach(const Tensor& y, Ref<Node> node, uint32_t slot);
/// Gives x, which has been somewhere else, the place in the graph that `edge` is.
void set_history(TensorImpl& x, const Edge& edge);

/// "embedding" to "EmbeddingBackward0", as PyTorch names its nodes; a trailing "_N" chooses the number: "sum_1" to "SumBackward1".
std::string node_display_name(const char* name);

}  // namespace gradus
