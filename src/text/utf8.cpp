#include "text/utf8.h"

#include <cstdint>

#include "core/check.h"
#include "gradus/text/utf8.h"

namespace gradus::text {
namespace {

/// Capitals from `first` to `last`, every one or every second, and the way to their small letters.
struct Capitals {
  char32_t first, last;
  int32_t to_small;
  char32_t step = 1;
};

// Sorted. Step 2 is for alphabets that set each small letter behind its capital.
constexpr Capitals kCapitals[] = {
    // Latin
    {U'A', U'Z', 32},
    {0xC0, 0xD6, 32},
    {0xD8, 0xDE, 32},
    {0x100, 0x12E, 1, 2},
    {0x132, 0x136, 1, 2},
    {0x139, 0x147, 1, 2},
    {0x14A, 0x176, 1, 2},
    {0x178, 0x178, -121},  // Ÿ
    {0x179, 0x17D, 1, 2},
    {0x200, 0x21E, 1, 2},
    // Greek
    {0x370, 0x372, 1, 2},
    {0x376, 0x376, 1},
    {0x37F, 0x37F, 116},
    {0x386, 0x386, 38},  // Ά
    {0x388, 0x38A, 37},  // Έ Ή Ί
    {0x38C, 0x38C, 64},  // Ό
    {0x38E, 0x38F, 63},  // Ύ Ώ
    {0x391, 0x3A1, 32},
    {0x3A3, 0x3AB, 32},
    {0x3CF, 0x3CF, 8},
    {0x3D8, 0x3EE, 1, 2},
    {0x3F4, 0x3F4, -60},
    {0x3F7, 0x3F7, 1},
    {0x3F9, 0x3F9, -7},
    {0x3FA, 0x3FA, 1},
    {0x3FD, 0x3FF, -130},
    // Cyrillic
    {0x400, 0x40F, 80},
    {0x410, 0x42F, 32},
    {0x460, 0x480, 1, 2},
    {0x48A, 0x4BE, 1, 2},
    {0x4C0, 0x4C0, 15},
    {0x4C1, 0x4CD, 1, 2},
    {0x4D0, 0x52E, 1, 2},
    // Latin again: Vietnamese and others
    {0x1E00, 0x1E94, 1, 2},
    {0x1E9E, 0x1E9E, -7615},  // ẞ
    {0x1EA0, 0x1EFE, 1, 2},
};

char32_t small_letter(char32_t c) {
  for (const Capitals& run : kCapitals) {
    if (c < run.first) break;
    if (c <= run.last && (c - run.first) % run.step == 0) return static_cast<char32_t>(static_cast<int32_t>(c) + run.to_small);
  }
  return c;
}

bool is_letter(char32_t c) {
  const char32_t ascii = c | 0x20;
  if (c < 0x80) return ascii >= U'a' && ascii <= U'z';
  const bool latin =
      (c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7) || (c >= 0x1E00 && c <= 0x1EFF) || c == 0xAA || c == 0xB5 || c == 0xBA;
  const bool greek =
      (c >= 0x370 && c <= 0x3FF && c != 0x374 && c != 0x375 && c != 0x37E && c != 0x384 && c != 0x385 && c != 0x387 && c != 0x3F6) ||
      (c >= 0x1F00 && c <= 0x1FFC);
  const bool cyrillic = c >= 0x400 && c <= 0x52F && (c < 0x482 || c > 0x489);
  return latin || greek || cyrillic;
}

/// Marks that stand inside or on words without being letters: Unicode's Case_Ignorable as far as it is met beside Greek.
bool is_mark_in_word(char32_t c) {
  const bool punctuation = c == U'\'' || c == U'.' || c == U':' || c == U'^' || c == U'`' || c == 0xA8 || c == 0xAD || c == 0xAF ||
                           c == 0xB4 || c == 0xB7 || c == 0xB8 || c == 0x374 || c == 0x375 || c == 0x37A || c == 0x384 || c == 0x385 ||
                           c == 0x387 || c == 0x2018 || c == 0x2019;
  return punctuation || (c >= 0x2B0 && c <= 0x36F) || (c >= 0x483 && c <= 0x489);
}

/// Whether the Σ at `at` ends a word: a letter stands before it and none behind, marks not counted.
bool is_final_sigma(std::u32string_view text, size_t at) {
  size_t before = at;
  while (before > 0 && is_mark_in_word(text[before - 1])) --before;
  if (before == 0 || !is_letter(text[before - 1])) return false;
  size_t behind = at + 1;
  while (behind < text.size() && is_mark_in_word(text[behind])) ++behind;
  return behind == text.size() || !is_letter(text[behind]);
}

[[noreturn]] void refuse(std::string_view op, std::string_view text, size_t at) {
  fail<ValueError>("{}: byte {} of the text, 0x{:02X}, is not valid UTF-8; convert the text to UTF-8 first", op, at,
                   static_cast<unsigned char>(text[at]));
}

}  // namespace

Decoded decode_first(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {0, 0};
  char32_t c = lead & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    c = c << 6 | (byte(i) & 0x3Fu);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
  if (c < least[bytes] || surrogate || c > 0x10FFFF) return {0, 0};
  return {c, bytes};
}

void append_utf8(std::string& to, char32_t c) {
  const auto put = [&](char32_t byte) { to.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

std::string encode_utf8(std::u32string_view code_points) {
  std::string text;
  text.reserve(code_points.size());
  for (char32_t c : code_points) append_utf8(text, c);
  return text;
}

size_t valid_utf8_bytes(std::string_view text) noexcept {
  size_t at = 0;
  while (at < text.size()) {
    const Decoded next = decode_first(text.substr(at));
    if (next.bytes == 0) break;
    at += next.bytes;
  }
  return at;
}

size_t broken_utf8_bytes(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0xC2 || lead > 0xF4) return 1;
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  // What may follow these leads is less than all continuations: no overlong sequences, no surrogates, nothing above U+10FFFF.
  const unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80, most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (text.size() < 2 || byte(1) < least || byte(1) > most) return 1;
  size_t end = 2;
  while (end < bytes && end < text.size() && (byte(end) & 0xC0) == 0x80) ++end;
  return end;
}

void check_utf8(std::string_view op, std::string_view text) {
  const size_t valid = valid_utf8_bytes(text);
  if (valid < text.size()) refuse(op, text, valid);
}

std::u32string decode_utf8(const char* op, std::string_view text) {
  std::u32string code_points;
  code_points.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Decoded next = decode_first(text.substr(at));
    if (next.bytes == 0) refuse(op, text, at);
    code_points.push_back(next.code_point);
    at += next.bytes;
  }
  return code_points;
}

std::string encode_lower(std::u32string_view code_points) {
  constexpr char32_t capital_sigma = U'\u03A3', final_sigma = U'\u03C2', dotted_capital_i = U'\u0130';
  std::string result;
  result.reserve(code_points.size());
  for (size_t i = 0; i < code_points.size(); ++i) {
    const char32_t c = code_points[i];
    if (c == dotted_capital_i) {
      result += "i\u0307";
    } else if (c == capital_sigma && is_final_sigma(code_points, i)) {
      append_utf8(result, final_sigma);
    } else {
      append_utf8(result, small_letter(c));
    }
  }
  return result;
}

bool is_valid_utf8(std::string_view text) noexcept { return valid_utf8_bytes(text) == text.size(); }

std::string lower(std::string_view text) { return encode_lower(decode_utf8("lower", text)); }

}  // namespace gradus::text
