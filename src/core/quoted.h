#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace gradus {

/// Text from a file, as a terminal may show it: on one line, without bytes that a terminal would obey, and of at most `most` bytes.
inline std::string printable(std::string_view text, size_t most) {
  const auto byte_at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  size_t end = text.size();
  if (end > most)
    for (end = most; end > 0 && (byte_at(end) & 0xC0U) == 0x80U;) --end;  // between two characters
  std::string shown;
  for (size_t i = 0; i < end; ++i) {
    const unsigned char byte = byte_at(i);
    const bool is_wide_control = byte == 0xC2 && i + 1 < end && byte_at(i + 1) < 0xA0;  // U+0080 to U+009F
    if (is_wide_control) shown += fmt::format("\\x{:02x}\\x{:02x}", byte, byte_at(++i));
    else if (byte < 0x20 || byte == 0x7F) shown += fmt::format("\\x{:02x}", byte);
    else shown += text[i];
  }
  if (end < text.size()) shown += "…";
  return shown;
}

/// The same between quotes, for messages.
inline std::string quoted(std::string_view text) { return '"' + printable(text, 100) + '"'; }

}  // namespace gradus
