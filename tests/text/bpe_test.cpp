#include "gradus/text/bpe.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gradus/error.h"
#include "io/folder.h"

namespace {

using gradus::IoError;
using gradus::ValueError;
using gradus::text::BPE;
using gradus::text::BPETrainOptions;
using gradus::text::PrependScheme;
using gradus::text::PreTokenizer;
using Ids = std::vector<int64_t>;
using Texts = std::vector<std::string>;

// Sennrich's example of 2016, with its counts: low 5, lower 2, newest 6, widest 3.
Texts sennrich() {
  Texts words;
  for (const auto& [word, count] : {std::pair("low", 5), std::pair("lower", 2), std::pair("newest", 6), std::pair("widest", 3)})
    for (int i = 0; i < count; ++i) words.emplace_back(word);
  return words;
}

/// A file with this model; the rest is as little as possible.
std::string file_with(const std::string& model, const std::string& more = "") {
  return R"({"version": "1.0", "model": )" + model + more + "}";
}

const std::string kModel = R"({"type": "BPE", "unk_token": "?", "vocab": {"?": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5}, )"
                           R"("merges": [["a", "b"], ["ab", "c"]]})";

Texts tokens(const BPE& bpe, const std::string& text) { return bpe.to_tokens(bpe.encode(text)); }

/// What reading this file is refused with.
std::string refusal(const std::string& json) {
  try {
    BPE::from_str(json, "x.json");
  } catch (const IoError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("BPE learns Sennrich's merges: the most frequent pair first, of equals the one with the smaller indices") {
  const BPE bpe = BPE::train(sennrich(), {.vocab_size = 18, .pre_tokenizer = PreTokenizer::WhitespaceSplit, .end_of_word_suffix = "</w>"});
  // tokenizers 0.23 learns the same: e s, es t</w>, l o, e w, n ew.
  CHECK(bpe.vocab_size() == 18);
  CHECK(tokens(bpe, "newest lowest") == Texts{"new", "est</w>", "lo", "w", "est</w>"});
  CHECK(bpe.decode(bpe.encode("newest lowest")) == "newest lowest");
}

TEST_CASE("a pair that does not occur often enough is not merged") {
  const BPETrainOptions often{.min_frequency = 8, .pre_tokenizer = PreTokenizer::WhitespaceSplit};
  const BPE bpe = BPE::train(sennrich(), often);
  CHECK(tokens(bpe, "low newest") == Texts{"l", "o", "w", "n", "e", "w", "est"});
  const BPE none = BPE::train(sennrich(), {.vocab_size = 0, .pre_tokenizer = PreTokenizer::WhitespaceSplit});
  CHECK(tokens(none, "low") == Texts{"l", "o", "w"});
}

TEST_CASE("byte-level BPE knows every text, and gives it back as it was") {
  const BPE bpe = BPE::train({"the cat sat on the mat", "the bat"}, {.vocab_size = 270});
  CHECK(tokens(bpe, "the cat") == Texts{"the", "\u0120cat"});
  const Texts texts{"", " ", "it's  2,5 \n\n café", "你好，世界。", "👍🏽\t", "\u00A0x"};
  for (const std::string& text : texts) CHECK(bpe.decode(bpe.encode(text)) == text);
  CHECK(bpe.decode({bpe.encode("é")[0]}) == "\uFFFD");  // half of a character
}

TEST_CASE("GPT-2's pattern keeps words, numbers, punctuation and endings apart, each with the space before it") {
  // Every pair of letters is merged, so that a token is a word of the pre-tokenizer: as pre_tokenizers.ByteLevel of tokenizers cuts.
  const std::string text = "we'll  don't 42x!? \n\nend  ";
  const BPE bpe = BPE::train({text}, {.vocab_size = 1000, .min_frequency = 0});
  CHECK(tokens(bpe, text) ==
        Texts{"we", "'ll", "\u0120", "\u0120don", "'t", "\u012042", "x", "!?", "\u0120\u010A", "\u010A", "end", "\u0120\u0120"});
}

TEST_CASE("Whitespace, WhitespaceSplit, Metaspace and no pre-tokenizer cut as those of tokenizers") {
  const std::string text = "a-b  c_d";
  const auto cut = [&](PreTokenizer kind) { return tokens(BPE::train({text}, {.vocab_size = 1000, .pre_tokenizer = kind}), text); };
  CHECK(cut(PreTokenizer::Whitespace) == Texts{"a", "-", "b", "c_d"});
  CHECK(cut(PreTokenizer::WhitespaceSplit) == Texts{"a-b", "c_d"});
  CHECK(cut(PreTokenizer::Metaspace) == Texts{"\u2581a-b", "\u2581", "\u2581c_d"});
  CHECK(cut(PreTokenizer::None) == Texts{"a-b  c_d"});
}

TEST_CASE("Metaspace puts a mark before a text, and decoding takes it away") {
  const BPE always = BPE::train({"a b"}, {.pre_tokenizer = PreTokenizer::Metaspace});
  CHECK(tokens(always, "a b") == Texts{"\u2581a", "\u2581b"});
  CHECK(always.decode(always.encode("a b")) == "a b");
  const BPE never = BPE::train({"a b"}, {.pre_tokenizer = PreTokenizer::Metaspace, .prepend_scheme = PrependScheme::Never});
  CHECK(tokens(never, "a b") == Texts{"a", "\u2581b"});
  CHECK(never.decode(never.encode("a b")) == "a b");
}

TEST_CASE("special tokens come first, are never cut, and are left out by decode") {
  const BPE bpe = BPE::train({"a b <s>"}, {.vocab_size = 300, .special_tokens = {"<pad>", "<s>", "</s>"}});
  CHECK(bpe.token_to_id("<s>") == 1);
  CHECK(bpe.encode("<s>a</s>") == Ids{1, *bpe.token_to_id("a"), 2});
  CHECK(bpe.decode({1, *bpe.token_to_id("a"), 2}) == "a");
  CHECK(bpe.decode({1, *bpe.token_to_id("a"), 2}, false) == "<s>a</s>");
}

TEST_CASE("an unknown character becomes unk_token, one for all of them where they are fused, or is dropped") {
  BPETrainOptions options{.special_tokens = {"<unk>"}, .pre_tokenizer = PreTokenizer::Whitespace, .unk_token = "<unk>"};
  CHECK(tokens(BPE::train({"ab"}, options), "abxxab") == Texts{"ab", "<unk>", "<unk>", "ab"});
  options.fuse_unk = true;
  CHECK(tokens(BPE::train({"ab"}, options), "abxxab") == Texts{"ab", "<unk>", "ab"});
  CHECK(tokens(BPE::train({"ab"}, {.pre_tokenizer = PreTokenizer::Whitespace}), "abxx") == Texts{"ab"});
}

TEST_CASE("BPE tells tokens and indices of each other") {
  const BPE bpe = BPE::from_str(file_with(kModel));
  CHECK(bpe.vocab_size() == 6);
  CHECK(bpe.token_to_id("abc") == 5);
  CHECK(bpe.token_to_id("x") == std::nullopt);
  CHECK(bpe.id_to_token(4) == "ab");
  CHECK_THROWS_WITH_AS(bpe.id_to_token(6), "BPE::id_to_token: index 6 has no token; there are 6", gradus::IndexError);
  CHECK_THROWS_WITH_AS(bpe.decode({1, -1}), "BPE::decode: index -1 at [1] has no token; there are 6", gradus::IndexError);
  CHECK_THROWS_WITH_AS(bpe.to_tokens(Ids{6}), "BPE::to_tokens: index 6 at [0] has no token; there are 6", gradus::IndexError);
}

TEST_CASE("encode_batch gives what encode gives, for each text, whatever threads do it") {
  const BPE bpe = BPE::train({"the cat sat on the mat"}, {.vocab_size = 300});
  Texts texts;
  for (int i = 0; i < 500; ++i)
    texts.push_back("the " + std::to_string(i % 37) + " mats, cat" + std::string(static_cast<size_t>(i % 5), 's'));
  const std::vector<Ids> all = bpe.encode_batch(texts);
  const BPE other = BPE::from_str(bpe.to_str());  // whose cache is empty
  REQUIRE(all.size() == texts.size());
  for (size_t i = 0; i < texts.size(); ++i) CHECK(all[i] == other.encode(texts[i]));
  std::thread beside([&] {
    for (const std::string& text : texts) bpe.encode(text);
  });
  CHECK(bpe.encode_batch(texts) == all);
  beside.join();
}

TEST_CASE("BPE refuses text that is not UTF-8, and names the byte and the text") {
  const BPE bpe = BPE::train({"a"});
  CHECK_THROWS_WITH_AS(bpe.encode("a\xFF"), "BPE::encode: byte 1 of the text, 0xFF, is not valid UTF-8; convert the text to UTF-8 first",
                       ValueError);
  CHECK_THROWS_WITH_AS(bpe.encode_batch(Texts{"a", "\xC3"}),
                       "BPE::encode_batch: text 1: byte 0 of the text, 0xC3, is not valid UTF-8; convert the text to UTF-8 first",
                       ValueError);
  CHECK_THROWS_WITH_AS(BPE::train({"a", "\xC3"}),
                       "BPE::train: text 1: byte 0 of the text, 0xC3, is not valid UTF-8; convert the text to UTF-8 first", ValueError);
}

TEST_CASE("BPE::train refuses options that do not fit") {
  const auto refused = [](const BPETrainOptions& options) -> std::string {
    try {
      BPE::train({"a"}, options);
    } catch (const ValueError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(refused({.vocab_size = -1}) == "BPE::train: vocab_size is -1; it must be 0 or more");
  CHECK(refused({.min_frequency = -1}) == "BPE::train: min_frequency is -1; 0 and 1 merge all pairs");
  CHECK(refused({.special_tokens = {"a", "a"}}) == "BPE::train: the special token \"a\" is given twice");
  CHECK(refused({.special_tokens = {""}}) == "BPE::train: a special token is empty");
  CHECK(refused({.unk_token = "<unk>"}) == "BPE::train: unk_token \"<unk>\" is not among the special tokens; add it there");
  CHECK(refused({.fuse_unk = true}) == "BPE::train: fuse_unk is of no use without an unk_token");
  CHECK(refused({.prepend_scheme = PrependScheme::First}) == "BPE::train: ByteLevel knows Always and Never of prepend_scheme");
  CHECK(refused({.pre_tokenizer = PreTokenizer::Whitespace, .prepend_scheme = PrependScheme::Never}) ==
        "BPE::train: prepend_scheme is for the pre-tokenizers Metaspace and ByteLevel");
}

TEST_CASE("a tokenizer.json comes back as it was, from a file and from its text") {
  const Folder folder;
  const BPE bpe = BPE::train({"the cat", "\"quotes\" \\ \n"}, {.vocab_size = 300, .special_tokens = {"<s>", "ü\n"}});
  bpe.save(folder / "tokenizer.json");
  const BPE read = BPE::load(folder / "tokenizer.json");
  CHECK(read.to_str() == bpe.to_str());
  CHECK(read.encode("<s>the cat ü\n") == bpe.encode("<s>the cat ü\n"));
  bpe.save(folder / "tokenizer.json");  // over the old one
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("a tokenizer.json of an old form is read") {
  // As GPT-2's: no type, merges with spaces, empty prefix and suffix, and a post-processor that changes no index.
  const BPE bpe = BPE::from_str(file_with(
      R"({"dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false, )"
      R"("vocab": {"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}, "merges": ["a b"]})",
      R"(, "added_tokens": [{"id": 3, "special": true, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
          "normalized": true}], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
          "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false}, "decoder": {"type": "ByteLevel"})"));
  CHECK(bpe.encode("ab<|endoftext|>a") == Ids{2, 3, 0});
  const BPE metaspace = BPE::from_str(
      file_with(R"({"vocab": {"a": 0, "▁": 1}, "merges": []})", R"(, "pre_tokenizer": {"type": "Metaspace", "add_prefix_space": false})"));
  CHECK(metaspace.encode("a a") == Ids{0, 1, 0});
}

