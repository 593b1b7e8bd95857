#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gradus::text {

/// The number of bytes before the first that breaks the rules of UTF-8; the size of `text` when none does.
size_t valid_utf8_bytes(std::string_view text) noexcept;

/// Of a text that begins with what is no UTF-8: the bytes that belong together as the beginning of one code point, 1 at least. They are
/// what a decoder replaces by one U+FFFD (Unicode 16.0, section 3.9, "maximal subpart").
size_t broken_utf8_bytes(std::string_view text) noexcept;

/// Throws ValueError that starts with `op` and names the byte when `text` is not valid UTF-8.
void check_utf8(std::string_view op, std::string_view text);

/// The code points of `text`. Throws ValueError that starts with `op` when it is not valid UTF-8.
std::u32string decode_utf8(const char* op, std::string_view text);

/// A code point and its length in bytes; 0 bytes where there is none.
struct Decoded {
  char32_t code_point;
  size_t bytes;
};

/// The first code point of a text that is not empty.
Decoded decode_first(std::string_view text) noexcept;

/// Adds UTF-8 of a code point to a text.
void append_utf8(std::string& to, char32_t c);

/// UTF-8 of code points.
std::string encode_utf8(std::u32string_view code_points);

/// UTF-8 of the code points in lower case.
std::string encode_lower(std::u32string_view code_points);

}  // namespace gradus::text
