#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace gradus {

template <class>
class FunctionRef;

/// A function that lives somewhere else, for parameters that are called before the call returns. It owns nothing and allocates nothing.
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, A...>) FunctionRef(F&& function)
  noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))), call_([](void* object, A... arguments) -> R {
          return (*static_cast<std::add_pointer_t<F>>(object))(std::forward<A>(arguments)...);
        }) {}

  R operator()(A... arguments) const { return call_(object_, std::forward<A>(arguments)...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

}  // namespace gradus
