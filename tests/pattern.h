#pragma once

#include <string>
#include <vector>

/// Regular expressions, by way of one source: <regex> takes longer to compile than most tests.
namespace testing {

/// The first match in `text` and its groups, which are empty where they took no part; nothing where nothing matches.
std::vector<std::string> search(const std::string& text, const std::string& pattern);

/// The same of a match that is all of `text`.
std::vector<std::string> match(const std::string& text, const std::string& pattern);

/// All matches, one after the other.
std::vector<std::string> search_all(const std::string& text, const std::string& pattern);

}  // namespace testing
