#pragma once

#include <fmt/format.h>

#include <utility>

#include "autograd/record.h"
#include "core/check.h"

namespace gradus {

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
    throw E(fmt::format("{}: {}", name_, fmt::format(text, std::forward<Args>(args)...)));
  }

  /// The same unless `condition` holds. The text is formatted only then.
  template <class E, class... Args>
  void check(bool condition, fmt::format_string<Args...> text, Args&&... args) const {
    if (!condition) [[unlikely]]
      fail<E>(text, std::forward<Args>(args)...);
  }

  /// A new contiguous tensor, elements not initialised.
  Tensor empty(const Shape& shape, DType dtype) const { return new_tensor(name_, shape, dtype); }

  /// Makes y the operation's output: see gradus::record.
  template <class... Fs>
  Tensor record(Tensor y, Wrt<Fs>... inputs) const {
    return gradus::record(node_, std::move(y), std::move(inputs)...);
  }

  /// The same for several outputs, or inputs whose number is known at run time: see gradus::record_joint.
  template <class F>
  void record_joint(std::span<const Tensor> outputs, std::span<const Tensor> inputs, F&& pullback) const {
    gradus::record_joint(node_, outputs, inputs, std::forward<F>(pullback));
  }

 private:
  const char* name_;
  const char* node_;
};

}  // namespace gradus
