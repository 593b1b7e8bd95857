#include "text/pre_tokenizer.h"

#include <array>
#include <cstddef>
#include <string>

#include "text/unicode.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

using Visit = FunctionRef<void(std::string_view)>;

/// Walks through valid UTF-8.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  size_t at() const noexcept { return at_; }
  bool ended() const noexcept { return at_ == text_.size(); }
  void go_to(size_t at) noexcept { at_ = at; }
  std::string_view rest() const noexcept { return text_.substr(at_); }

  /// Behind as many characters as `is` one, from here on.
  template <class Is>
  void skip(const Is& is) noexcept {
    while (!ended()) {
      const Decoded next = decode_first(rest());
      if (!is(CodePoint(next.code_point))) break;
      at_ += next.bytes;
    }
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

/// Calls visit for each longest run of characters of one kind; kind 0 is dropped.
template <class Kind>
void for_each_run(std::string_view text, const Kind& kind, Visit visit) {
  for (Walk walk(text); !walk.ended();) {
    const size_t begin = walk.at();
    const int first = kind(CodePoint(decode_first(walk.rest()).code_point));
    walk.skip([&](CodePoint c) { return kind(c) == first; });
    if (first != 0) visit(text.substr(begin, walk.at() - begin));
  }
}

/// The English endings that GPT-2's pattern keeps apart, of which `text` begins with one; or nothing.
std::string_view contraction(std::string_view text) {
  constexpr std::array<std::string_view, 7> endings = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  if (text.starts_with('\''))
    for (std::string_view ending : endings)
      if (text.starts_with(ending)) return ending;
  return {};
}

/// The runs of GPT-2's pattern: letters, numbers, and all that is neither these nor white space.
int kind_for_gpt2(CodePoint c) {
  switch (c.category()) {
    case Category::Letter: return 1;
    case Category::Number: return 2;
    case Category::Space: return 0;
    default: return 3;
  }
}

/// One match of 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ from here on.
void skip_match_of_gpt2(Walk& walk) {
  if (const std::string_view ending = contraction(walk.rest()); !ending.empty()) return walk.go_to(walk.at() + ending.size());
  const size_t begin = walk.at();
  const size_t word = begin + (walk.rest().starts_with(' ') ? 1 : 0);
  walk.go_to(word);
  if (!walk.ended())
    if (const int kind = kind_for_gpt2(CodePoint(decode_first(walk.rest()).code_point)); kind != 0)
      return walk.skip([&](CodePoint c) { return kind_for_gpt2(c) == kind; });
  // White space: all of it at the end of the text; otherwise the last stays for the next word, unless it is the only one.
  walk.go_to(begin);
  size_t last = begin;
  while (!walk.ended()) {
    const Decoded next = decode_first(walk.rest());
    if (!CodePoint(next.code_point).is_space()) break;
    last = walk.at();
    walk.go_to(last + next.bytes);
  }
  if (!walk.ended() && last > begin) walk.go_to(last);
}

void visit_bytes(const PreTokenizerOptions& options, std::string_view text, Visit visit) {
  std::string prepended;
  if (options.prepend_scheme == PrependScheme::Always && !text.starts_with(' ')) text = prepended.append(" ").append(text);
  if (!options.use_regex) return visit(text);
  for (Walk walk(text); !walk.ended();) {
    const size_t begin = walk.at();
    skip_match_of_gpt2(walk);
    visit(text.substr(begin, walk.at() - begin));
  }
}

void visit_metaspaces(const PreTokenizerOptions& options, std::string_view text, bool is_beginning, Visit visit) {
  std::string marked;
  for (char c : text) {
    if (c == ' ') marked += kMetaspace;
    else marked += c;
  }
  const bool prepends = options.prepend_scheme == PrependScheme::Always || (options.prepend_scheme == PrependScheme::First && is_beginning);
  if (prepends && !marked.starts_with(kMetaspace)) marked.insert(0, kMetaspace);
  std::string_view rest = marked;
  while (!rest.empty()) {
    const size_t end = options.split ? rest.find(kMetaspace, rest.starts_with(kMetaspace) ? kMetaspace.size() : 0) : rest.npos;
    visit(rest.substr(0, end));
    rest.remove_prefix(end == rest.npos ? rest.size() : end);
  }
}

}  // namespace

void for_each_word(const PreTokenizerOptions& options, std::string_view text, bool is_beginning, Visit visit) {
  if (text.empty()) return;
  switch (options.type) {
    case PreTokenizer::None: return visit(text);
    case PreTokenizer::Whitespace:
      return for_each_run(
          text, [](CodePoint c) { return c.is_space()  ? 0
                                         : c.is_word() ? 1
                                                       : 2; }, visit);
    case PreTokenizer::WhitespaceSplit:
      return for_each_run(
          text, [](CodePoint c) { return c.is_space() ? 0 : 1; }, visit);
    case PreTokenizer::ByteLevel: return visit_bytes(options, text, visit);
    case PreTokenizer::Metaspace: return visit_metaspaces(options, text, is_beginning, visit);
  }
}

}  // namespace gradus::text
