#include "seq2seq.h"

#include <algorithm>

namespace seq2seq {

// [start:init_xavier]
void init_xavier(const Seq2Seq& model) {
  for (const auto& [name, parameter] : model.named_parameters())
    if (name.find("weight") != std::string::npos && name.find("embedding") == std::string::npos) nn::init::xavier_uniform_(parameter);
}
// [end:init_xavier]

// [start:words]
std::vector<std::string> words(const std::string& sentence) { return text::tokenize(text::preprocess(sentence)); }
// [end:words]

// [start:vocabularies]
static const std::vector<std::string> kReserved = {"<pad>", "<bos>", "<eos>"};

static std::vector<std::vector<std::string>> side(const std::vector<text::Pair>& pairs, std::string text::Pair::*member) {
  std::vector<std::vector<std::string>> sentences;
  for (const text::Pair& pair : pairs) sentences.push_back(words(pair.*member));
  return sentences;
}

Corpus::Corpus(const std::vector<text::Pair>& pairs, int64_t min_freq)
    : source_sentences(side(pairs, &text::Pair::source)),
      target_sentences(side(pairs, &text::Pair::target)),
      source(source_sentences, {.min_freq = min_freq, .reserved_tokens = kReserved}),
      target(target_sentences, {.min_freq = min_freq, .reserved_tokens = kReserved}) {}
// [end:vocabularies]

// [start:encode]
static Encoded encode(const std::vector<std::vector<std::string>>& sentences, const text::Vocab& vocab, int64_t steps) {
  const int64_t pad = vocab["<pad>"], eos = vocab["<eos>"];
  std::vector<int64_t> tokens, lengths;
  for (const auto& sentence : sentences) {
    std::vector<int64_t> row = vocab.to_indices(sentence);
    row.push_back(eos);
    row.resize(static_cast<size_t>(steps), pad);
    lengths.push_back(std::min(static_cast<int64_t>(sentence.size()) + 1, steps));
    tokens.insert(tokens.end(), row.begin(), row.end());
  }
  const auto count = static_cast<int64_t>(sentences.size());
  return {gradus::from_vector(tokens, {count, steps}), gradus::from_vector(lengths, count)};
}

Encoded Corpus::encode_source(const std::vector<std::vector<std::string>>& sentences, int64_t steps) const {
  return encode(sentences, source, steps);
}

Encoded Corpus::encode_target(const std::vector<std::vector<std::string>>& sentences, int64_t steps) const {
  return encode(sentences, target, steps);
}
// [end:encode]

// [start:shift_right]
Tensor shift_right(const Tensor& target, int64_t bos) {
  const Tensor start = gradus::full({target.size(0), 1}, bos);
  return gradus::cat({start, target.slice(1, 0, -1)}, 1);
}
// [end:shift_right]

// [start:masked_loss]
BatchLoss masked_loss(const Tensor& logits, const Tensor& target, const Tensor& lengths) {
  const int64_t batch = target.size(0), steps = target.size(1);
  const Tensor padding = gradus::arange(steps).unsqueeze(0).ge(lengths.unsqueeze(1));  // (B, S)
  const Tensor labels = target.masked_fill(padding, -100);
  const Tensor sum = gradus::cross_entropy(logits.reshape({batch * steps, -1}), labels.reshape(-1),
                                           {.ignore_index = -100, .reduction = gradus::Reduction::Sum});
  return {sum / steps, sum.item(), lengths.sum().item<int64_t>()};
}
// [end:masked_loss]

// [start:greedy_decode]
Tensor greedy_decode(const Seq2Seq& model, const Tensor& source, int64_t steps, int64_t bos, int64_t eos, int64_t pad) {
  gradus::NoGradGuard no_grad;
  const int64_t batch = source.size(0);
  Tensor state = model.encoder(source).h_n;
  const Tensor context = state[-1];
  Tensor token = gradus::full({batch, 1}, bos);
  Tensor ended = gradus::full({batch, 1}, false);
  std::vector<Tensor> output;
  for (int64_t step = 0; step < steps; ++step) {
    auto [logits, next] = model.decoder(token, context, state);
    state = next;
    token = logits.argmax(2);  // (B, 1)
    ended = gradus::logical_or(ended, token.eq(eos));
    output.push_back(token.masked_fill(ended, pad));
    if (ended.all().item<bool>()) break;
  }
  while (static_cast<int64_t>(output.size()) < steps) output.push_back(gradus::full({batch, 1}, pad));
  return gradus::cat(output, 1);
}
// [end:greedy_decode]

}  // namespace seq2seq
