#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/node.h"
#include "autograd/tensor_impl.h"
#include "core/function_ref.h"
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
void in_place(const char* op, const Tensor& x, bool operands_require_grad, FunctionRef<Tensor(const Tensor&)> compute);

template <class F>
inline constexpr bool takes_output = std::is_invocable_v<F&, const Tensor&, const Tensor&>;

/// The pullbacks of an operation with one output, one for each of its inputs, as one.
template <class... Fs>
class PullbackOfEach {
  static constexpr bool uses_output = (takes_output<Fs> || ...);
  struct Nothing {};

 public:
  PullbackOfEach(const std::array<Edge, sizeof...(Fs)>& edges, const Tensor& y, Wrt<Fs>&... inputs) {
    const Edge* edge = edges.data();
    const auto keep = [&edge]<class F>(std::optional<F>& pullback, Wrt<F>& input) {
      if ((edge++)->node) pullback.emplace(std::move(input.pullback));
    };
    std::apply([&](auto&... pullbacks) { (keep(pullbacks, inputs), ...); }, pullbacks_);
    if constexpr (uses_output) output_ = Saved(alias_of(y));
  }

  void operator()(std::span<Tensor> dy, InputGradients dx) {
    Tensor y;
    if constexpr (uses_output) {
      y = alias_of(*output_);
      attach(y, Ref<Node>(&dx.node()), 0);
    }
    size_t i = 0;
    const auto pull = [&]<class F>(std::optional<F>& pullback) {
      if (dx.needs(i)) {
        if constexpr (takes_output<F>) dx[i] = (*pullback)(dy[0], y);
        else dx[i] = (*pullback)(dy[0]);
      }
      ++i;
    };
    std::apply([&](auto&... pullbacks) { (pull(pullbacks), ...); }, pullbacks_);
  }

 private:
  std::tuple<std::optional<Fs>...> pullbacks_;
  [[no_unique_address]] std::conditional_t<uses_output, Saved, Nothing> output_;
};

/// Whether a pullback keeps tensors, which a backward pass frees. One that doesn't costs nothing to keep, so that its part of the graph
/// can be walked again. A pullback for which that is known only as it runs has a member of this name.
template <class Pullback>
bool saves_tensors(const Pullback& pullback) {
  if constexpr (requires { pullback.saves_tensors(); }) return pullback.saves_tensors();
  else return !std::is_trivially_destructible_v<Pullback>;
}

/// A recorded operation: edges to its inputs, the shapes of its outputs and its pullback, all in one allocation where their numbers are
/// known as it is compiled (Edges and Outputs are arrays then, vectors otherwise).
template <class Edges, class Outputs, class Pullback>
class RecordedNode final : public Node {
 public:
  /// Takes what edges and outputs hold; the pullback, made of `pullback`, comes first, so that it may look at them.
  template <class... Arguments>
  RecordedNode(const char* op, Edges& edges, Outputs& outputs, Arguments&&... pullback)
      : Node(op), pullback_(std::in_place, std::forward<Arguments>(pullback)...), edges_(std::move(edges)), outputs_(std::move(outputs)) {}

  void pull(std::span<Tensor> dy, InputGradients dx) override {
    if (!pullback_) throw_freed(name);
    (*pullback_)(dy, dx);
  }
  void free_saved() noexcept override {
    if (pullback_ && saves_tensors(*pullback_)) pullback_.reset();
  }
  std::span<Edge> edges() noexcept override { return edges_; }
  std::span<const OutputMeta> outputs() const noexcept override { return outputs_; }

 private:
  std::optional<Pullback> pullback_;
  Edges edges_;
  Outputs outputs_;
};

}  // namespace detail

/// Makes y the output of operation `name` on the inputs, each with its pullback, and returns it. Nothing is recorded, and every
/// closure is dropped, when recording is off or no input requires a gradient; a single closure is dropped with an input that doesn't.
/// y must be new: a fresh tensor or a fresh view.
template <class... Fs>
Tensor record(const char* name, Tensor y, Wrt<Fs>... inputs) {
  if (!(inputs.x.requires_grad() || ...) || !is_grad_enabled()) return y;
  // Asked before the node is made: an input that is brought up to date gets a node of its own, whose id must be the smaller one.
  using Edges = std::array<Edge, sizeof...(Fs)>;
  using Outputs = std::array<OutputMeta, 1>;
  Outputs outputs{{{y.shape(), y.dtype()}}};
  Edges edges{{gradient_edge(follow_base(inputs.x))...}};
  using Recorded = detail::RecordedNode<Edges, Outputs, detail::PullbackOfEach<Fs...>>;
  detail::attach(y, Ref<Node>(new Recorded(name, edges, outputs, edges, y, inputs...)), 0);
  return y;
}

/// The same for operations with several outputs, with a number of inputs known at run time, or whose gradients are made together.
/// `pullback(dy, dx)` gets one gradient per output, undefined where none arrived, and fills one per input: those that `dx.needs(i)`.
/// An undefined input takes no part. Outputs that are not floating-point are left out of the graph.
template <class F>
void record_joint(const char* name, std::span<const Tensor> outputs, std::span<const Tensor> inputs, F&& pullback) {
  const auto needed = [](const Tensor& x) { return x.defined() && x.requires_grad(); };
  if (!is_grad_enabled() || std::none_of(inputs.begin(), inputs.end(), needed)) return;
  std::vector<Edge> edges;
  for (const Tensor& x : inputs) edges.push_back(x.defined() ? gradient_edge(follow_base(x)) : Edge());
  std::vector<OutputMeta> metas;
  for (const Tensor& y : outputs) metas.push_back({y.shape(), y.dtype()});
  using Recorded = detail::RecordedNode<std::vector<Edge>, std::vector<OutputMeta>, std::decay_t<F>>;
  const Ref<Node> node(new Recorded(name, edges, metas, std::forward<F>(pullback)));
  for (uint32_t slot = 0; slot < outputs.size(); ++slot)
    if (is_floating_point(outputs[slot].dtype())) detail::attach(outputs[slot], node, slot);
}

/// For a pullback: whether it should compute with recorded public operations, because the backward pass itself is recorded.
inline bool recording_backward() noexcept { return is_grad_enabled(); }

/// Carries out an operation in place on x: `compute` gets a tensor with x's value and history, once, and returns the new value, which must
/// have x's shape. The result is written into x, and x takes over its history; other views of the storage follow. `operands` are the
/// tensors besides x that the result depends on: they decide, with x, whether the x that was is copied before it is overwritten. Throws
/// AutogradError on a leaf that requires a gradient, ValueError where elements of x share a place, DTypeError when the result's kind does
/// not fit into x.
template <class... Operands>
void in_place(const char* op, const Tensor& x, FunctionRef<Tensor(const Tensor&)> compute, const Operands&... operands) {
  detail::in_place(op, x, ((operands.defined() && operands.requires_grad()) || ... || false), compute);
}

/// The same for an operation whose result does not depend on what x was.
void overwrite(const char* op, const Tensor& x, const Tensor& value);

/// The checks of in_place for an operation that writes x itself without recording; call `x.impl()->storage->bump_version()` after.
/// Returns true when it must go through in_place because history is involved.
bool in_place_needs_history(const char* op, const Tensor& x, bool value_requires_grad);

}  // namespace gradus
