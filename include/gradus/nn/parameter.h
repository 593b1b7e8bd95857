#pragma once

#include <memory>
#include <utility>

#include "gradus/tensor.h"

namespace gradus::nn {

class Module;

namespace detail {

struct ModuleState;
struct ParameterSlot;

/// While one lives, copies of Shared handles on this thread are deep: every object is copied once, and all handles to it follow. Only
/// nn::clone makes one.
///
/// Why copying must mean two things: a model is a struct that its user wrote, whose members are modules, containers of modules, and
/// functions that captured modules. C++ offers no other way to visit them than the struct's own copy constructor. So `clone` runs that
/// one, and Shared, the one class that all handles of modules are made of, asks whether it does. No other class knows of it.
class GRADUS_API CloneScope {
 public:
  CloneScope();
  ~CloneScope();
  CloneScope(const CloneScope&) = delete;
  CloneScope& operator=(const CloneScope&) = delete;

  struct Map;

 private:
  std::unique_ptr<Map> map_;
  Map* before_;
};

/// The object itself, or its copy inside a CloneScope.
GRADUS_API std::shared_ptr<ModuleState> aliased_or_cloned(const std::shared_ptr<ModuleState>& object);
GRADUS_API std::shared_ptr<ParameterSlot> aliased_or_cloned(const std::shared_ptr<ParameterSlot>& object);

/// A shared pointer that CloneScope knows.
template <class T>
class Shared {
 public:
  Shared() noexcept = default;
  explicit Shared(std::shared_ptr<T> object) noexcept : object_(std::move(object)) {}
  Shared(const Shared& other) : object_(aliased_or_cloned(other.object_)) {}
  Shared(Shared&& other) noexcept = default;
  Shared& operator=(const Shared& other) noexcept = default;
  Shared& operator=(Shared&& other) noexcept = default;
  ~Shared() = default;

  const std::shared_ptr<T>& pointer() const noexcept { return object_; }
  T* get() const noexcept { return object_.get(); }
  T* operator->() const noexcept { return object_.get(); }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  std::shared_ptr<T> object_;
};

}  // namespace detail

/// A tensor that a module learns, or a buffer: a Tensor in every respect, that stands for the module's entry under its name. Assigning to
/// a registered one puts the other tensor in its place, for every handle to the module, its parameters() and its state. So weights are
/// tied as in PyTorch:
///
///     out.weight = embedding.weight;             // one parameter from now on; state_dict has it under both names
///     out.bias = nn::Parameter(gradus::zeros(5));  // another tensor, which learns from now on
///
/// Throws as Module::register_parameter for a tensor that cannot be one. Assigning a whole module (`layer = other`) makes the handle stand
/// for the other module and changes neither. A copy of a Parameter follows the module's entry; copy it into a Tensor to keep the tensor.
class GRADUS_API Parameter : public Tensor {
 public:
  Parameter() noexcept = default;
  explicit Parameter(const Tensor& tensor);
  Parameter(const Parameter& other);
  Parameter(Parameter&& other) noexcept;
  Parameter& operator=(const Parameter& other);
  Parameter& operator=(Parameter&& other);  // NOLINT(performance-noexcept-move-constructor): throws as the one above
  ~Parameter();

 private:
  friend class Module;
  bool is_registered() const noexcept;
  bool is_assigned_with_its_module(const Parameter& other) const;
  void put_in_place(const Parameter& other);
  void follow(const Parameter& other);
  void take(Parameter& other) noexcept;
  void join();
  void leave() noexcept;

  detail::Shared<detail::ParameterSlot> slot_;  // none: undefined
};

}  // namespace gradus::nn
