#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "gradus/tensor.h"

namespace gradus {

/// True when operations on this thread are recorded.
GRADUS_API bool is_grad_enabled() noexcept;

/// Sets whether operations are recorded while it lives, on this thread.
class GRADUS_API GradMode {
 public:
  explicit GradMode(bool enabled) noexcept;
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

/// No operation is recorded while it lives: for evaluation and for updates of parameters.
class NoGradGuard : public GradMode {
 public:
  NoGradGuard() noexcept : GradMode(false) {}
};

/// Operations are recorded while it lives, also inside a NoGradGuard.
class EnableGradGuard : public GradMode {
 public:
  EnableGradGuard() noexcept : GradMode(true) {}
};

namespace autograd {

/// How `grad` and `backward` run.
struct GradOptions {
  /// Keep what backward needs, so that it can run again. Absent: as create_graph.
  std::optional<bool> retain_graph = {};
  /// Record the backward pass itself, so that its results can be differentiated.
  bool create_graph = false;
  /// Give an undefined tensor for an input that the outputs do not depend on, rather than throw AutogradError.
  bool allow_unused = false;
  /// For `backward`: a leaf's hooks run, and its `grad()` is added to, as soon as nothing more can arrive there, rather than at the end, so
  /// that a hook can send the gradient away meanwhile. The graph is walked through once before. Numbers are the same.
  bool leaves_early = false;
  /// For `backward`: `arrived(i)` is called whenever a gradient has been added to leaves[i].grad(), from where it may be taken away with
  /// set_grad: once, and more often where other passes run inside this one, as those of autograd::checkpoint do.
  std::vector<Tensor> leaves = {};
  std::function<void(size_t)> arrived = {};
  /// For `backward`: leaves that take a row-sparse gradient from a lookup of a few of their rows, also where it was not asked for one;
  /// unless something else uses them too, or they have hooks, which are given what they were always given. Numbers are the same.
  std::vector<Tensor> rows_welcome = {};
  /// For `backward`: is called now and then by this thread, between operations and inside of long ones, so that messages go on, say. It
  /// must not compute; what it throws ends the pass.
  std::function<void()> meanwhile = {};
};

/// d(outputs)/d(inputs) weighted by grad_outputs, as PyTorch's `torch.autograd.grad`: nothing is added to any `grad()`.
/// grad_outputs may be left out, or an entry undefined, for outputs of one element.
GRADUS_API std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                                    const std::vector<Tensor>& grad_outputs = {}, const GradOptions& options = {});

/// Adds the gradients of `outputs`, weighted by `gradients`, to the `grad()` of every leaf they depend on, in one pass.
GRADUS_API void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients = {}, const GradOptions& options = {});

/// What a custom Function's forward leaves for its backward.
class GRADUS_API Context {
 public:
  /// Keeps tensors for backward. Inputs and outputs of the function belong here rather than in `saved`: they are checked for
  /// changes in place, and an output does not keep itself alive.
  void save_for_backward(std::vector<Tensor> tensors);
  /// What was kept. Throws AutogradError when the graph was freed or a tensor was changed in place.
  std::vector<Tensor> saved_tensors() const;
  /// Which inputs need a gradient; backward may leave the others undefined.
  bool needs_input_grad(size_t input) const { return needs_.at(input); }
  /// Anything else that backward needs.
  std::shared_ptr<void> state;

  /// What the library keeps; not for use outside it.
  struct Impl;
  explicit Context(std::shared_ptr<Impl> impl, std::vector<bool> needs) : impl_(std::move(impl)), needs_(std::move(needs)) {}

 private:
  std::shared_ptr<Impl> impl_;
  std::vector<bool> needs_;
};

/// One direction of an operation: tensors in, tensors out, and a Context between the two directions.
using ContextFunction = std::function<std::vector<Tensor>(Context&, const std::vector<Tensor>&)>;

/// Runs `forward` without recording and attaches `backward` to its results. `Function` is the usual way to it.
GRADUS_API std::vector<Tensor> apply_function(const std::vector<Tensor>& inputs, const char* name, const ContextFunction& forward,
                                              ContextFunction backward);

/// An operation with a derivative of its own, as PyTorch's `torch.autograd.Function`:
///
///     struct Cube : gradus::autograd::Function<Cube> {
///       static constexpr const char* name = "cube";
///       static std::vector<Tensor> forward(Context& ctx, const std::vector<Tensor>& in) {
///         ctx.save_for_backward({in[0]});
///         return {in[0] * in[0] * in[0]};
///       }
///       static std::vector<Tensor> backward(Context& ctx, const std::vector<Tensor>& dy) {
///         Tensor x = ctx.saved_tensors()[0];
///         return {dy[0] * 3 * x * x};
///       }
///     };
///     Tensor y = Cube::apply({x})[0];
///
/// backward gets one gradient per output (undefined where none arrived) and gives one per input. Written with public operations
/// it can be differentiated again.
template <class Derived>
struct Function {
  /// The outputs of the operation, recorded. Throws what `forward` throws.
  static std::vector<Tensor> apply(const std::vector<Tensor>& inputs) {
    return apply_function(inputs, Derived::name, &Derived::forward, &Derived::backward);
  }
};

/// While one lives on this thread, every recorded operation remembers where it was called, and backward throws AutogradError at the first
/// gradient that holds NaN, naming the operation and that place. Make it before the forward pass. It is slow: for the search only.
/// Other errors on the thread say where they were called as well, as with GRADUS_BACKTRACE=1; see docs/guides/debugging.md.
class GRADUS_API DetectAnomalyGuard {
 public:
  DetectAnomalyGuard() noexcept;
  ~DetectAnomalyGuard();
  DetectAnomalyGuard(const DetectAnomalyGuard&) = delete;
  DetectAnomalyGuard& operator=(const DetectAnomalyGuard&) = delete;
};

/// f(inputs) without keeping what its backward pass needs: backward computes f again (Chen et al. 2016, "Training deep nets with sublinear
/// memory cost"). Gradients reach the inputs and the leaves that f uses inside, its parameters. The second time draws the same random
/// numbers as the first. f must give the same values both times. `autograd::grad` sees only the inputs, not the leaves inside, and
/// create_graph throws AutogradError.
GRADUS_API Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs);

/// How closely gradcheck compares.
struct GradcheckOptions {
  double eps = 1e-6;   ///< the step of the central difference
  double atol = 1e-5;  ///< absolute tolerance
  double rtol = 1e-3;  ///< relative tolerance
  uint64_t seed = 0;   ///< of the cotangent
};

/// A function of tensors that gives tensors, for gradcheck.
using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

/// Compares the gradients of `f` with central differences, for a random cotangent, at contiguous and at strided copies of the
/// inputs. Every floating-point input that requires a gradient is checked; each must be float64 (DTypeError). Inputs whose elements overlap
/// (their first row again and again, from one place in memory) must have the gradients of copies whose elements don't.
/// Returns true, or throws AutogradError that names the input, the place and the two values.
GRADUS_API bool gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

/// The same for the gradients of `f`: checks second derivatives.
GRADUS_API bool gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace autograd
}  // namespace gradus
