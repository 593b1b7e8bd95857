// The program of docs/tutorials/04_sequence_to_sequence.md: from pairs of sentences to a translator, step by step.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace nn = gradus::nn;
namespace text = gradus::text;
using gradus::Tensor;
using Sentences = std::vector<std::vector<std::string>>;
// [end:includes]

#include "region.h"
#include "seq2seq.h"

using namespace seq2seq;

// [start:hold_out]
struct Split {
  std::vector<text::Pair> train, held_out;
};

/// Every tenth pair is kept apart: the model never sees it in training.
static Split hold_out(const std::vector<text::Pair>& pairs) {
  Split split;
  for (size_t i = 0; i < pairs.size(); ++i) (i % 10 == 9 ? split.held_out : split.train).push_back(pairs[i]);
  return split;
}
// [end:hold_out]

// [start:sides]
static Sentences sources(const std::vector<text::Pair>& pairs) {
  Sentences sentences;
  for (const text::Pair& pair : pairs) sentences.push_back(words(pair.source));
  return sentences;
}

static Sentences targets(const std::vector<text::Pair>& pairs) {
  Sentences sentences;
  for (const text::Pair& pair : pairs) sentences.push_back(words(pair.target));
  return sentences;
}
// [end:sides]

// [start:sentence]
/// The words of one row of tokens (steps), without padding.
static std::string sentence(const Tensor& row, const text::Vocab& vocab) {
  std::string line;
  for (int64_t token : row.to_vector<int64_t>())
    if (token != vocab["<pad>"]) line += (line.empty() ? "" : " ") + vocab.token(token);
  return line;
}
// [end:sentence]

// [start:join]
static std::string join(const std::vector<std::string>& words, const char* between = " ") {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : between) + word;
  return line;
}
// [end:join]

// [start:translate]
static std::vector<std::string> translate(const Seq2Seq& model, const Corpus& corpus, const Sentences& sentences, int64_t steps) {
  const text::Vocab& v = corpus.target;
  Tensor source = corpus.encode_source(sentences, steps).tokens;                            // (B, T)
  Tensor tokens = greedy_decode(model, source, steps, v["<bos>"], v["<eos>"], v["<pad>"]);  // (B, steps)
  std::vector<std::string> lines;
  for (const Tensor& row : tokens.unbind()) lines.push_back(sentence(row, v));
  return lines;
}
// [end:translate]

// [start:mean_bleu]
static double mean_bleu(const Seq2Seq& model, const Corpus& corpus, const std::vector<text::Pair>& pairs, int64_t steps) {
  const std::vector<std::string> translations = translate(model, corpus, sources(pairs), steps);
  const Sentences expected = targets(pairs);
  double sum = 0;
  for (size_t i = 0; i < pairs.size(); ++i) sum += text::bleu(translations[i], join(expected[i]), 2);
  return sum / static_cast<double>(pairs.size());
}
// [end:mean_bleu]

// [start:train]
static void train(const Seq2Seq& model, const Tensor& source, const Encoded& target, int64_t bos, int epochs) {
  gradus::optim::Adam adam(model.parameters(), {.lr = 5e-3});
  gradus::data::DataLoader loader(gradus::data::TensorDataset({source, target.tokens, target.lengths}),
                                  {.batch_size = 64, .shuffle = true, .seed = 0});
  model.train();  // dropout on
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double nats = 0, tokens = 0;
    for (const auto& batch : loader) {
      Tensor input = shift_right(batch[1], bos);                 // (B, S)
      Tensor logits = model(batch[0], input);                    // (B, S, V)
      BatchLoss loss = masked_loss(logits, batch[1], batch[2]);  // a scalar
      adam.zero_grad();
      loss.chapter.backward();
      nn::clip_grad_norm_(model.parameters(), 1.0);
      adam.step();
      nats += loss.nats;
      tokens += static_cast<double>(loss.tokens);
    }
    if (epoch % 5 == 0 || epoch == 1) std::printf("epoch %2d: %.2f nats a token\n", epoch, nats / tokens);
  }
  model.eval();  // dropout off
}
// [end:train]

