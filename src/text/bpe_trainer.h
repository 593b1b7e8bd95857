#pragma once

#include "gradus/text/bpe.h"
#include "text/bpe_model.h"
#include "text/counts.h"

namespace gradus::text {

/// A vocabulary and the merges that make it.
struct Learnt {
  TokenIndex vocab;
  BPEModel::Merges merges;
};

/// Learns merges from words, which are bytes where the pre-tokenizer is ByteLevel and UTF-8 otherwise.
Learnt learn_merges(const Counts& words, const BPETrainOptions& options);

}  // namespace gradus::text
