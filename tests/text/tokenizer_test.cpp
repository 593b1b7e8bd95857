#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gradus/error.h"
#include "gradus/text/tokenizer.h"

namespace {

using gradus::text::preprocess;
using gradus::text::tokenize;
using gradus::text::tokenize_characters;
using gradus::text::tokenize_words;
using Tokens = std::vector<std::string>;

TEST_CASE("preprocess follows the chapter") {
  CHECK(preprocess("") == "");
  CHECK(preprocess("Go.") == "go .");
  CHECK(preprocess("Cours\u202F!") == "cours !");
  CHECK(preprocess("Qui\u00A0?") == "qui ?");
  CHECK(preprocess("Oh, no!") == "oh , no !");
  CHECK(preprocess("J'ai CHAUD; très: \"Œuf\"") == "j'ai chaud; très: \"œuf\"");
}

TEST_CASE("preprocess puts a space before punctuation that follows anything but a space") {
  CHECK(preprocess("What?!") == "what ? !");
  CHECK(preprocess("...") == ". . .");
  CHECK(preprocess("!a") == "!a");
  CHECK(preprocess(" .") == " .");
  CHECK(preprocess("a  .") == "a  .");
  CHECK(preprocess("été.") == "été .");
  CHECK(preprocess("a\t.") == "a\t .");
  CHECK(preprocess("3.14") == "3 .14");
}

TEST_CASE("preprocess names the byte that is not UTF-8") {
  CHECK_THROWS_WITH_AS(preprocess("Va \xE9!"), "preprocess: byte 3 of the text, 0xE9, is not valid UTF-8; convert the text to UTF-8 first",
                       gradus::ValueError);
}

TEST_CASE("tokenize splits at spaces alone and gives no empty tokens") {
  CHECK(tokenize("") == Tokens{});
  CHECK(tokenize("   ") == Tokens{});
  CHECK(tokenize("va") == Tokens{"va"});
  CHECK(tokenize("va , jo !") == Tokens{"va", ",", "jo", "!"});
  CHECK(tokenize("  va   jo ") == Tokens{"va", "jo"});
  CHECK(tokenize("a\tb\nc\u00A0d e") == Tokens{"a\tb\nc\u00A0d", "e"});
}

TEST_CASE("tokenize_characters gives what readers see as one") {
  CHECK(tokenize_characters("") == Tokens{});
  CHECK(tokenize_characters("va !") == Tokens{"v", "a", " ", "!"});
  CHECK(tokenize_characters("e\u0301t\u00E9") == Tokens{"e\u0301", "t", "\u00E9"});
  CHECK(tokenize_characters("\u4F60\u597D\uFF0C\U0001F44D\U0001F3FD") == Tokens{"\u4F60", "\u597D", "\uFF0C", "\U0001F44D\U0001F3FD"});
  CHECK(tokenize_characters("\r\na") == Tokens{"\r\n", "a"});
  CHECK(tokenize_characters("\u0928\u093F") == Tokens{"\u0928\u093F"});
}

TEST_CASE("tokenize_words keeps words and numbers whole, and sets punctuation apart") {
  CHECK(tokenize_words("") == Tokens{});
  CHECK(tokenize_words(" \t\n\u3000") == Tokens{});
  CHECK(tokenize_words("Oh, no!") == Tokens{"Oh", ",", "no", "!"});
  CHECK(tokenize_words("I don't; it\u2019s J'ai 'quoted'") == Tokens{"I", "don't", ";", "it\u2019s", "J'ai", "'", "quoted", "'"});
  CHECK(tokenize_words("3.14 1,000.5, v2.0 a.b 5.") == Tokens{"3.14", "1,000.5", ",", "v2.0", "a", ".", "b", "5", "."});
  CHECK(tokenize_words("well-known snake_case $5 50%") == Tokens{"well", "-", "known", "snake_case", "$", "5", "50", "%"});
  CHECK(tokenize_words("e\u0301te\u0301 na\u00EFve\u00A0!") == Tokens{"e\u0301te\u0301", "na\u00EFve", "!"});
  CHECK(tokenize_words("a \u0301b") == Tokens{"a", "\u0301b"});
  CHECK(tokenize_words("...\U0001F44D\U0001F3FDok") == Tokens{".", ".", ".", "\U0001F44D\U0001F3FD", "ok"});
}

TEST_CASE("tokenize_words knows Chinese characters and punctuation") {
  CHECK(tokenize_words("你好，世界。") == Tokens{"你", "好", "，", "世", "界", "。"});
  CHECK(tokenize_words("用GPU算3.5天") == Tokens{"用", "GPU", "算", "3.5", "天"});
  CHECK(tokenize_words("他说：“好”！‘是’？（对）；《书》、…") ==
        Tokens{"他", "说", "：", "“", "好", "”", "！", "‘", "是", "’", "？", "（", "对", "）", "；", "《", "书", "》", "、", "…"});
  CHECK(tokenize_words("你好，world。我们", {.split_han = false}) == Tokens{"你好", "，", "world", "。", "我们"});
  CHECK(tokenize_words("东京タワー 한국어") == Tokens{"东", "京", "タワー", "한국어"});
  CHECK(tokenize_words("\uFF11\uFF0C\uFF12\u3007\U00020000") == Tokens{"\uFF11", "\uFF0C", "\uFF12", "\u3007", "\U00020000"});
}

TEST_CASE("tokenize_characters and tokenize_words name the byte that is not UTF-8") {
  CHECK_THROWS_WITH_AS(tokenize_characters("Va \xE9!"),
                       "tokenize_characters: byte 3 of the text, 0xE9, is not valid UTF-8; convert the text to UTF-8 first",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(tokenize_words("Va \xE9!"),
                       "tokenize_words: byte 3 of the text, 0xE9, is not valid UTF-8; convert the text to UTF-8 first", gradus::ValueError);
}

}  // namespace
