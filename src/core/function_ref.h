#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace gradus {

template <class Signature>
class FunctionRef;

/// A callable object seen through two pointers: cheap to pass, and one type whatever the object's, so that the function that takes it is
/// compiled once. It does not keep the object: only for arguments that are called before the call they are given to returns.
template <class R, class... Arguments>
class FunctionRef<R(Arguments...)> {
 public:
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, FunctionRef> && std::is_object_v<std::remove_reference_t<F>> &&
           std::is_invocable_r_v<R, F&, Arguments...>) FunctionRef(F&& f)
  noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))), call_([](void* object, Arguments... arguments) -> R {
          return static_cast<R>((*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Arguments>(arguments)...));
        }) {}

  R operator()(Arguments... arguments) const { return call_(object_, std::forward<Arguments>(arguments)...); }

 private:
  void* object_;
  R (*call_)(void*, Arguments...);
};

}  // namespace gradus
