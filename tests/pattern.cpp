#include "pattern.h"

#include <map>
#include <regex>

namespace testing {
namespace {

const std::regex& compiled(const std::string& pattern) {
  static std::map<std::string, std::regex> known;
  const auto found = known.find(pattern);
  return found != known.end() ? found->second : known.emplace(pattern, std::regex(pattern)).first->second;
}

std::vector<std::string> groups_of(const std::smatch& match) { return {match.begin(), match.end()}; }

}  // namespace

std::vector<std::string> search(const std::string& text, const std::string& pattern) {
  std::smatch found;
  std::regex_search(text, found, compiled(pattern));
  return groups_of(found);
}

std::vector<std::string> match(const std::string& text, const std::string& pattern) {
  std::smatch found;
  std::regex_match(text, found, compiled(pattern));
  return groups_of(found);
}

std::vector<std::string> search_all(const std::string& text, const std::string& pattern) {
  std::vector<std::string> all;
  for (std::sregex_iterator at(text.begin(), text.end(), compiled(pattern)), end; at != end; ++at) all.push_back(at->str());
  return all;
}

}  // namespace testing