// [start:save]
static void save(const std::string& path, const Seq2Seq& model, const Corpus& corpus) {
  gradus::io::save_safetensors(path, model.state_dict(),
                               {{"source", join(corpus.source.tokens(), " ")}, {"target", join(corpus.target.tokens(), " ")}});
}

struct Translator {
  Corpus corpus;
  Seq2Seq model;
};

static Translator load(const std::string& path, ModelOptions options) {
  const gradus::io::NamedTensors file = gradus::io::load_safetensors(path);
  Corpus corpus(text::Vocab::from_tokens(text::tokenize(file.metadata.at("source"))),
                text::Vocab::from_tokens(text::tokenize(file.metadata.at("target"))));
  options.source_vocab = corpus.source.size();
  options.target_vocab = corpus.target.size();
  Seq2Seq model(options);
  model.load_state_dict(file.tensors);
  model.eval();
  return {corpus, model};
}
// [end:save]

// [start:answer_4]
struct Beginning {
  std::vector<int64_t> tokens;
  Tensor state;      // (L, 1, H), after reading all tokens but the last
  double log_p = 0;  // of all its words together
};

/// One sentence with the `width` best beginnings at every step; 1 is greedy decoding.
static std::string beam_search(const Seq2Seq& model, const Corpus& corpus, const std::string& asked, int64_t steps, size_t width) {
  gradus::NoGradGuard no_grad;
  const text::Vocab& v = corpus.target;
  const int64_t bos = v["<bos>"], eos = v["<eos>"];
  const Tensor state = model.encoder(corpus.encode_source({words(asked)}, steps).tokens).h_n;  // (L, 1, H)
  const Tensor context = state[-1];                                                            // (1, H)
  std::vector<Beginning> beam = {{{bos}, state, 0}};
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<Beginning> longer;
    for (const Beginning& b : beam) {
      if (b.tokens.back() == eos) {  // has ended: it stays as it is
        longer.push_back(b);
        continue;
      }
      const auto [logits, next] = model.decoder(gradus::full({1, 1}, b.tokens.back()), context, b.state);  // (1, 1, V), (L, 1, H)
      const std::vector<double> log_p = logits[0][0].log_softmax(0).to_vector<double>();                   // (V)
      for (size_t word = 0; word < log_p.size(); ++word) {
        longer.push_back({b.tokens, next, b.log_p + log_p[word]});
        longer.back().tokens.push_back(static_cast<int64_t>(word));
      }
    }
    const size_t kept = std::min(width, longer.size());
    std::partial_sort(longer.begin(), longer.begin() + static_cast<std::ptrdiff_t>(kept), longer.end(),
                      [](const Beginning& a, const Beginning& b) { return a.log_p > b.log_p; });
    longer.resize(kept);
    beam = longer;
  }
  std::vector<std::string> line;
  for (const int64_t token : beam[0].tokens)
    if (token != bos && token != eos) line.push_back(v.token(token));
  return join(line);
}
// [end:answer_4]

