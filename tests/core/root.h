#pragma once

#include <filesystem>
#include <string>

#include "source_root.h"

/// What the tests that read the project's files share.
namespace core_test {

namespace fs = std::filesystem;

inline const fs::path kRoot = GRADUS_SOURCE_ROOT;

/// What a line includes, without brackets or quotes; empty where it includes nothing.
inline std::string included_by(const std::string& line) {
  const size_t hash = line.find('#'), open = line.find_first_of("<\""), close = line.find_last_of(">\"");
  if (hash == std::string::npos || hash != line.find_first_not_of(" \t") || open == std::string::npos || close <= open) return "";
  const size_t word = line.find_first_not_of(" \t", hash + 1);
  return line.compare(word, 7, "include") == 0 ? line.substr(open + 1, close - open - 1) : "";
}

}  // namespace core_test
