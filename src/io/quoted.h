#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace gradus::io {

/// Text from a file, as a terminal may show it: on one line, without bytes that a terminal would obey, and of at most `most` bytes.
inline std::string printable(std::string_view text, size_t most) {
  std::string shown;
  for (char c : text.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) shown += fmt::format("\\x{:02x}", byte);
    else shown += c;
  }
  if (text.size() > most) shown += "…";
  return shown;
}

/// The same between quotes, for messages.
inline std::string quoted(std::string_view text) { return '"' + printable(text, 100) + '"'; }

}  // namespace gradus::io
