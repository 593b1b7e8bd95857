// The program of docs/guides/text.md.

// [start:includes]
#include <gradus/text.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace text = gradus::text;
// [end:includes]

#include "region.h"

// [start:print]
/// Tokens with a bar between.
void print(const std::vector<std::string>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) std::cout << (i ? "|" : "") << tokens[i];
  std::cout << '\n';
}
// [end:print]

int main() {
  region("split");
  // [start:split]
  print(text::tokenize_characters("Ne\u0301e 👍🏽"));
  print(text::tokenize_words("Don't pay 3.50, he said: 你好，世界。"));
  print(text::tokenize(text::preprocess("Va, Jo!")));
  // [end:split]

  region("vocab");
  // [start:vocab]
  const std::string folder = std::filesystem::temp_directory_path() / "gradus_text";
  std::filesystem::create_directories(folder);
  const std::vector<std::vector<std::string>> sentences = {{"go", "."}, {"hi", "."}, {"run", "!"}, {"run", "hi", "!", "."}};
  const text::Vocab vocab(sentences, {.min_freq = 2, .reserved_tokens = {"<pad>", "<bos>", "<eos>"}});
  vocab.save(folder + "/vocab.txt");
  print(text::Vocab::load(folder + "/vocab.txt").tokens());
  // [end:vocab]

  region("train");
  // [start:train]
  std::vector<std::string> corpus;
  for (int i = 0; i < 20; ++i) corpus.insert(corpus.end(), {"the newest words are", "the lowest and the widest", "new widths, low words"});
  const text::BPE bpe = text::BPE::train(corpus, {.vocab_size = 300, .special_tokens = {"<pad>", "<bos>", "<eos>"}});
  const std::vector<int64_t> ids = bpe.encode("<bos>the newest café");
  print(bpe.to_tokens(ids));
  std::cout << bpe.decode(ids) << '\n';
  // [end:train]

  region("file");
  // [start:file]
  bpe.save(folder + "/tokenizer.json");
  const text::BPE same = text::BPE::load(folder + "/tokenizer.json");
  std::cout << same.vocab_size() << " tokens, <eos> is " << *same.token_to_id("<eos>") << '\n';
  // [end:file]

  region("bleu");
  // [start:bleu]
  const std::vector<std::string> hypotheses = {"The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."};
  const std::vector<std::vector<std::string>> references = {{"The dog bit the man.", "The dog had bit the man."},
                                                            {"It was not unexpected.", "No one was surprised."},
                                                            {"The man bit him first.", "The man had bitten the dog."}};
  std::cout << text::corpus_bleu(hypotheses, references).str() << '\n';
  std::cout << text::corpus_chrf(hypotheses, references, {.word_order = 2}).str() << '\n';
  // [end:bleu]

  region("errors");
  // [start:errors]
  const text::EditCounts edits = text::edit_counts("sitting", "kitten");
  std::cout << edits.distance() << " edits, " << edits.substitutions << " of them substitutions\n";
  const std::vector<std::vector<std::string>> predicted = {{"T", "AH", "M", "EY", "T", "OW"}, {"K", "AE", "T", "S"}};
  const std::vector<std::vector<std::vector<std::string>>> pronunciations = {
      {{"T", "AH", "M", "AA", "T", "OW"}, {"T", "AH", "M", "EY", "T", "OW"}}, {{"K", "AE", "T"}}};
  const text::ErrorRate rate = text::error_rate(predicted, pronunciations);
  std::cout << "WER " << 100 * rate.sequence_rate() << " %, PER " << 100 * rate.rate() << " %\n";
  std::cout << "perplexity " << text::perplexity(3 * std::log(40.0), 3) << '\n';
  // [end:errors]
  return 0;
}
