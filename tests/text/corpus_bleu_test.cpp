#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "gradus/error.h"
#include "gradus/text/bleu.h"
#include "text/sacrebleu.h"

namespace {

using gradus::text::BleuOptions;
using gradus::text::BleuScore;
using gradus::text::BleuSmoothing;
using gradus::text::BleuTokenizer;
using gradus::text::corpus_bleu;
using gradus::text::sentence_bleu;
using gradus::text::tokenize_for_bleu;
using namespace text_test;

const Texts kFirst{"The dog bit the man.", "It was not unexpected.", "The man bit him first."};

double score(const BleuOptions& options) { return corpus_bleu(kHypotheses, kReferences, options).score; }

TEST_CASE("corpus_bleu is sacreBLEU's, with what it is made of") {
  const BleuScore s = corpus_bleu(kHypotheses, kReferences);
  CHECK(s.score == close_to(48.530827009929865));
  CHECK(s.counts == std::vector<int64_t>{14, 7, 5, 3});
  CHECK(s.totals == std::vector<int64_t>{17, 14, 11, 8});
  CHECK(s.precisions[0] == close_to(82.3529411764706));
  CHECK(s.precisions[3] == 37.5);
  CHECK(s.bp == close_to(0.9428731438548749));
  CHECK(s.sys_len == 17);
  CHECK(s.ref_len == 18);
  CHECK(corpus_bleu(kHypotheses, kFirst).score == close_to(45.06750632106114));
}

TEST_CASE("corpus_bleu smooths, counts and splits as sacreBLEU does with the same options") {
  CHECK(score({.lowercase = true}) == close_to(48.530827009929865));
  CHECK(score({.tokenize = BleuTokenizer::Char}) == close_to(72.61064153440596));
  CHECK(score({.tokenize = BleuTokenizer::Intl}) == close_to(43.91623493336995));
  CHECK(score({.tokenize = BleuTokenizer::None, .smooth_method = BleuSmoothing::None}) == close_to(49.19195660047277));
  CHECK(score({.smooth_method = BleuSmoothing::Floor}) == close_to(48.530827009929865));
  CHECK(score({.smooth_method = BleuSmoothing::AddK, .smooth_value = 0.5}) == close_to(50.742849488267225));
  CHECK(score({.max_ngram_order = 2}) == close_to(60.50312757020198));
  const Texts chinese{"我去年在日本工作。", "你好,GPU很快!"}, expected{"去年我在日本工作过。", "您好，GPU 很快！"};
  CHECK(corpus_bleu(chinese, expected, {.tokenize = BleuTokenizer::Zh}).score == close_to(38.109401086704715));
  CHECK(corpus_bleu(chinese, expected).score == 0);
}

TEST_CASE("sentence_bleu leaves out the orders that a sentence is too short for") {
  CHECK(sentence_bleu("va !", {"va !"}).score == close_to(100));
  CHECK(sentence_bleu("je suis", {"je suis chez moi ."}).score == close_to(22.31301601484299));
  CHECK(sentence_bleu("Hello", {"Hello world"}).score == close_to(36.78794411714425));
  CHECK(sentence_bleu("", {"a"}).score == 0);
  CHECK(sentence_bleu("a b c", {"x y z"}).score == 0);
  CHECK(sentence_bleu("va !", {"va !"}, {.effective_order = false}).score == 0);
}

TEST_CASE("a signature and a line are those of sacreBLEU, with our version") {
  const BleuScore s = corpus_bleu(kHypotheses, kReferences);
  CHECK(s.signature.starts_with("nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:gradus-"));
  CHECK(s.str() == "BLEU|" + s.signature + " = 48.53 82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944 hyp_len = 17 ref_len = 18)");
  CHECK(corpus_bleu({"a", "b"}, std::vector<Texts>{{"a"}, {"b", "c"}}).signature.starts_with("nrefs:var|"));
  const std::string other =
      sentence_bleu("a", {"a"}, {.lowercase = true, .tokenize = BleuTokenizer::Zh, .smooth_method = BleuSmoothing::AddK}).signature;
  CHECK(other.starts_with("nrefs:1|case:lc|eff:yes|tok:zh|smooth:add-k[1.00]|version:"));
}

TEST_CASE("tokenize_for_bleu splits as sacreBLEU's tokenizers do") {
  const std::string text = "Hello, world! 3.14 1,000 a.b... x-5 5-x \"q\" &quot;&amp;lt; <skipped>don't end-\nline 10.";
  CHECK(tokenize_for_bleu(text) == Texts{"Hello", ",", "world", "!",  "3.14", "1,000", "a",  ".", "b",     ".",       ".",  ".", "x-5",
                                         "5",     "-", "x",     "\"", "q",    "\"",    "\"", "<", "don't", "endline", "10", "."});
  CHECK(tokenize_for_bleu("«Привет», 50€ — 2,5%. №5…") == Texts{"«Привет»", ",", "50€", "—", "2,5", "%", ".", "№5…"});
  CHECK(tokenize_for_bleu("«Привет», 50€ — 2,5%. №5…", BleuTokenizer::Intl) ==
        Texts{"«", "Привет", "»", ",", "50", "€", "—", "2,5", "%", ".", "№", "5…"});
  CHECK(tokenize_for_bleu(" 他说:“GPU 3.5,好”。AI-2", BleuTokenizer::Zh) ==
        Texts{"他", "说", ":", "“", "GPU", "3.5", ",", "好", "”", "。", "AI-2"});
  CHECK(tokenize_for_bleu("a é\u3000b", BleuTokenizer::Char) == Texts{"a", "é", "b"});
  CHECK(tokenize_for_bleu(" a,b\tc ", BleuTokenizer::None) == Texts{"a,b", "c"});
  CHECK_THROWS_AS(tokenize_for_bleu("\xFF"), gradus::ValueError);
}

TEST_CASE("corpus_bleu refuses lists that do not fit and options out of range") {
  CHECK_THROWS_WITH_AS(corpus_bleu(kHypotheses, Texts{"a"}),
                       "corpus_bleu: 3 hypotheses and references for 1; each hypothesis needs its own", gradus::ShapeError);
  CHECK_THROWS_WITH_AS(corpus_bleu({}, Texts{}), "corpus_bleu: there are no sentences, so there is no score", gradus::ValueError);
  CHECK_THROWS_WITH_AS(sentence_bleu("a", {}), "sentence_bleu: hypothesis 0 has no references; it needs one at least", gradus::ValueError);
  CHECK_THROWS_WITH_AS(score({.max_ngram_order = 0}),
                       "corpus_bleu: max_ngram_order is 0; it must be 1 to 100, the length of the longest n-grams to compare",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(score({.smooth_method = BleuSmoothing::Floor, .smooth_value = -1}),
                       "corpus_bleu: smooth_value is -1; it must be 0 or more", gradus::ValueError);
  CHECK_THROWS_WITH_AS(score({.smooth_value = 1}), "corpus_bleu: smooth_value is 1, but smoothing by exp takes none", gradus::ValueError);
  CHECK_THROWS_WITH_AS(sentence_bleu("caf\xE9", {"a"}),
                       "sentence_bleu: byte 3 of the text, 0xE9, is not valid UTF-8; convert the text to UTF-8 first", gradus::ValueError);
  CHECK_THROWS_AS(score({.smooth_method = BleuSmoothing::AddK, .smooth_value = std::nan("")}), gradus::ValueError);
}

}  // namespace
