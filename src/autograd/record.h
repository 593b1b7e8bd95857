#pragma once

#include <array>
#include <concepts>
#include <functional>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/node.h"
#include "autograd/tensor_impl.h"
#include "gradus/autograd.h"

namespace gradus {

/// A tensor kept for backward. Reading it with `*` throws AutogradError when its storage was changed in place since.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& x) : tensor_(as_it_is_now(x)), version_(x.defined() ? x.version() : 0) {}
  const Tensor& operator*() const {
    if (tensor_.defined() && tensor_.version() != version_) [[unlikely]]
      throw_changed();
    return tensor_;
  }
  const Tensor* operator->() const { return &**this; }

 private:
  /// A handle of its own where x has a history. Were x itself kept and later changed in place, its new history would lead to the node that
  /// keeps it, and neither would ever be freed.
  static Tensor as_it_is_now(const Tensor& x);
  [[noreturn]] void throw_changed() const;
  Tensor tensor_;
  uint32_t version_ = 0;
};

/// An input of an operation paired with its pullback: `dy -> dx`, or `(dy, y) -> dx` where the derivative is simplest in terms of
/// the output. A pullback need not undo broadcasting or promotion: what it returns is summed and converted to x's shape and dtype.
template <class F>
struct Wrt {
  const Tensor& x;
  F pullback;
};

template <class F>
Wrt<std::decay_t<F>> wrt(const Tensor& x, F&& pullback) {
  return {x, std::forward<F>(pullback)};
}

namespace detail {

[[noreturn]] void throw_freed(const char* name);
void attach(const Tensor& y, Ref<Node> node, uint32_t slot);
bool any_requires_grad(std::span<const Tensor* const> inputs);

template <class F>
inline constexpr bool takes_output = std::is_invocable_v<F&, const Tensor&, const Tensor&>;

/// One output; one pullback per input. Closures, saved tensors and edges live in this one allocation.
template <class... Fs>
class RecordedNode final : public Node {
  static constexpr size_t count = sizeof...(Fs);
  static constexpr bool uses_output = (takes_output<Fs> || ...);
  /// Closures without tensors cost nothing to keep, so that a graph without saved tensors can be walked again.
  static constexpr bool saves_tensors = uses_output || !(std::is_trivially_destructible_v<Fs> && ...);

 public:
  RecordedNode(const char* op, const Tensor& y, Wrt<Fs>&... inputs) : Node(op), meta_{y.shape(), y.dtype()} {
    size_t i = 0;
    const auto add = [&]<class F>(std::optional<F>& slot, Wrt<F>& input) {
      edges_[i] = gradient_edge(input.x);
      if (edges_[i++].node) slot.emplace(std::move(input.pullback));
    };
    std::apply([&](auto&... slots) { (add(slots, inputs), ...); }, pullbacks_);
    if constexpr (uses_output) output_ = Saved(alias_of(y));
  }

  void pull(std::span<Tensor> dy, std::span<Tensor> dx) override {
    if (freed_) throw_freed(name);
    Tensor y;
    if constexpr (uses_output) {
      y = alias_of(*output_);
      attach(y, Ref<Node>(this), 0);
    }
    size_t i = 0;
    const auto one = [&]<class F>(std::optional<F>& f) {
      if (f) {
        if constexpr (takes_output<F>) dx[i] = (*f)(dy[0], y);
        else dx[i] = (*f)(dy[0]);
      }
      ++i;
    };
    std::apply([&](auto&... fs) { (one(fs), ...); }, pullbacks_);
  }

  void free_saved() noexcept override {
    if constexpr (saves_tensors) {
      freed_ = true;
      std::apply([](auto&... fs) { (fs.reset(), ...); }, pullbacks_);
      output_ = Saved();
    }
  }

  std::span<Edge> edges() noexcept override { return edges_; }
  std::span<const OutputMeta> outputs() const noexcept override { return {&meta_, 1}; }

 private:
  std::array<Edge, count> edges_;
  OutputMeta meta_;
  std::tuple<std::optional<Fs>...> pullbacks_;
  Saved output_;
  bool freed_ = false;
};

/// Any number of outputs and inputs, one pullback for all of them.
template <class F>
class JointNode final : public Node {
 public:
  JointNode(const char* op, std::span<const Tensor> outputs, std::span<const Tensor> inputs, F&& pullback)
      : Node(op), pullback_(std::move(pullback)) {
    for (const Tensor& x : inputs) edges_.push_back(gradient_edge(x));
    for (const Tensor& y : outputs) metas_.push_back({y.shape(), y.dtype()});
  }
  void pull(std::span<Tensor> dy, std::span<Tensor> dx) override {
    if (!pullback_) throw_freed(name);
    (*pullback_)(dy, dx);
  }
  void free_saved() noexcept override {
    if constexpr (!std::is_trivially_destructible_v<F>) pullback_.reset();
  }
  std::span<Edge> edges() noexcept override { return edges_; }
  std::span<const OutputMeta> outputs() const noexcept override { return metas_; }

 private:
  std::vector<Edge> edges_;
  std::vector<OutputMeta> metas_;
  std::optional<F> pullback_;
};

}  // namespace detail

/// Makes y the output of operation `name` on the inputs, each with its pullback, and returns it. Nothing is recorded, and every
/// closure is dropped, when recording is off or no input requires a gradient; a single closure is dropped with an input that doesn't.
/// y must be new: a fresh tensor or a fresh view.
template <class... Fs>
Tensor record(const char* name, Tensor y, Wrt<Fs>... inputs) {
  // Every input is asked: that may bring a view's history up to date, which must come before the new node takes its id.
  if (!is_grad_enabled() || !(static_cast<int>(inputs.x.requires_grad()) | ...)) return y;
  detail::attach(y, Ref<Node>(new detail::RecordedNode<Fs...>(name, y, inputs...)), 0);
  return y;
}

/// The same for operations with several outputs or a number of inputs known at run time. `pullback(dy, dx)` gets one gradient per
/// output, undefined where none arrived, and fills one per input; `dx` entries of inputs without need may stay undefined.
/// An undefined input takes no part. Outputs that are not floating-point are left out of the graph.
template <class F>
void record_joint(const char* name, std::span<const Tensor> outputs, std::span<const Tensor> inputs, F&& pullback) {
  if (!is_grad_enabled()) return;
  bool needed = false;
  for (const Tensor& x : inputs) needed = (x.defined() && x.requires_grad()) || needed;
  if (!needed) return;
  Ref<Node> node(new detail::JointNode<std::decay_t<F>>(name, outputs, inputs, std::forward<F>(pullback)));
  for (uint32_t slot = 0; slot < outputs.size(); ++slot)
    if (is_floating_point(outputs[slot].dtype())) detail::attach(outputs[slot], node, slot);
}

/// For a pullback: whether it should compute with recorded public operations, because the backward pass itself is recorded.
inline bool recording_backward() noexcept { return is_grad_enabled(); }

/// Carries out an operation in place on x: `compute` gets a tensor with x's value and history and returns the new value, which must
/// broadcast to x's shape. The result is written into x, and x takes over its history; other views of the storage follow.
/// Throws AutogradError on a leaf that requires a gradient, DTypeError when the result's kind does not fit into x.
void in_place(const char* op, const Tensor& x, const std::function<Tensor(const Tensor&)>& compute);

/// The checks of in_place for an operation that writes x itself without recording; call `x.impl()->storage->bump_version()` after.
/// Returns true when it must go through in_place because history is involved.
bool in_place_needs_history(const char* op, const Tensor& x, bool value_requires_grad);

}  // namespace gradus
