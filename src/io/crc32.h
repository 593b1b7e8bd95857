#pragma once

#include <cstddef>
#include <cstdint>

namespace gradus::io {

/// The cyclic redundancy check of zip files (polynomial 0xEDB88320, as in ISO 3309) of what `crc` stands for, 0 for nothing, and `bytes`
/// more bytes.
uint32_t crc32(uint32_t crc, const void* from, size_t bytes) noexcept;

}  // namespace gradus::io
