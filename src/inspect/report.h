#pragma once

#include <string>
#include <vector>

#include "inspect/statistics.h"
#include "io/contents.h"

namespace gradus::inspect {

/// What gradus-inspect says about one file.
struct Report {
  std::string path;
  uint64_t bytes = 0;
  io::Contents contents = {};
  std::vector<Statistics> statistics = {};  // of each tensor
};

/// Reads a file. Throws what gradus throws, with gradus-inspect as the operation's name where none of gradus' reads it.
Report read_report(const std::string& path);

/// A line about the file, a table of its tensors, and its metadata.
std::string as_text(const Report& report);
/// The same as the text of a JSON object. JSON has neither infinities nor NaN: they are the texts "Infinity", "-Infinity" and "NaN".
std::string as_json(const Report& report);
/// The object of a file that cannot be read.
std::string as_json(const std::string& path, const std::string& error);

}  // namespace gradus::inspect
