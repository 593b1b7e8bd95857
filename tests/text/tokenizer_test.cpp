#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gradus/error.h"
#include "gradus/text.h"

namespace {

using gradus::text::preprocess;
using gradus::text::tokenize;
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

}  // namespace