TEST_CASE("added tokens take the space beside them, or stand alone, as their file says") {
  const std::string added = R"(, "added_tokens": [{"id": 6, "content": "<m>", "special": true, "lstrip": true, "rstrip": true},
    {"id": 7, "content": "ca", "single_word": true}, {"id": 8, "content": "cab"}], "pre_tokenizer": {"type": "WhitespaceSplit"})";
  const BPE bpe = BPE::from_str(file_with(kModel, added));
  CHECK(bpe.vocab_size() == 9);
  CHECK(bpe.encode("a <m> \n b") == Ids{1, 6, 2});
  CHECK(bpe.encode("ca ca! aca") == Ids{7, 7, 0, 1, 3, 1});
  CHECK(bpe.encode("cab") == Ids{8});
}

TEST_CASE("what a tokenizer.json holds beyond what is known is refused with its place") {
  const std::string at = "BPE::from_str: x.json: ";
  CHECK(refusal(file_with(kModel, R"(, "normalizer": {"type": "NFC"})")) ==
        at + "/normalizer: is of type \"NFC\", which is not known here; only null is");
  CHECK(refusal(file_with(kModel, R"(, "extra": 1)")) == "BPE::from_str: x.json: has an entry \"extra\", which is not known here");
  CHECK(refusal(file_with(kModel, R"(, "pre_tokenizer": {"type": "Digits"})")) ==
        at + "/pre_tokenizer: is of type \"Digits\", which is not known here; Whitespace, WhitespaceSplit, ByteLevel and Metaspace are");
  CHECK(refusal(file_with(kModel, R"(, "pre_tokenizer": {"type": "Metaspace", "replacement": "_"})")) ==
        at + "/pre_tokenizer/replacement: is \"_\"; only \"▁\" is known here");
  CHECK(refusal(file_with(kModel, R"(, "decoder": {"type": "BPEDecoder", "suffix": ""})")) == at + "/decoder/suffix: is empty");
  CHECK(refusal(file_with(kModel, R"(, "post_processor": {"type": "BertProcessing"})")) ==
        at + "/post_processor: is of type \"BertProcessing\", which is not known here; only null is");
  CHECK(refusal(file_with(R"({"type": "WordPiece", "vocab": {}})")) == at + "/model/type: is \"WordPiece\"; only \"BPE\" is known here");
  CHECK(refusal(file_with(R"({"dropout": 0.1, "vocab": {}, "merges": []})")) == at + "/model/dropout: is 0.1; only null is known here");
  CHECK(refusal(file_with(R"({"byte_fallback": true, "vocab": {}, "merges": []})")) ==
        at + "/model/byte_fallback: is true; only false is known here");
  CHECK(refusal(R"({"version": "2.0", "model": )" + kModel + "}") == at + "/version: is \"2.0\"; only \"1.0\" is known here");
}

