#pragma once

#include <any>
#include <concepts>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <typeinfo>
#include <utility>
#include <vector>

#include "gradus/nn/parameter.h"
#include "gradus/state_dict.h"
#include "gradus/tensor.h"

/// Modules: layers and models with named parameters.
namespace gradus::nn {

using gradus::StateDict;

class Module;
class OutputWatch;

/// A hook before a module is called: sees the inputs, and may give others in their place (an empty list keeps them).
using ForwardPreHook = std::function<std::vector<Tensor>(const Module&, const std::vector<Tensor>& inputs)>;
/// A hook after it: sees inputs and output, and may give another output.
using ForwardHook =
    std::function<std::vector<Tensor>(const Module&, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs)>;
/// A hook in the backward pass: sees the gradients of inputs (undefined where none is needed) and output, and may give others for the
/// inputs.
using BackwardHook =
    std::function<std::vector<Tensor>(const Module&, const std::vector<Tensor>& grad_input, const std::vector<Tensor>& grad_output)>;

/// The base of all layers and models: a handle to shared state (parameters, buffers, child modules, the training flag), as a Tensor is a
/// handle to elements. Modules copy, move and live in containers; a copy is the same module, with the same weights. `clone` makes an
/// independent one. A handle that was moved from is empty; using it throws StateError that names its type.
///
/// A module learns, saves, converts and prints what it registers: a member that did not pass through register_module belongs to nobody.
/// When such a layer takes part in a backward pass, the first step of the optimizer that trains the rest warns of it on stderr.
///
///     struct Encoder : nn::Module {
///       nn::Embedding embedding;
///       nn::GRU rnn;
///       Encoder(int64_t vocab, int64_t embed, int64_t hidden)
///           : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
///             rnn(register_module("rnn", nn::GRU(embed, hidden))) {}
///     };
class GRADUS_API Module {
 public:
  /// A module that prints under the name of its C++ type.
  Module();
  /// A module that prints as `name(details)`.
  explicit Module(std::string name, std::string details = "");
  Module(const Module& other);
  Module(Module&& other) noexcept = default;
  Module& operator=(const Module& other);
  Module& operator=(Module&& other) noexcept;
  virtual ~Module();

  /// Every parameter of this module and, if `recurse`, of those inside it, each once, in the order of registration.
  std::vector<Tensor> parameters(bool recurse = true) const;
  /// The same with names: "rnn.weight_ih_l0". A parameter that is shared has the first of its names.
  StateDict named_parameters(bool recurse = true) const;
  /// Tensors that belong to the state but are not learned.
  std::vector<Tensor> buffers(bool recurse = true) const;
  /// The same with names: "norm.running_mean".
  StateDict named_buffers(bool recurse = true) const;
  /// The modules directly inside this one.
  std::vector<std::pair<std::string, Module>> named_children() const;
  /// This module (under the name "") and all inside it.
  std::vector<std::pair<std::string, Module>> named_modules() const;

  /// Parameters and buffers under PyTorch's names, those that are shared under each of theirs; the tensors share their elements with the
  /// module and have no history.
  StateDict state_dict() const;
  /// Copies the tensors into the parameters and buffers of the same names. Throws ValueError that lists every missing, unexpected and
  /// repeated name and every tensor of another shape or dtype; then nothing was changed. With strict = false, missing and unexpected names
  /// are passed over. A tensor that is shared may be given under any of its names. Unlike PyTorch it does not convert: see `to`.
  void load_state_dict(const StateDict& state, bool strict = true) const;
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const StateDict& state, bool strict = true) const;

  /// Sets whether dropout and the like are at work, here and inside.
  void train(bool mode = true) const;
  /// train(false)
  void eval() const;
  bool is_training() const;

  /// Calls f with every module inside, children first, and then with this one: `m.type_name()` says what it is, and
  /// `m.named_parameters(false)` gives what it has of its own.
  void apply(const std::function<void(const Module&)>& f) const;
  /// Converts floating-point parameters, their gradients and buffers; handles to them stay valid. Throws DTypeError unless dtype is
  /// float32 or float64.
  void to(DType dtype) const;
  /// Takes the gradients away, or, with set_to_none = false, sets them to zero.
  void zero_grad(bool set_to_none = true) const;
  /// Sets whether the parameters collect gradients.
  void requires_grad_(bool requires_grad = true) const;

  /// Hooks run, in the order of registration, when the module is called through `nn::call`, which says who does so. They belong to the
  /// module, not to a handle; a clone has none. Each registration returns an id for remove_hook. A hook that gives a wrong number of
  /// tensors makes the call throw ValueError.
  /// Throws ValueError when the hook is empty, as do the two below.
  int64_t register_forward_pre_hook(ForwardPreHook hook) const;
  /// For hooks that run after the call.
  int64_t register_forward_hook(ForwardHook hook) const;
  /// The hook runs when the gradients of the inputs are there; where no input requires one, when that of the output is.
  int64_t register_full_backward_hook(BackwardHook hook) const;
  /// Takes away the hook with this id; one that is not there any more is passed over.
  void remove_hook(int64_t id) const;
  bool has_hooks() const;
  /// forward(inputs) between the hooks: what nn::call does.
  Tensor call_with_hooks(std::vector<Tensor> inputs, const std::function<Tensor(const std::vector<Tensor>&)>& forward) const;

