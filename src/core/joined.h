#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace gradus {

/// The values' texts with `between` between them; fmt::join would compile the formatting of the values into every source that calls it.
template <class Values>
std::string joined(const Values& values, std::string_view between) {
  std::string text;
  bool is_first = true;
  for (const auto& value : values) {
    if (!is_first) text += between;
    text += fmt::format("{}", value);
    is_first = false;
  }
  return text;
}

}  // namespace gradus
