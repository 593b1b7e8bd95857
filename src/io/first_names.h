#pragma once

#include <cstddef>
#include <string>

namespace gradus::io {

/// The first names of a list of pairs, for an error that says what there is.
template <class Entries>
std::string first_names(const Entries& entries) {
  constexpr size_t most = 20;
  std::string names;
  size_t count = 0;
  for (const auto& entry : entries) {
    if (count == most) return names + ", …";
    names += (count++ ? ", " : "") + entry.first;
  }
  return names;
}

}  // namespace gradus::io
