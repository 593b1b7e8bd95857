#pragma once

/// From sentences to token indices and back, and how good the sentences are that come out: UTF-8, tokenizers, vocabularies, files of
/// sentence pairs, BLEU. All text is UTF-8 in `std::string`.
#include "gradus/text/bleu.h"
#include "gradus/text/bpe.h"
#include "gradus/text/chrf.h"
#include "gradus/text/edit_distance.h"
#include "gradus/text/pairs.h"
#include "gradus/text/perplexity.h"
#include "gradus/text/tokenizer.h"
#include "gradus/text/utf8.h"
#include "gradus/text/vocab.h"
