#pragma once

#include <initializer_list>
#include <string>

namespace files {

/// The bytes of numbers, as they lie in memory and in files.
template <class T>
std::string raw(std::initializer_list<T> values) {
  std::string bytes;
  for (T v : values) bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
  return bytes;
}

}  // namespace files
