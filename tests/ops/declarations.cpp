#include "ops/declarations.h"

#include <algorithm>
#include <cctype>

#include "pattern.h"

namespace gradus::test {
namespace {

bool is_found(const std::string& text, const char* pattern) { return !testing::search(text, pattern).empty(); }

/// Where what starts at `at` ends: a quoted text or character, or a number with its separators.
size_t end_of_quoted(const std::string& text, size_t at) {
  const char quote = text[at];
  for (++at; at < text.size() && text[at] != quote; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

size_t end_of_raw(const std::string& text, size_t at) {  // at the quote of R"(…)"
  const size_t open = text.find('(', at);
  const std::string close = ")" + text.substr(at + 1, open - at - 1) + "\"";
  return text.find(close, open) + close.size();
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// The text without comments, preprocessor lines and what stands between quotes, so that each brace and parenthesis left is code.
std::string bare(const std::string& text) {
  std::string kept;
  for (size_t at = 0; at < text.size();) {
    const size_t last = kept.find_last_not_of(" \t");
    const bool line_start = last == std::string::npos || kept[last] == '\n';
    if (text.compare(at, 2, "//") == 0) at = std::min(text.find('\n', at), text.size());
    else if (text.compare(at, 2, "/*") == 0) at = std::min(text.find("*/", at + 2), text.size() - 2) + 2;
    else if (line_start && text[at] == '#') {
      size_t end = text.find('\n', at);
      while (end != std::string::npos && text[end - 1] == '\\') end = text.find('\n', end + 1);
      at = std::min(end, text.size());
    } else if (text[at] == '"') {
      at = !kept.empty() && kept.back() == 'R' ? end_of_raw(text, at) : end_of_quoted(text, at);
      kept += '0';
    } else if (text[at] == '\'' && !(at > 0 && is_word(text[at - 1]))) {
      at = end_of_quoted(text, at);
      kept += '0';
    } else kept += text[at++];
  }
  return kept;
}

/// The name of the function that a declaration is of, empty where it is of something else: what stands before the first parenthesis that
/// is not inside angle brackets.
std::string function_name(const std::string& declaration) {
  const char* other = R"(^\s*(using|typedef|namespace|friend|static_assert|extern\s+template)\b)";
  if (is_found(declaration, other) || declaration.find("operator") != std::string::npos) return "";
  int angles = 0;
  for (size_t at = 0; at < declaration.size(); ++at) {
    const char c = declaration[at];
    if (c == '<') ++angles;
    if (c == '>') --angles;
    if (c == '=' && angles == 0) return "";  // a variable and its value
    if (c != '(' || angles > 0) continue;
    size_t end = at;
    while (end > 0 && std::isspace(static_cast<unsigned char>(declaration[end - 1]))) --end;
    size_t begin = end;
    while (begin > 0 && (is_word(declaration[begin - 1]) || declaration[begin - 1] == ':')) --begin;
    const std::string name = declaration.substr(begin, end - begin);
    if (name != "requires" && name != "noexcept" && name != "decltype" && name != "alignas") return name;
  }
  return "";
}

bool opens_class(const std::string& declaration) {
  return is_found(declaration, R"(^\s*(template\s*<[^{]*>\s*)?(struct|class|enum|union)\b)");
}

/// The place behind the brace that closes the one at `at`.
size_t end_of_block(const std::string& text, size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    depth += (text[at] == '{') - (text[at] == '}');
    if (depth == 0) return at + 1;
  }
  return at;
}

}  // namespace

std::vector<Function> functions_in(const std::string& text) {
  const std::string code = bare(text);
  std::vector<Function> found;
  std::vector<bool> hidden;  // of the namespaces that are open
  std::string declaration;
  int parentheses = 0;
  const auto is_hidden = [&] { return std::find(hidden.begin(), hidden.end(), true) != hidden.end(); };
  const auto close = [&](bool defined) {
    if (const std::string name = function_name(declaration); !name.empty()) found.push_back({name, defined, is_hidden()});
    declaration.clear();
  };
  for (size_t at = 0; at < code.size(); ++at) {
    const char c = code[at];
    parentheses += (c == '(') - (c == ')');
    if (parentheses > 0 || (c != ';' && c != '{' && c != '}')) declaration += c;
    else if (c == ';') close(false);
    else if (c == '}') {
      if (!hidden.empty()) hidden.pop_back();
      declaration.clear();
    } else if (is_found(declaration, R"(^\s*(inline\s+)?namespace\b)")) {
      hidden.push_back(is_found(declaration, R"(^\s*namespace\s*$)"));
      declaration.clear();
    } else {
      if (opens_class(declaration)) declaration.clear();
      else close(true);
      at = end_of_block(code, at) - 1;
    }
  }
  return found;
}

}  // namespace gradus::test
