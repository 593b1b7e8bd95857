#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gradus::text {

/// The number of bytes before the first that breaks the rules of UTF-8; the size of `text` when none does.
size_t valid_utf8_bytes(std::string_view text) noexcept;

/// The code points of `text`. Throws ValueError that starts with `op` when it is not valid UTF-8.
std::u32string decode_utf8(const char* op, std::string_view text);

/// UTF-8 of the code points in lower case.
std::string encode_lower(std::u32string_view code_points);

}  // namespace gradus::text
