#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gradus::text {

/// What a code point is by its general category; white space by its property, so that line feeds are some.
enum class Category : uint8_t { Other, Letter, Mark, Number, Punctuation, Symbol, Space };

/// Grapheme_Cluster_Break of Unicode Standard Annex #29. A Hangul syllable is LV or LVT by its number; pictographs, which emoji are of,
/// have no value there, and one here.
enum class Break : uint8_t { Any, CR, LF, Control, Extend, ZWJ, RegionalIndicator, Prepend, SpacingMark, L, V, T, Hangul, Pictograph };

/// Indic_Conjunct_Break: which letters a virama joins.
enum class Conjunct : uint8_t { None, Consonant, Extend, Linker };

/// What the Unicode Character Database says of a code point.
class CodePoint {
 public:
  explicit CodePoint(char32_t c) noexcept;

  Category category() const noexcept { return static_cast<Category>(bits_ & 7U); }
  bool is_space() const noexcept { return category() == Category::Space; }
  /// \w of regular expressions: alphabetic, a mark, a decimal digit, a connecting punctuation, or a joiner.
  bool is_word() const noexcept { return (bits_ >> 3 & 1U) != 0; }
  bool is_han() const noexcept { return (bits_ >> 4 & 1U) != 0; }
  Break cluster_break() const noexcept { return static_cast<Break>(bits_ >> 5 & 15U); }
  Conjunct conjunct() const noexcept { return static_cast<Conjunct>(bits_ >> 9 & 3U); }

 private:
  uint32_t bits_;
};

/// Where the extended grapheme cluster that begins at `at` ends, by the rules of Unicode Standard Annex #29.
size_t grapheme_end(std::u32string_view text, size_t at) noexcept;

}  // namespace gradus::text
