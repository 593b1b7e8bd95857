#pragma once

#include <concepts>
#include <type_traits>

#include "gradus/dtype.h"

namespace gradus {

/// One number whose kind is known: a bool, an integer or a floating-point value. It promotes as a Python number
/// does in PyTorch: `int64 tensor + 0.5` is float32, `float32 tensor + 1` stays float32.
class Scalar {
 public:
  /// From bool.
  template <class T>
  requires std::same_as<T, bool>
  constexpr Scalar(T value) noexcept : dtype_(DType::Bool), int_(value) {}

  /// From any integer type.
  template <class T>
  requires(std::integral<T> && !std::same_as<T, bool>) constexpr Scalar(T value) noexcept
      : dtype_(DType::Int64), int_(static_cast<int64_t>(value)) {}

  /// From float or double.
  template <std::floating_point T>
  constexpr Scalar(T value) noexcept : dtype_(DType::Float64), double_(static_cast<double>(value)) {}

  /// Bool, Int64 or Float64: the kind of number this is.
  constexpr DType dtype() const noexcept { return dtype_; }

  /// The value as T, converted as static_cast does.
  template <class T>
  constexpr T to() const noexcept {
    return dtype_ == DType::Float64 ? static_cast<T>(double_) : static_cast<T>(int_);
  }

 private:
  DType dtype_;
  union {
    int64_t int_;
    double double_;
  };
};

}  // namespace gradus