int main() {
  std::filesystem::current_path(std::filesystem::path(GRADUS_PHRASEBOOK).parent_path());
  region("pairs");
  // [start:pairs]
  const std::vector<text::Pair> pairs = text::read_pairs("phrasebook.tsv");
  const Split split = hold_out(pairs);
  std::printf("%zu pairs, %zu to train on, %zu held out\n", pairs.size(), split.train.size(), split.held_out.size());
  for (size_t i = 0; i < 3; ++i) std::printf("%s => %s\n", pairs[i].source.c_str(), pairs[i].target.c_str());
  // [end:pairs]

  region("vocab");
  // [start:vocab]
  std::printf("%s\n", join(words("Where is your sister?"), " | ").c_str());
  std::printf("%s\n", join(words("J'ai faim\u202f!"), " | ").c_str());

  const Corpus corpus(split.train, 2);  // words that occur once become <unk>
  std::printf("%d English and %d French words, the first:", static_cast<int>(corpus.source.size()), static_cast<int>(corpus.target.size()));
  for (int64_t i = 0; i < 8; ++i) std::printf(" %s", corpus.target.token(i).c_str());
  std::printf("\n");
  // [end:vocab]

  region("arrays");
  // [start:arrays]
  const int64_t steps = 12;
  const Encoded source = corpus.encode_source(sources(split.train), steps);  // tokens (N, T), lengths (N)
  const Encoded target = corpus.encode_target(targets(split.train), steps);  // tokens (N, S), lengths (N)
  std::cout << "source " << source.tokens.shape().str() << ", target " << target.tokens.shape().str() << "\n";
  std::cout << target.tokens.slice(0, 0, 3) << "\n" << target.lengths.slice(0, 0, 3) << "\n";
  for (const Tensor& row : target.tokens.slice(0, 0, 3).unbind()) std::cout << sentence(row, corpus.target) << "\n";
  // [end:arrays]

  region("encode");
  // [start:encode]
  gradus::manual_seed(0);
  const ModelOptions options{
      .source_vocab = corpus.source.size(), .target_vocab = corpus.target.size(), .embed = 64, .hidden = 96, .layers = 2, .dropout = 0.3};
  const Seq2Seq model(options);
  init_xavier(model);
  model.eval();

  Tensor x = source.tokens.slice(0, 0, 3);  // (B 3, T 12)
  auto [output, state] = model.encoder(x);  // (T 12, B 3, H 96), (L 2, B 3, H 96)
  Tensor context = state[-1];               // (B 3, H 96)
  std::cout << "output " << output.shape().str() << ", state " << state.shape().str() << ", context " << context.shape().str() << "\n";
  // [end:encode]

  region("teacher");
  // [start:teacher]
  const int64_t bos = corpus.target["<bos>"];
  Tensor y = target.tokens.slice(0, 0, 3);                         // (B 3, S 12)
  Tensor input = shift_right(y, bos);                              // (B 3, S 12)
  Decoder::Output decoded = model.decoder(input, context, state);  // logits (3, 12, V), state (2, 3, 96)
  std::cout << "logits " << decoded.logits.shape().str() << ", state " << decoded.state.shape().str() << "\n\n";
  for (int64_t s = 0; s < 7; ++s)
    std::printf("step %d  reads %s, is to write %s\n", static_cast<int>(s), corpus.target.token(input[0][s].item<int64_t>()).c_str(),
                corpus.target.token(y[0][s].item<int64_t>()).c_str());
  // [end:teacher]

  region("loss");
  // [start:loss]
  Tensor lengths = target.lengths.slice(0, 0, 3);                                                 // (B)
  Tensor log_p = decoded.logits.log_softmax(2);                                                   // (B, S, V)
  Tensor nll = -log_p.gather(2, y.unsqueeze(2)).squeeze(2);                                       // (B, S)
  Tensor mask = gradus::arange(steps).unsqueeze(0).lt(lengths.unsqueeze(1)).to(gradus::float32);  // (1, S) < (B, 1) → (B, S)
  Tensor by_hand = (nll * mask).sum();                                                            // a scalar
  const BatchLoss loss = masked_loss(decoded.logits, y, lengths);

  std::cout << mask << "\n";
  std::printf("by hand %.2f nats, masked_loss %.2f nats, %d tokens\n", by_hand.item(), loss.nats, static_cast<int>(loss.tokens));
  std::printf("%.2f nats a token; a guess among all words costs ln(%d) = %.2f\n", loss.nats / static_cast<double>(loss.tokens),
              static_cast<int>(options.target_vocab), std::log(static_cast<double>(options.target_vocab)));
  // [end:loss]

  region("one_step");
  // [start:one_step]
  const Seq2Seq trial = nn::clone(model);  // so that the model itself starts fresh below
  gradus::optim::Adam adam(trial.parameters(), {.lr = 5e-3});
  for (int step = 0; step < 4; ++step) {
    BatchLoss l = masked_loss(trial(x, input), y, lengths);            // forward: a scalar
    adam.zero_grad();                                                  // forget the last gradients
    l.chapter.backward();                                              // every parameter's grad()
    const double norm = nn::clip_grad_norm_(trial.parameters(), 1.0);  // scale them to norm 1 at most
    adam.step();                                                       // move
    std::printf("step %d: %.1f nats a token, norm of the gradient %.1f\n", step, l.nats / static_cast<double>(l.tokens), norm);
  }
  // [end:one_step]

  region("train");
  // [start:training]
  gradus::manual_seed(1);
  model.to(gradus::float64);  // for the page: see below
  train(model, source.tokens, target, bos, 25);
  model.to(gradus::float32);
  // [end:training]

  region("decode");
  // [start:decode]
  const Sentences asked = {words("I am hungry."), words("She is not at home."), words("We want to buy a car.")};
  const std::vector<std::string> answers = translate(model, corpus, asked, steps);
  for (size_t i = 0; i < asked.size(); ++i) std::printf("%s => %s\n", join(asked[i]).c_str(), answers[i].c_str());
  // [end:decode]

  region("bleu");
  // [start:bleu]
  const std::string reference = "elle n'est pas à la maison .";
  for (const char* candidate : {"elle n'est pas à la maison .", "elle n'est pas à la gare .", "il est à la maison .", "elle n'est pas",
                                "maison la à pas n'est elle ."})
    std::printf("%.2f  %s\n", text::bleu(candidate, reference, 2), candidate);
  // [end:bleu]

  region("quality");
  // [start:quality]
  std::printf("BLEU on training pairs %.2f, on held-out pairs %.2f\n", mean_bleu(model, corpus, split.train, steps),
              mean_bleu(model, corpus, split.held_out, steps));
  // [end:quality]

  region("unseen");
  // [start:unseen]
  const std::vector<std::string> fresh = translate(model, corpus, sources(split.held_out), steps);
  const Sentences expected = targets(split.held_out);
  int right = 0, wrong = 0;
  for (size_t i = 0; i < fresh.size(); ++i) {
    const bool same = fresh[i] == join(expected[i]);
    if ((same ? right : wrong)++ >= 4) continue;  // the first four of each kind
    std::printf("%s  %s => %s\n", same ? "same " : "other", split.held_out[i].source.c_str(), fresh[i].c_str());
  }
  // [end:unseen]

  region("saved");
  // [start:saved]
  const std::string path = (std::filesystem::temp_directory_path() / "gradus_tutorial_04.safetensors").string();
  save(path, model, corpus);
  const Translator loaded = load(path, options);
  std::filesystem::remove(path);
  const Sentences questions = sources(split.held_out);
  const bool same = translate(loaded.model, loaded.corpus, questions, steps) == translate(model, corpus, questions, steps);
  std::printf("the same translations after loading: %s\n", same ? "yes" : "no");
  // [end:saved]

  region("answer_3");
  // [start:answer_3]
  const Tensor embedded = model.encoder.embedding(x).permute({1, 0, 2});                           // (T, B, E)
  const auto [seen, at_the_end] = model.encoder.rnn(embedded, {}, source.lengths.slice(0, 0, 3));  // (T, B, H), (L, B, H)
  const int64_t length = source.lengths[0].item<int64_t>();
  const bool zeros_behind = gradus::equal(seen.slice(0, length)[0][0], gradus::zeros({options.hidden}));
  std::printf("length %d, output behind it is zero: %s\n", static_cast<int>(length), zeros_behind ? "yes" : "no");
  // [end:answer_3]

  region("answer_4");
  // [start:run_4]
  int as_greedy = 0, others = 0;
  for (size_t i = 0; i < 40; ++i) {
    const std::string& question = split.held_out[i].source;
    if (beam_search(model, corpus, question, steps, 1) == fresh[i]) ++as_greedy;
    const std::string best = beam_search(model, corpus, question, steps, 3);
    if (best == fresh[i] || others++ >= 2) continue;  // the first two where three beginnings find something else
    std::printf("%s\n  greedy: %s\n  beam 3: %s\n", question.c_str(), fresh[i].c_str(), best.c_str());
  }
  std::printf("width 1 writes what greedy_decode writes: %d of 40\n", as_greedy);
  // [end:run_4]
}
