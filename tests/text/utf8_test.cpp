#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gradus/error.h"
#include "gradus/text/utf8.h"
#include "text/utf8.h"

namespace {

using gradus::text::is_valid_utf8;
using gradus::text::lower;
using namespace std::string_literals;

TEST_CASE("is_valid_utf8 takes well-formed text of every length of sequence") {
  for (const std::string& text : {""s, "Go."s, "\0"s, "\x7F"s, "é"s, "\u07FF"s, "\u0800"s, "€"s, "\uD7FF"s, "\uE000"s, "\uFFFF"s,
                                  "\U00010000"s, "😀 va"s, "\xF4\x8F\xBF\xBF"s}) {
    CAPTURE(text);
    CHECK(is_valid_utf8(text));
  }
}

TEST_CASE("is_valid_utf8 refuses cut, overlong, surrogate and too large sequences wherever they stand") {
  const std::vector<std::string> broken = {
      "\x80",
      "\xBF",  // a continuation without a lead
      "\xC3",
      "\xE2\x82",
      "\xF0\x9F\x98",
      "\xE2",  // cut at the end
      "\xC3(",
      "\xE2\x28\xA1",
      "\xF0\x9F\x98(",  // cut by another character
      "\xC0\x80",
      "\xC1\xBF",
      "\xE0\x9F\xBF",
      "\xF0\x8F\xBF\xBF",  // overlong
      "\xED\xA0\x80",
      "\xED\xBF\xBF",  // surrogates
      "\xF4\x90\x80\x80",
      "\xF5\x80\x80\x80",
      "\xFE",
      "\xFF",
  };
  for (const std::string& bytes : broken) {
    CAPTURE(bytes.size());
    CHECK_FALSE(is_valid_utf8(bytes));
    CHECK_FALSE(is_valid_utf8("é" + bytes));
    CHECK_FALSE(is_valid_utf8(bytes + "a"));
  }
}

TEST_CASE("lower changes the capitals of Latin, Greek and Cyrillic") {
  CHECK(lower("") == "");
  CHECK(lower("AZ az [@`{ 09") == "az az [@`{ 09");
  CHECK(lower("ÀÉÎÖØÞ × ÷ ß ÿ") == "àéîöøþ × ÷ ß ÿ");
  CHECK(lower("ŒUVRE Ÿ ŽŁĐĲ ŅŊ Ǻ") == "œuvre ÿ žłđĳ ņŋ Ǻ");
  CHECK(lower("ȘȚ ẸỲ ẞ") == "șț ẹỳ ß");
  CHECK(lower("ΆΈΉΊΌΎΏ ΑΡΫΩ ϘϢ ϴϷϹϺ") == "άέήίόύώ αρϋω ϙϣ θϸϲϻ");
  CHECK(lower("ЀЁЏ АЯ Ѡ Ҁ Ґ Ӏ Ӎ Ӑ Ԯ") == "ѐёџ ая ѡ ҁ ґ ӏ ӎ ӑ ԯ");
}

TEST_CASE("lower leaves everything else as it is") {
  const std::string others = "é я ω ſ ĸ ŉ\u0482\u0301 漢字 😀 \u202F\u00A0\t\n“…”";
  CHECK(lower(others) == others);
  CHECK(lower("a\0B"s) == "a\0b"s);
}

TEST_CASE("lower keeps Python's two special cases") {
  CHECK(lower("İ") == "i\u0307");
  CHECK(lower("ΟΔΟΣ ΣΟΦΟΣ!") == "οδος σοφος!");
  CHECK(lower("Σ ΣΣ") == "σ σς");
  CHECK(lower("ΑΣ\u0301 ΑΣ'Α ΑΣ.") == "ας\u0301 ασ'α ας.");
}

TEST_CASE("lower gives valid text that it leaves alone, for every code point around its alphabets") {
  for (char32_t c = 1; c < 0x2000; ++c) {
    std::string text;
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else if (c < 0x800) {
      text = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    } else {
      text = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
    }
    const std::string small = lower(text);
    CAPTURE(static_cast<uint32_t>(c));
    CHECK(is_valid_utf8(small));
    CHECK(lower(small) == small);
  }
}

TEST_CASE("lower names the byte that is not UTF-8") {
  CHECK_THROWS_WITH_AS(lower("Vé\xFF!"), "lower: byte 3 of the text, 0xFF, is not valid UTF-8; convert the text to UTF-8 first",
                       gradus::ValueError);
  CHECK_THROWS_AS(lower("caf\xE9"), gradus::ValueError);
}

TEST_CASE("broken UTF-8 is replaced by as many marks as Python's bytes.decode has") {
  // How many of the first bytes one U+FFFD stands for, as in bytes.decode("utf-8", "replace").
  using gradus::text::broken_utf8_bytes;
  CHECK(broken_utf8_bytes("\x80") == 1);
  CHECK(broken_utf8_bytes("\xC0\x80") == 1);
  CHECK(broken_utf8_bytes("\xC3(") == 1);
  CHECK(broken_utf8_bytes("\xE2\x82(") == 2);
  CHECK(broken_utf8_bytes("\xE0\x80\x80") == 1);      // overlong
  CHECK(broken_utf8_bytes("\xED\xA0\x80") == 1);      // a surrogate
  CHECK(broken_utf8_bytes("\xF0\x9F\x98") == 3);      // cut at the end
  CHECK(broken_utf8_bytes("\xF0\x9F\xF0\x9F") == 2);  // cut by another
  CHECK(broken_utf8_bytes("\xF4\x90\x80\x80") == 1);  // above U+10FFFF
  CHECK(broken_utf8_bytes("\xFF") == 1);
}

}  // namespace
