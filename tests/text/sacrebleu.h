#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

/// Texts that corpus scores are computed of; expected numbers are those that sacreBLEU 2.6.0 gives (PyPI: sacrebleu), run on the same
/// texts.
namespace text_test {

using Texts = std::vector<std::string>;

inline const Texts kHypotheses{"The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."};
inline const std::vector<Texts> kReferences{{"The dog bit the man.", "The dog had bit the man."},
                                            {"It was not unexpected.", "No one was surprised."},
                                            {"The man bit him first.", "The man had bitten the dog."}};

inline doctest::Approx close_to(double x) { return doctest::Approx(x).epsilon(1e-14); }

}  // namespace text_test
