#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gradus/text.h"

/// Answers what tests/text/peers asks, so that it can compare the answers with those of other libraries.
///
///     answer QUESTION.json        prints the answer as JSON
namespace {

namespace text = gradus::text;
using nlohmann::json;
using Texts = std::vector<std::string>;

text::BPETrainOptions train_options(const json& q) {
  text::BPETrainOptions options;
  options.vocab_size = q.value("vocab_size", options.vocab_size);
  options.min_frequency = q.value("min_frequency", options.min_frequency);
  options.special_tokens = q.value("special_tokens", Texts());
  if (q.contains("unk_token")) options.unk_token = q["unk_token"].get<std::string>();
  options.continuing_subword_prefix = q.value("continuing_subword_prefix", "");
  options.end_of_word_suffix = q.value("end_of_word_suffix", "");
  const std::string kind = q.at("pre_tokenizer");
  options.pre_tokenizer = kind == "ByteLevel"         ? text::PreTokenizer::ByteLevel
                          : kind == "Metaspace"       ? text::PreTokenizer::Metaspace
                          : kind == "Whitespace"      ? text::PreTokenizer::Whitespace
                          : kind == "WhitespaceSplit" ? text::PreTokenizer::WhitespaceSplit
                                                      : text::PreTokenizer::None;
  return options;
}

text::BleuOptions bleu_options(const json& q) {
  text::BleuOptions options;
  options.lowercase = q.value("lowercase", false);
  const std::string tokenize = q.value("tokenize", "13a"), smooth = q.value("smooth_method", "exp");
  options.tokenize = tokenize == "char"   ? text::BleuTokenizer::Char
                     : tokenize == "zh"   ? text::BleuTokenizer::Zh
                     : tokenize == "intl" ? text::BleuTokenizer::Intl
                     : tokenize == "none" ? text::BleuTokenizer::None
                                          : text::BleuTokenizer::V13a;
  options.smooth_method = smooth == "floor"   ? text::BleuSmoothing::Floor
                          : smooth == "add-k" ? text::BleuSmoothing::AddK
                          : smooth == "none"  ? text::BleuSmoothing::None
                                              : text::BleuSmoothing::Exp;
  if (q.contains("smooth_value")) options.smooth_value = q["smooth_value"].get<double>();
  options.max_ngram_order = q.value("max_ngram_order", options.max_ngram_order);
  if (q.contains("effective_order")) options.effective_order = q["effective_order"].get<bool>();
  return options;
}

text::ChrfOptions chrf_options(const json& q) {
  return {.char_order = q.value("char_order", 6),
          .word_order = q.value("word_order", 0),
          .beta = q.value("beta", 2),
          .lowercase = q.value("lowercase", false),
          .whitespace = q.value("whitespace", false),
          .eps_smoothing = q.value("eps_smoothing", false)};
}

json answer(const json& q) {
  const std::string ask = q.at("ask");
  if (ask == "train") {
    text::BPE::train(q.at("texts").get<Texts>(), train_options(q)).save(q.at("to"));
    return nullptr;
  }
  if (ask == "encode") {
    const auto texts = q.at("texts").get<Texts>();
    return text::BPE::load(q.at("from")).encode_batch(texts);
  }
  if (ask == "decode") {
    const text::BPE bpe = text::BPE::load(q.at("from"));
    json texts = json::array();
    for (const auto& ids : q.at("ids").get<std::vector<std::vector<int64_t>>>())
      texts.push_back(bpe.decode(ids, q.at("skip_special_tokens")));
    return texts;
  }
  if (ask == "copy") {
    text::BPE::load(q.at("from")).save(q.at("to"));
    return nullptr;
  }
  if (ask == "characters") {
    json all = json::array();
    for (const std::string& s : q.at("texts").get<Texts>()) all.push_back(text::tokenize_characters(s));
    return all;
  }
  const auto hypotheses = q.at("hypotheses").get<Texts>();
  const auto references = q.at("references").get<std::vector<Texts>>();
  json scores = json::array();
  const auto add = [&](const auto& s) { scores.push_back({{"score", s.score}, {"line", s.str()}}); };
  for (const json& options : q.at("options")) {
    if (ask == "bleu") {
      add(text::corpus_bleu(hypotheses, references, bleu_options(options)));
      for (size_t i = 0; i < hypotheses.size(); ++i) add(text::sentence_bleu(hypotheses[i], references[i], bleu_options(options)));
    } else {
      add(text::corpus_chrf(hypotheses, references, chrf_options(options)));
      for (size_t i = 0; i < hypotheses.size(); ++i) add(text::sentence_chrf(hypotheses[i], references[i], chrf_options(options)));
    }
  }
  return scores;
}

}  // namespace

int main(int count, char** values) {
  if (count != 2) return 2;
  try {
    std::ifstream in(values[1]);
    std::cout << answer(json::parse(in)) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
