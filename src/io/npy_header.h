#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/file.h"
#include "gradus/shape.h"
#include "io/elements.h"

namespace gradus::io {

inline constexpr size_t kNpyMagicBytes = 6;
inline constexpr std::string_view kNpyMagic{"\x93NUMPY", kNpyMagicBytes};

/// What the header of an .npy file says about the array.
struct NpyHeader {
  const ElementFormat* format = nullptr;
  bool fortran_order = false;
  Shape shape;
  uint64_t bytes = 0;  // of the elements
};

/// Reads the header of an array in `total` bytes; the next that `read` gives are the elements. Throws IoError with `file`'s name, and
/// `what` (empty, or `member "x.npy": `), unless the elements fill the rest.
NpyHeader read_npy_header(const InputFile& file, const std::string& what, uint64_t total, ReadBytes read);

/// The header for a row-major array, all that stands before the elements.
std::string make_npy_header(DType dtype, const Shape& shape);

}  // namespace gradus::io
