#pragma once

#include <string>
#include <vector>

#include "seq2seq.h"

/// Everything that makes a translator: the model, its vocabularies and sizes.
struct Translator {
  seq2seq::Corpus corpus;
  seq2seq::ModelOptions options;
  int64_t steps;
  seq2seq::Seq2Seq model;

  Translator(seq2seq::Corpus c, const seq2seq::ModelOptions& o, int64_t s) : corpus(std::move(c)), options(o), steps(s), model(o) {}

  std::vector<std::string> translate(const std::vector<std::vector<std::string>>& sentences) const;
  gradus::Tensor decode(const gradus::Tensor& source) const;

  /// Throws IoError when it cannot be written.
  void save(const std::string& path) const;
  /// Throws IoError when it cannot be read, or holds something else than save() writes.
  static Translator load(const std::string& path);
};
