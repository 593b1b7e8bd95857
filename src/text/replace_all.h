#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace gradus::text {

/// Puts `to` in the place of each `from`, which is not empty. What was put there is not searched again.
template <class Char>
void replace_all(std::basic_string<Char>& text, std::type_identity_t<std::basic_string_view<Char>> from,
                 std::type_identity_t<std::basic_string_view<Char>> to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

}  // namespace gradus::text
