#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/function_ref.h"
#include "gradus/tensor.h"

namespace gradus::io {

/// How files store elements, and what those become. Names are null where a format has none.
struct ElementFormat {
  const char* safetensors;  // "F32"
  const char* npy;          // "f4"
  const char* pytorch;      // "float32", behind torch.
  const char* storage;      // "FloatStorage", behind torch.
  size_t bytes;
  DType dtype;
  /// Converts n elements and returns n, or the index of the first one that `dtype` cannot hold; null where the bytes are taken as they are.
  int64_t (*convert)(const std::byte* from, int64_t n, void* to);
};

/// All that can be read.
std::span<const ElementFormat> element_formats() noexcept;
/// The one in which tensors of that dtype are written.
const ElementFormat& element_format_of(DType dtype) noexcept;
/// The one that a format calls `name`, or nullptr: find_element_format(&ElementFormat::npy, "f4").
const ElementFormat* find_element_format(const char* ElementFormat::*column, std::string_view name) noexcept;

/// The bytes that elements of `element` bytes take; no value when the sizes, empty ones apart, have no product in 64 bits.
std::optional<uint64_t> dense_bytes(const Shape& shape, size_t element) noexcept;

/// Gives the next `bytes` bytes of the elements.
using ReadBytes = FunctionRef<void(void* to, size_t bytes)>;

/// Reads n elements to `to`, by pieces, so that nothing but the result takes memory. Throws IoError that begins with `where`, naming the
/// element, where one does not fit.
void read_elements(const ElementFormat& format, int64_t n, void* to, ReadBytes read, const std::string& where);
/// The same into a new contiguous tensor.
Tensor read_tensor(const char* op, const ElementFormat& format, const Shape& shape, ReadBytes read, const std::string& where);

/// Takes the next `bytes` bytes of the elements.
using WriteBytes = FunctionRef<void(const void* from, size_t bytes)>;

/// Writes the elements of x in row-major order, booleans as bytes of 0 and 1.
void write_elements(const Tensor& x, WriteBytes write);

}  // namespace gradus::io
