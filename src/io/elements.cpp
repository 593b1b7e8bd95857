#include "io/elements.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>

#include "autograd/tensor_impl.h"
#include "core/check.h"

namespace gradus::io {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are little-endian in all files that are read and written");

/// float16: sign, 5 exponent bits with bias 15, 10 fraction bits (IEEE 754 binary16).
float from_half(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1FU, fraction = bits & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide_exponent = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

/// bfloat16: the upper half of a float32.
float from_bfloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

template <class From>
From element_at(const std::byte* from, int64_t i) {
  From value;
  std::memcpy(&value, from + static_cast<size_t>(i) * sizeof(From), sizeof(From));
  return value;
}

template <class From>
int64_t widen(const std::byte* from, int64_t n, void* to) {
  auto* y = static_cast<int64_t*>(to);
  for (int64_t i = 0; i < n; ++i) {
    const From value = element_at<From>(from, i);
    if constexpr (sizeof(From) == sizeof(int64_t)) {
      if (value > static_cast<From>(std::numeric_limits<int64_t>::max())) return i;
    }
    y[i] = static_cast<int64_t>(value);
  }
  return n;
}

template <float (*decode)(uint16_t)>
int64_t widen_floats(const std::byte* from, int64_t n, void* to) {
  auto* y = static_cast<float*>(to);
  for (int64_t i = 0; i < n; ++i) y[i] = decode(element_at<uint16_t>(from, i));
  return n;
}

int64_t take_booleans(const std::byte* from, int64_t n, void* to) {
  const std::byte* wrong = std::find_if(from, from + n, [](std::byte b) { return b > std::byte{1}; });
  std::copy(from, wrong, static_cast<std::byte*>(to));
  return wrong - from;
}

/// The format of each dtype comes before those that are widened to it.
constexpr ElementFormat kFormats[] = {
    {"F32", "f4", "float32", "FloatStorage", 4, DType::Float32, nullptr},
    {"F64", "f8", "float64", "DoubleStorage", 8, DType::Float64, nullptr},
    {"I64", "i8", "int64", "LongStorage", 8, DType::Int64, nullptr},
    {"BOOL", "b1", "bool", "BoolStorage", 1, DType::Bool, take_booleans},
    {"F16", "f2", "float16", "HalfStorage", 2, DType::Float32, widen_floats<from_half>},
    {"BF16", nullptr, "bfloat16", "BFloat16Storage", 2, DType::Float32, widen_floats<from_bfloat>},
    {"I32", "i4", "int32", "IntStorage", 4, DType::Int64, widen<int32_t>},
    {"I16", "i2", "int16", "ShortStorage", 2, DType::Int64, widen<int16_t>},
    {"I8", "i1", "int8", "CharStorage", 1, DType::Int64, widen<int8_t>},
    {"U64", "u8", "uint64", nullptr, 8, DType::Int64, widen<uint64_t>},
    {"U32", "u4", "uint32", nullptr, 4, DType::Int64, widen<uint32_t>},
    {"U16", "u2", "uint16", nullptr, 2, DType::Int64, widen<uint16_t>},
    {"U8", "u1", "uint8", "ByteStorage", 1, DType::Int64, widen<uint8_t>},
};

[[noreturn]] void fail_at(const ElementFormat& format, const std::string& where, const std::byte* element, int64_t index) {
  if (format.dtype == DType::Bool)
    fail<IoError>("{} holds the byte {} at element {}; only 0 and 1 are booleans", where, static_cast<unsigned>(*element), index);
  fail<IoError>(
      "{} holds {} at element {}, which is more than an int64 holds; subtract an offset, or convert to float64, before it is saved", where,
      element_at<uint64_t>(element, 0), index);
}

/// Booleans as bytes of 0 and 1. Whoever writes into the memory behind a tensor may leave another byte, which counts as true.
void write_booleans(WriteBytes write, const void* elements, size_t count) {
  constexpr size_t piece = 1 << 14;
  const auto* from = static_cast<const unsigned char*>(elements);
  unsigned char dense[piece];
  for (size_t begin = 0; begin < count; begin += piece) {
    const size_t n = std::min(piece, count - begin);
    for (size_t i = 0; i < n; ++i) dense[i] = from[begin + i] != 0;
    write(dense, n);
  }
}

}  // namespace

std::span<const ElementFormat> element_formats() noexcept { return kFormats; }

const ElementFormat& element_format_of(DType dtype) noexcept {
  return *std::find_if(std::begin(kFormats), std::end(kFormats), [&](const ElementFormat& f) { return f.dtype == dtype; });
}

const ElementFormat* find_element_format(const char* ElementFormat::*column, std::string_view name) noexcept {
  for (const ElementFormat& f : kFormats)
    if (f.*column && name == f.*column) return &f;
  return nullptr;
}

std::optional<uint64_t> dense_bytes(const Shape& shape, size_t element) noexcept {
  auto bytes = static_cast<int64_t>(element);
  bool empty = false;
  for (int64_t size : shape) {
    if (size == 0) empty = true;
    else if (__builtin_mul_overflow(bytes, size, &bytes)) return {};
  }
  return empty ? 0 : static_cast<uint64_t>(bytes);
}

void read_elements(const ElementFormat& format, int64_t n, void* to, ReadBytes read, const std::string& where) {
  if (!format.convert) return read(to, static_cast<size_t>(n) * format.bytes);
  constexpr int64_t piece = 1 << 14;
  const auto raw = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(std::min(n, piece)) * format.bytes);
  auto* at = static_cast<std::byte*>(to);
  for (int64_t begin = 0; begin < n; begin += piece) {
    const int64_t count = std::min(piece, n - begin);
    read(raw.get(), static_cast<size_t>(count) * format.bytes);
    const int64_t done = format.convert(raw.get(), count, at);
    if (done < count) fail_at(format, where, raw.get() + static_cast<size_t>(done) * format.bytes, begin + done);
    at += static_cast<size_t>(count) * element_size(format.dtype);
  }
}

Tensor read_tensor(const char* op, const ElementFormat& format, const Shape& shape, ReadBytes read, const std::string& where) {
  const Tensor y = new_tensor(op, shape, format.dtype);
  read_elements(format, y.numel(), y.impl()->storage->data(), read, where);
  return y;
}

void write_elements(const Tensor& x, WriteBytes write) {
  const Tensor dense = x.detach().contiguous();
  const size_t element = element_size(dense.dtype()), count = static_cast<size_t>(dense.numel());
  const std::byte* elements =
      static_cast<const std::byte*>(dense.impl()->storage->data()) + static_cast<size_t>(dense.storage_offset()) * element;
  if (dense.dtype() == DType::Bool) write_booleans(write, elements, count);
  else write(elements, count * element);
}

}  // namespace gradus::io
