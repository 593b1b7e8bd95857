#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/node.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "gradus/autograd.h"

namespace gradus {

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
    if (!pullback_) fail_freed();
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

/// An operation, which says its name once: for what it refuses, what it allocates, what it records and what a profile shows. A value of two
/// pointers; pullbacks keep it.
class Op {
 public:
  constexpr explicit Op(const char* name) : Op(name, name) {}
  /// `node` is what its node in the graph is called, where PyTorch calls that otherwise; see node_display_name.
  constexpr Op(const char* name, const char* node) : name_(name), node_(node) {}

  /// The same operation whose node is called `node`.
  constexpr Op as(const char* node) const { return {name_, node}; }

  constexpr const char* name() const { return name_; }
  constexpr operator const char*() const { return name_; }

  /// Throws StateError unless all are defined and have elements of their own, which row-sparse gradients have not.
  template <class... Tensors>
  void takes(const Tensors&... xs) const {
    (impl_of(name_, xs), ...);
  }

  /// Throws E with the formatted text behind the operation's name.
  template <class E, class... Args>
  [[noreturn]] __attribute__((cold, noinline)) void fail(fmt::format_string<Args...> text, Args&&... args) const {
    throw E(error_text(name_, text, fmt::make_format_args(args...)));
  }

  /// The same unless `condition` holds. The text is formatted only then.
  template <class E, class... Args>
  void check(bool condition, fmt::format_string<Args...> text, Args&&... args) const {
    if (!condition) [[unlikely]]
      fail<E>(text, std::forward<Args>(args)...);
  }

  /// A new contiguous tensor, elements not initialised.
  Tensor empty(const Shape& shape, DType dtype) const { return new_tensor(name_, shape, dtype); }

  /// Makes y the operation's output on the inputs, each with its pullback, and returns it. Nothing is recorded, and every closure is
  /// dropped, when recording is off or no input requires a gradient; a single closure is dropped with an input that doesn't. y must be new:
  /// a fresh tensor, a fresh view of an input, or a view of what nobody else has, of which it becomes independent.
  template <class... Fs>
  Tensor record(Tensor y, Wrt<Fs>... inputs) const {
    if (!(inputs.x.requires_grad() || ...) || !is_grad_enabled()) return y;
    // Asked before the node is made: an input that is brought up to date gets a node of its own, whose id must be the smaller one.
    using Edges = std::array<Edge, sizeof...(Fs)>;
    using Outputs = std::array<OutputMeta, 1>;
    Outputs outputs{{{y.shape(), y.dtype()}}};
    Edges edges{{gradient_edge(follow_base(inputs.x))...}};
    using Recorded = detail::RecordedNode<Edges, Outputs, detail::PullbackOfEach<Fs...>>;
    if (!(is_view_of(inputs.x, y) || ...)) end_view(y);
    attach(y, Ref<Node>(new Recorded(node_, edges, outputs, edges, y, inputs...)), 0);
    return y;
  }

  /// The same for operations with several outputs, with a number of inputs known at run time, or whose gradients are made together.
  /// `pullback(dy, dx)` gets one gradient per output, undefined where none arrived, and fills one per input: those that `dx.needs(i)`. A
  /// pullback that takes work to make is given as a function without arguments that makes it, called only where one is recorded.
  /// An undefined input takes no part. Outputs that are not floating-point are left out of the graph.
  template <class F>
  void record_joint(std::span<const Tensor> outputs, std::span<const Tensor> inputs, F&& pullback) const {
    const auto needed = [](const Tensor& x) { return x.defined() && x.requires_grad(); };
    if (!is_grad_enabled() || std::none_of(inputs.begin(), inputs.end(), needed)) return;
    if constexpr (std::invocable<F>) attach_joint(outputs, inputs, std::forward<F>(pullback)());
    else attach_joint(outputs, inputs, std::forward<F>(pullback));
  }

 private:
  /// Whether y is a view of x or of what x is a view of.
  static bool is_view_of(const Tensor& x, const Tensor& y) {
    const Ref<TensorImpl>& base = y.impl()->base;
    return base && x.defined() && (base.get() == x.impl() || base == x.impl()->base);
  }
  /// An operation may make its output as a view of what it hands to nobody. That one has no history: were it asked for one when the output,
  /// or a view of it, is changed in place, the output would lose its own.
  static void end_view(const Tensor& y) { y.impl()->base = nullptr; }

  template <class F>
  void attach_joint(std::span<const Tensor> outputs, std::span<const Tensor> inputs, F&& pullback) const {
    std::vector<Edge> edges;
    for (const Tensor& x : inputs) edges.push_back(x.defined() ? gradient_edge(follow_base(x)) : Edge());
    std::vector<OutputMeta> metas;
    for (const Tensor& y : outputs) metas.push_back({y.shape(), y.dtype()});
    using Recorded = detail::RecordedNode<std::vector<Edge>, std::vector<OutputMeta>, std::decay_t<F>>;
    const Ref<Node> node(new Recorded(node_, edges, metas, std::forward<F>(pullback)));
    for (uint32_t slot = 0; slot < outputs.size(); ++slot) {
      const Tensor& y = outputs[slot];
      if (!is_floating_point(y.dtype())) continue;
      if (std::none_of(inputs.begin(), inputs.end(), [&y](const Tensor& x) { return is_view_of(x, y); })) end_view(y);
      attach(y, node, slot);
    }
  }

  const char* name_;
  const char* node_;
};

/// For a pullback: whether it should compute with recorded public operations, because the backward pass itself is recorded.
inline bool recording_backward() noexcept { return is_grad_enabled(); }

}  // namespace gradus