  /// The name it prints under: "GRU".
  std::string type_name() const;
  /// The tree of modules, as PyTorch prints it.
  std::string str() const;

 protected:
  /// Adds a parameter and gives it back, so that it can stand in an initialiser list. It requires a gradient from now on.
  /// Throws ValueError for a name that is empty, has a dot or is taken, DTypeError for a tensor that is not floating-point.
  Parameter register_parameter(const std::string& name, const Tensor& tensor);
  /// Adds a tensor to the state that is not learned, and gives it back. The same rules for names.
  Parameter register_buffer(const std::string& name, const Tensor& tensor);
  /// Adds a module inside this one and gives it back. The same rules for names; ValueError too when the module would contain itself.
  template <std::derived_from<Module> M>
  M register_module(const std::string& name, M module) {
    add_child(name, module, typeid(M));
    return module;
  }

  /// For containers: what they hold, whole, as a T. It stands with the shared state, so that all handles see what one of them adds, and a
  /// clone has its own. The first call makes an empty one.
  template <class T>
  T& contents() const {
    std::any& held = held_contents();
    if (!held.has_value()) held = T();
    return *std::any_cast<T>(&held);
  }
  /// For containers: these modules in the place of all inside. The rules of register_module hold; when it throws nothing was changed.
  void set_children(std::vector<std::pair<std::string, Module>> children) const;
  /// module, as a Module that knows the name of its C++ type.
  static const Module& named(const Module& module);

 private:
  friend class ForwardScope;
  friend struct detail::ModuleState;
  detail::ModuleState& state() const {
    if (!state_) [[unlikely]]
      fail_moved_from();
    return *state_;
  }
  [[noreturn]] void fail_moved_from() const;
  std::any& held_contents() const;
  void leave_for(const Module& other) noexcept;
  void check_child(const std::string& name, const Module& child, const std::vector<std::pair<std::string, Module>>& siblings) const;
  void add_child(const std::string& name, const Module& child, const std::type_info& type);
  void name_after(const std::type_info& type) const;

  detail::Shared<detail::ModuleState> state_;
};

/// Prints the tree of modules: `str`.
GRADUS_API std::ostream& operator<<(std::ostream& out, const Module& module);

namespace detail {

/// The tensors in what a module gives: one, the `output` or `h` of a struct, or all of a list, pair or tuple; none of other things.
template <class Output>
std::vector<Tensor> tensors_of(const Output& output) {
  if constexpr (std::convertible_to<const Output&, const Tensor&>) return {output};
  else if constexpr (requires { Tensor(output.output); }) return {output.output};
  else if constexpr (requires { Tensor(output.h); }) return {output.h};
  else if constexpr (std::convertible_to<const Output&, const std::vector<Tensor>&>) return output;
  else if constexpr (requires { std::tuple_size<Output>::value; }) {
    std::vector<Tensor> all;
    const auto add = [&](const std::vector<Tensor>& part) { all.insert(all.end(), part.begin(), part.end()); };
    std::apply([&](const auto&... parts) { (add(tensors_of(parts)), ...); }, output);
    return all;
  } else {
    return {};
  }
}

}  // namespace detail

/// While one lives, `module` is being called on this thread: an error begins with the path of the innermost of these modules, as its
/// parents name it, "decoder.out: linear: …". The library's layers and nn::call make one; a module of your own may do so too, so that its
/// own operations are found as well:
///
///     Tensor operator()(const Tensor& x) const {
///       const nn::ForwardScope here(*this);
///       …
class GRADUS_API ForwardScope {
 public:
  /// Throws StateError when the module was moved from.
  explicit ForwardScope(const Module& module);
  ~ForwardScope();
  ForwardScope(const ForwardScope&) = delete;
  ForwardScope& operator=(const ForwardScope&) = delete;

  /// Passes on what the module gives back, so that train::summary sees its shape: `return here.gives(linear(x, weight));`
  template <class Output>
  Output gives(Output output) const {
    if (watch_) [[unlikely]]
      show(detail::tensors_of(output));
    return output;
  }

  /// What this thread is inside of, the innermost first.
  static std::vector<const detail::ModuleState*> active();

 private:
  void show(const std::vector<Tensor>& outputs) const;

  const Module& module_;
  const ForwardScope* const outer_;
  const OutputWatch* const watch_;  // who is told of what the module gives; usually nobody
};

/// An independent copy of a module, with parameters, buffers and modules of its own; what was shared inside is shared inside the copy.
/// Gradients and hooks are not copied. Works for any copyable type derived from Module whose members are modules, Parameters and plain
/// values, also in containers: its copy constructor runs, and while it does every module and Parameter that it copies becomes a deep copy
/// (detail::CloneScope).
template <std::derived_from<Module> M>
M clone(const M& module) {
  const detail::CloneScope deep;
  return M(module);
}

}  // namespace gradus::nn
