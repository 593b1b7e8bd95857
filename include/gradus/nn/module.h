#pragma once

#include <concepts>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "gradus/tensor.h"

/// Modules: layers and models with named parameters.
namespace gradus::nn {

/// A tensor that a module learns. It is a Tensor in every respect; only `clone` of a module tells the difference: a member declared as
/// Parameter points to the copy in the cloned module, where a member declared as Tensor would still point to the original.
/// To change a weight, write into it (`copy_`, nn::init): a handle assigned to the member would not be the one that is registered.
class GRADUS_API Parameter : public Tensor {
 public:
  Parameter() = default;
  explicit Parameter(Tensor tensor) noexcept : Tensor(std::move(tensor)) {}
  Parameter(const Parameter& other);
  Parameter(Parameter&& other) noexcept = default;
  Parameter& operator=(const Parameter& other) = default;
  Parameter& operator=(Parameter&& other) noexcept = default;
  ~Parameter() = default;
};

/// Names and tensors, in the order of registration: what `state_dict` gives and `load_state_dict` takes.
using StateDict = std::vector<std::pair<std::string, Tensor>>;

/// The base of all layers and models: a handle to shared state (parameters, buffers, child modules, the training flag), as a Tensor is a
/// handle to elements. Modules copy, move and live in containers; a copy is the same module, with the same weights. `clone` makes an
/// independent one. A handle that was moved from is empty; using it throws StateError.
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
  Module& operator=(const Module& other) = default;
  Module& operator=(Module&& other) noexcept = default;
  virtual ~Module();

  /// Every parameter of this module and, if `recurse`, of those inside it, each once, in the order of registration.
  std::vector<Tensor> parameters(bool recurse = true) const;
  /// The same with names: "rnn.weight_ih_l0". A parameter that is shared has the first of its names.
  StateDict named_parameters(bool recurse = true) const;
  /// Tensors that belong to the state but are not learned.
  std::vector<Tensor> buffers(bool recurse = true) const;
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
  /// are passed over. Unlike PyTorch it does not convert: see `to`.
  void load_state_dict(const StateDict& state, bool strict = true) const;

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

 private:
  struct State;
  friend class Cloner;
  friend class Sequential;
  State& state() const;
  /// What a Sequential runs. It stands with the state so that all handles see what one of them adds.
  std::vector<std::function<Tensor(const Tensor&)>>& steps() const;
  void add_child(const std::string& name, const Module& child, const std::type_info& type);
  void name_after(const std::type_info& type) const;

  std::shared_ptr<State> state_;
};

GRADUS_API std::ostream& operator<<(std::ostream& out, const Module& module);

/// While one lives, copies of Modules and Parameters on this thread are deep: every state and tensor is copied once, and all handles to it
/// follow. `clone` is the way to it.
class GRADUS_API Cloner {
 public:
  Cloner();
  ~Cloner();
  Cloner(const Cloner&) = delete;
  Cloner& operator=(const Cloner&) = delete;

 private:
  friend class Module;
  friend class Parameter;
  struct Map;
  std::unique_ptr<Map> map_;
  Cloner* before_;
};

/// An independent copy of a module, with parameters, buffers and modules of its own; what was shared inside is shared inside the copy.
/// Gradients and hooks are not copied. Works for any copyable type derived from Module whose members are modules, Parameters and plain
/// values, also in containers: its copy constructor runs, and while it does every module and Parameter that it copies becomes a deep copy.
template <std::derived_from<Module> M>
M clone(const M& module) {
  const Cloner deep;
  return M(module);
}

}  // namespace gradus::nn
