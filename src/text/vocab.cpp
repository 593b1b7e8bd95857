#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "core/quoted.h"
#include "gradus/text/vocab.h"
#include "text/counts.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

constexpr std::string_view kUnknown = "<unk>";

/// The frequent tokens first; equals keep their order.
std::vector<std::pair<std::string, int64_t>> by_frequency(const Counts& counts) {
  std::vector<std::pair<std::string, int64_t>> tokens = counts.all();
  std::stable_sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return tokens;
}

/// A token as a line of a file has it.
std::string escaped(std::string_view token) {
  std::string line;
  for (char c : token) {
    if (c == '\\') line += "\\\\";
    else if (c == '\n') line += "\\n";
    else if (c == '\r') line += "\\r";
    else line += c;
  }
  return line;
}

/// The token of a line; `place` is the file and the line, for messages.
std::string unescaped(const std::string& place, std::string_view line) {
  const size_t valid = valid_utf8_bytes(line);
  check<IoError>(valid == line.size(), "{}: is not valid UTF-8 from byte {} of the line on", place, valid + 1);
  std::string token;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      token += line[i];
      continue;
    }
    const char kind = ++i < line.size() ? line[i] : '\0';
    check<IoError>(kind == '\\' || kind == 'n' || kind == 'r',
                   "{}: has a backslash at byte {} of the line that is not followed by \\, n or r", place, i);
    token += kind == 'n' ? '\n' : kind == 'r' ? '\r' : '\\';
  }
  return token;
}

std::vector<std::vector<std::string>> one_sentence(auto tokens) { return {std::vector<std::string>(tokens.begin(), tokens.end())}; }

}  // namespace

Vocab::Vocab() { add(std::string(kUnknown)); }

Vocab::Vocab(const std::vector<std::vector<std::string>>& sentences, const VocabOptions& options) : Vocab() {
  check<ValueError>(options.min_freq >= 0, "Vocab: min_freq {} is negative; 0 and 1 keep all tokens", options.min_freq);
  for (const std::string& token : options.reserved_tokens)
    check<ValueError>(add(token), "Vocab: the reserved token '{}' is {}", token,
                      token == kUnknown ? "always there, at index 0; leave it out of reserved_tokens" : "given twice");
  Counts counts;
  for (const auto& sentence : sentences)
    for (const std::string& token : sentence) counts.add(token);
  for (const auto& [token, count] : by_frequency(counts))
    if (count >= options.min_freq) add(token);
}

Vocab::Vocab(std::span<const std::string> tokens, const VocabOptions& options) : Vocab(one_sentence(tokens), options) {}

Vocab::Vocab(std::initializer_list<const char*> tokens, const VocabOptions& options) : Vocab(one_sentence(tokens), options) {}

Vocab Vocab::from_tokens(std::vector<std::string> tokens) {
  check<ValueError>(!tokens.empty(), "Vocab::from_tokens: the list is empty; the first token must be '{}'", kUnknown);
  check<ValueError>(tokens[0] == kUnknown, "Vocab::from_tokens: the first token must be '{}', not '{}'", kUnknown, tokens[0]);
  Vocab vocab;
  for (size_t i = 1; i < tokens.size(); ++i)
    check<ValueError>(vocab.add(tokens[i]), "Vocab::from_tokens: token '{}' is given twice, at {} and {}", tokens[i],
                      vocab.index(tokens[i]), i);
  return vocab;
}

void Vocab::save(const std::string& path) const {
  check<ValueError>(!tokens_.empty(), "Vocab::save: {}: there are no tokens; was the vocabulary moved from?", path);
  std::string text;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    check<ValueError>(valid_utf8_bytes(tokens_[i]) == tokens_[i].size(), "Vocab::save: {}: token {}, {}, is not valid UTF-8", path, i,
                      gradus::quoted(tokens_[i]));
    text += escaped(tokens_[i]) + '\n';
  }
  AtomicFile file("Vocab::save", path);
  file.write(text.data(), text.size());
  file.commit();
}

Vocab Vocab::load(const std::string& path) {
  const InputFile file("Vocab::load", path);
  std::string bytes(static_cast<size_t>(file.size()), '\0');
  file.read_at(0, bytes.data(), bytes.size());
  std::string_view text = bytes;
  if (text.starts_with("\uFEFF")) text.remove_prefix(3);
  file.check(!text.empty(), "is empty; the first line must be '{}'", kUnknown);
  Vocab vocab;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string place = fmt::format("Vocab::load: {}:{}", path, number), token = unescaped(place, line);
    if (number == 1) {
      check<IoError>(token == kUnknown, "{}: is {}; the first line must be '{}'", place, gradus::quoted(token), kUnknown);
    } else if (!vocab.add(token)) {
      fail<IoError>("{}: has the token {} of line {} again", place, gradus::quoted(token), vocab.index(token) + 1);
    }
  }
  return vocab;
}

/// Gives the token the next index; false when it has one.
bool Vocab::add(const std::string& token) {
  if (!indices_.try_emplace(token, size()).second) return false;
  tokens_.push_back(token);
  return true;
}

int64_t Vocab::index(std::string_view token) const {
  const auto found = indices_.find(token);
  return found == indices_.end() ? 0 : found->second;
}

const std::string& Vocab::token(int64_t index) const {
  check<IndexError>(index >= 0 && index < size(), "Vocab::token: index {} is out of range for {} tokens", index, size());
  return tokens_[static_cast<size_t>(index)];
}

std::vector<int64_t> Vocab::to_indices(const std::vector<std::string>& tokens) const {
  std::vector<int64_t> indices;
  indices.reserve(tokens.size());
  for (const std::string& token : tokens) indices.push_back(index(token));
  return indices;
}

std::vector<std::string> Vocab::to_tokens(const std::vector<int64_t>& indices) const {
  std::vector<std::string> tokens;
  tokens.reserve(indices.size());
  for (size_t i = 0; i < indices.size(); ++i) {
    check<IndexError>(indices[i] >= 0 && indices[i] < size(), "Vocab::to_tokens: index {} at [{}] is out of range for {} tokens",
                      indices[i], i, size());
    tokens.push_back(tokens_[static_cast<size_t>(indices[i])]);
  }
  return tokens;
}

}  // namespace gradus::text
