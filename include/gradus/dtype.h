#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include "gradus/export.h"

namespace gradus {

/// The element types of a tensor, ordered as they promote: bool < int64 < float32 < float64.
enum class DType : uint8_t { Bool, Int64, Float32, Float64 };

inline constexpr DType boolean = DType::Bool;     ///< one byte, 0 or 1 (PyTorch's `torch.bool`)
inline constexpr DType int64 = DType::Int64;      ///< 64-bit signed integers: indices, tokens, lengths
inline constexpr DType float32 = DType::Float32;  ///< the default
inline constexpr DType float64 = DType::Float64;  ///< for gradient checks and reference values

/// The size of one element in bytes.
constexpr std::size_t element_size(DType dtype) noexcept {
  switch (dtype) {
    case DType::Bool: return 1;
    case DType::Float32: return 4;
    case DType::Int64:
    case DType::Float64: return 8;
  }
  return 0;
}

/// True for float32 and float64, the dtypes that can require a gradient.
constexpr bool is_floating_point(DType dtype) noexcept { return dtype >= DType::Float32; }

/// "bool", "int64", "float32" or "float64".
GRADUS_API const char* name(DType dtype) noexcept;
/// Writes name(dtype).
GRADUS_API std::ostream& operator<<(std::ostream& out, DType dtype);

/// The dtype of a C++ element type: bool, int64_t, float or double.
template <class T>
inline constexpr DType dtype_of = DType::Bool;
template <>
inline constexpr DType dtype_of<int64_t> = DType::Int64;
template <>
inline constexpr DType dtype_of<float> = DType::Float32;
template <>
inline constexpr DType dtype_of<double> = DType::Float64;

}  // namespace gradus
