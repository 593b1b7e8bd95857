#include "text/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "text/unicode_data.h"

namespace gradus::text {
namespace {

constexpr uint32_t find_bits(char32_t c) noexcept {
  const auto* const behind = std::upper_bound(std::begin(kRuns), std::end(kRuns), static_cast<uint32_t>(c) << 11 | 0x7FFU);
  return behind[-1] & 0x7FFU;
}

// Latin and the Chinese characters that texts are mostly made of, which are all alike, need no search.
constexpr char32_t kLatinEnd = 0x300, kHanBegin = 0x4E00, kHanEnd = 0xA000;
constexpr uint32_t kHan = find_bits(kHanBegin);
constexpr auto kLatin = [] {
  std::array<uint16_t, kLatinEnd> bits{};
  for (char32_t c = 0; c < kLatinEnd; ++c) bits[c] = static_cast<uint16_t>(find_bits(c));
  return bits;
}();

bool is_hangul_lv(char32_t c) noexcept { return (c - 0xAC00) % 28 == 0; }

/// Whether no cluster ends between a and b by the pair alone (rules 3 to 9b). `a_code` tells LV from LVT.
bool are_joined(Break a, char32_t a_code, Break b) noexcept {
  const auto is_control = [](Break x) { return x == Break::CR || x == Break::LF || x == Break::Control; };
  if (a == Break::CR && b == Break::LF) return true;
  if (is_control(a) || is_control(b)) return false;
  if (b == Break::Extend || b == Break::ZWJ || b == Break::SpacingMark || a == Break::Prepend) return true;
  const bool is_lv = a == Break::Hangul && is_hangul_lv(a_code);
  if (a == Break::L) return b == Break::L || b == Break::V || b == Break::Hangul;
  if (a == Break::V || is_lv) return b == Break::V || b == Break::T;
  return (a == Break::T || a == Break::Hangul) && b == Break::T;
}

}  // namespace

CodePoint::CodePoint(char32_t c) noexcept : bits_(c < kLatinEnd ? kLatin[c] : c >= kHanBegin && c < kHanEnd ? kHan : find_bits(c)) {}

size_t grapheme_end(std::u32string_view text, size_t at) noexcept {
  CodePoint last(text[at]);
  bool is_emoji = last.cluster_break() == Break::Pictograph;  // a pictograph and what extends it
  bool is_emoji_joined = false;                               // the same and a joiner
  bool is_consonant = last.conjunct() == Conjunct::Consonant, is_linked = false;
  size_t flags = last.cluster_break() == Break::RegionalIndicator ? 1 : 0;
  for (++at; at < text.size(); ++at) {
    const CodePoint next(text[at]);
    const Break kind = next.cluster_break();
    const bool joined = are_joined(last.cluster_break(), text[at - 1], kind) ||
                        (is_consonant && is_linked && next.conjunct() == Conjunct::Consonant) ||
                        (is_emoji_joined && kind == Break::Pictograph) || (kind == Break::RegionalIndicator && flags == 1);
    if (!joined) break;
    flags = kind == Break::RegionalIndicator ? flags + 1 : 0;
    is_emoji_joined = is_emoji && kind == Break::ZWJ;
    is_emoji = kind == Break::Pictograph || (is_emoji && kind == Break::Extend);
    if (next.conjunct() == Conjunct::Consonant) {
      is_consonant = true;
      is_linked = false;
    } else if (next.conjunct() == Conjunct::Linker) {
      is_linked = is_consonant;
    } else if (next.conjunct() != Conjunct::Extend) {
      is_consonant = is_linked = false;
    }
    last = next;
  }
  return at;
}

}  // namespace gradus::text