TEST_CASE("a tokenizer.json that contradicts itself is refused with its place") {
  const std::string at = "BPE::from_str: x.json: ";
  const auto model = [](const std::string& vocab, const std::string& merges, const std::string& more = "") {
    return file_with(R"({"vocab": )" + vocab + R"(, "merges": )" + merges + more + "}");
  };
  CHECK(refusal("") == "BPE::from_str: x.json: is not valid JSON at its byte 1");
  CHECK(refusal("[]") == "BPE::from_str: x.json: is an array, not an object");
  CHECK(refusal("{\"a\": 1}\x01") == "BPE::from_str: x.json: is not valid JSON at its byte 9");
  CHECK(refusal(R"({"model": 1, "model": 2})") == "BPE::from_str: x.json: the name \"model\" occurs twice in an object");
  CHECK(refusal(std::string(1000, '[')) == "BPE::from_str: x.json: nests deeper than 64 levels; it is no tokenizer");
  CHECK(refusal("{}") == at + "/model: is null, not an object");
  CHECK(refusal(model("[]", "[]")) == at + "/model/vocab: is an array, not an object");
  CHECK(refusal(model(R"({"a": 0, "a": 1})", "[]")) == "BPE::from_str: x.json: the name \"a\" occurs twice in an object");
  CHECK(refusal(model(R"({"a": 0, "b": 0})", "[]")) == at + "/model/vocab: gives the index 0 to \"a\" and to \"b\"");
  CHECK(refusal(model(R"({"a": -1})", "[]")) == at + "/model/vocab/a: is -1, not an index below 2^31 - 1");
  CHECK(refusal(model(R"({"a": 1000000})", "[]")) ==
        "BPE::from_str: x.json: the largest index is 1000000, but there are 1 tokens; is it damaged?");
  CHECK(refusal(model(R"({"a": 0, "b": 1})", R"([["a", "b"]])")) ==
        at + "/model/merges/0: makes the token \"ab\", which is not in the vocabulary");
  CHECK(refusal(model(R"({"a": 0})", R"(["a x"])")) == at + "/model/merges/0: merges \"x\", which is not in the vocabulary");
  CHECK(refusal(model(R"({"a": 0})", R"(["a"])")) == at + "/model/merges/0: is \"a\", not two tokens with a space between");
  CHECK(refusal(model(R"({"a": 0})", R"([["a"]])")) == at + "/model/merges/0: has 1 tokens; a merge is of two");
  CHECK(refusal(model(R"({"a": 0})", "[]", R"(, "unk_token": "x")")) == at + "/model/unk_token: the token \"x\" is not in the vocabulary");
  CHECK(refusal(model(R"({"a": 0, "##b": 1, "c": 2})", R"([["a", "c"]])", R"(, "continuing_subword_prefix": "##")")) ==
        at + "/model/merges/0: the token \"c\" does not begin with the continuing_subword_prefix \"##\"");
  CHECK(refusal(file_with(kModel, R"(, "added_tokens": [{"id": 2, "content": "a"}])")) ==
        at + "/added_tokens/0/id: is 2, but the vocabulary gives \"a\" the index 1");
  CHECK(refusal(file_with(kModel, R"(, "added_tokens": [{"id": 2, "content": "z"}])")) ==
        at + "/added_tokens/0/id: is 2, which \"b\" has already");
  CHECK(refusal(file_with(kModel, R"(, "added_tokens": [{"id": 6, "content": ""}])")) == at + "/added_tokens/0/content: is empty");
}

TEST_CASE("BPE::load says why a file cannot be read, and a failed save leaves the old file") {
  const Folder folder;
  const std::string missing = folder / "missing.json";
  CHECK_THROWS_WITH_AS(BPE::load(missing), ("BPE::load: " + missing + ": cannot be opened: No such file or directory").c_str(), IoError);
  std::ofstream(folder / "x.json") << "{";
  CHECK_THROWS_WITH_AS(BPE::load(folder / "x.json"), ("BPE::load: " + (folder / "x.json") + ": is not valid JSON at its byte 2").c_str(),
                       IoError);
  CHECK_THROWS_AS(BPE::train({"a"}).save(folder / "no/such/folder.json"), IoError);
}

TEST_CASE("a copy of a BPE, and one that was moved from, can be used") {
  BPE bpe = BPE::train({"ab"}, {.pre_tokenizer = PreTokenizer::Whitespace});
  const BPE copy = bpe, moved = std::move(bpe);
  CHECK(copy.encode("ab") == moved.encode("ab"));
  CHECK(bpe.encode("ab") == copy.encode("ab"));  // NOLINT(bugprone-use-after-move): moves are copies
}

}  // namespace
