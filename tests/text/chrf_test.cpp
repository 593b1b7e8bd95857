#include "gradus/text/chrf.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gradus/error.h"
#include "text/sacrebleu.h"

namespace {

using gradus::text::ChrfOptions;
using gradus::text::ChrfScore;
using gradus::text::corpus_chrf;
using gradus::text::sentence_chrf;
using namespace text_test;

ChrfScore scored(const ChrfOptions& options = {}) { return corpus_chrf(kHypotheses, kReferences, options); }

TEST_CASE("corpus_chrf is sacreBLEU's, with and without words") {
  CHECK(scored().score == close_to(59.72751782684763));
  CHECK(scored({.word_order = 2}).score == close_to(59.15310444399262));
  CHECK(scored({.lowercase = true, .whitespace = true}).score == close_to(66.12086612638348));
  CHECK(scored({.eps_smoothing = true}).score == close_to(59.72734693786311));
  CHECK(scored({.char_order = 3, .word_order = 1, .beta = 1}).score == close_to(69.20961926739707));
}

TEST_CASE("sentence_chrf counts code points, and splits punctuation off words") {
  CHECK(sentence_chrf("été, (oui)", {"ete (oui)"}, {.word_order = 2}).score == close_to(43.490452761670475));
  CHECK(sentence_chrf("abc", {"abc"}).score == close_to(100));
  CHECK(sentence_chrf("a", {"b"}).score == 0);
  CHECK(sentence_chrf("", {"a"}).score == 0);
  CHECK(sentence_chrf("a", {"b", "a"}).score == close_to(100));
}

TEST_CASE("a signature and a line of chrF are those of sacreBLEU, with our version") {
  CHECK(scored().signature.starts_with("nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:gradus-"));
  CHECK(scored({.eps_smoothing = true}).signature.starts_with("nrefs:2|case:mixed|eff:no|nc:6|nw:0|space:no|version:"));
  CHECK(scored({.word_order = 2, .lowercase = true, .whitespace = true})
            .signature.starts_with("nrefs:2|case:lc|eff:yes|nc:6|nw:2|space:yes|"));
  const ChrfScore s = scored({.word_order = 2});
  CHECK(s.str() == "chrF2++|" + s.signature + " = 59.15");
  CHECK(s.str(4).ends_with(" = 59.1531"));
}

TEST_CASE("corpus_chrf refuses lists that do not fit and options out of range") {
  CHECK_THROWS_WITH_AS(corpus_chrf(kHypotheses, Texts{"a"}),
                       "corpus_chrf: 3 hypotheses and references for 1; each hypothesis needs its own", gradus::ShapeError);
  CHECK_THROWS_AS(corpus_chrf({}, Texts{}), gradus::ValueError);
  CHECK_THROWS_WITH_AS(sentence_chrf("a", {}), "sentence_chrf: hypothesis 0 has no references; it needs one at least", gradus::ValueError);
  CHECK_THROWS_WITH_AS(scored({.char_order = 0}), "corpus_chrf: char_order is 0 and word_order 0; they must be 0 to 100, and not both 0",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(scored({.beta = -1}), "corpus_chrf: beta is -1; it must be 0 to 1000000", gradus::ValueError);
  CHECK_THROWS_AS(sentence_chrf("\xFF", {"a"}), gradus::ValueError);
}

}  // namespace
