#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gradus/export.h"

namespace gradus::text {

/// A sentence and its translation.
struct Pair {
  std::string source;
  std::string target;
  /// What stands in further columns, blank ones left out: other translations, or an attribution as in files from manythings.org.
  std::vector<std::string> more = {};
};

/// Reads sentence pairs from text with one pair a line: source, a tab, target; what is behind further tabs is `more`. A byte-order mark,
/// CR LF line ends and blank lines are accepted and dropped; the sentences are kept as they are. Stops after `limit` pairs, -1 for all,
/// and does not look at what follows. `name` stands for the text in messages.
/// Throws IoError that starts with `name:line:` on a line without a tab, with an empty side, with a NUL byte or a carriage return inside,
/// of more than 1 MiB, or that is not valid UTF-8; ValueError when `limit` is below -1.
GRADUS_API std::vector<Pair> parse_pairs(std::string_view text, const std::string& name, int64_t limit = -1);

/// parse_pairs() on a file or a pipe, which is read no further than needed. Throws IoError with the path and the system's reason as well,
/// when it cannot be opened or read.
GRADUS_API std::vector<Pair> read_pairs(const std::string& path, int64_t limit = -1);

}  // namespace gradus::text
