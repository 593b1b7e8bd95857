// The program of docs/tutorials/03_the_encoder.md: Embedding → permute → GRU, by hand, from the library, and trained.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace nn = gradus::nn;
using gradus::Tensor;
// [end:includes]

#include "region.h"

static void embed_and_permute() {
  region("permute");
  // [start:permute]
  gradus::manual_seed(0);
  nn::Embedding embedding(5, 3);                                 // a table of 5 rows (words), 3 numbers each
  Tensor tokens = gradus::tensor({{1, 4, 2, 0}, {3, 3, 1, 0}});  // (batch 2, steps 4)
  Tensor vectors = embedding(tokens);                            // (batch 2, steps 4, embed 3)
  Tensor x = vectors.permute({1, 0, 2});                         // (steps 4, batch 2, embed 3)

  std::cout << "vectors: shape " << vectors.shape().str() << ", strides " << vectors.strides().str() << "\n";
  std::cout << "x:       shape " << x.shape().str() << ", strides " << x.strides().str() << "\n";
  std::cout << "same storage: " << (x.shares_storage_with(vectors) ? "yes" : "no") << "\n";
  std::cout << "x[0], the first word of both sentences:\n" << x[0].detach() << "\n";  // (batch 2, embed 3)
  // [end:permute]
}

// [start:gru_by_hand]
/// x (T, B, I), h (B, H), w_ih (3H, I), w_hh (3H, H), b_ih (3H), b_hh (3H) → the state after every step (T, B, H)
static Tensor gru_by_hand(const Tensor& x, Tensor h, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh) {
  std::vector<Tensor> states;
  for (int64_t t = 0; t < x.size(0); ++t) {
    std::vector<Tensor> in = gradus::linear(x[t], w_ih, b_ih).chunk(3, 1);  // W x_t + b: 3 times (B, H), for r, z and n
    std::vector<Tensor> back = gradus::linear(h, w_hh, b_hh).chunk(3, 1);   // W h + b:   3 times (B, H)
    Tensor r = (in[0] + back[0]).sigmoid();                                 // (B, H) reset
    Tensor z = (in[1] + back[1]).sigmoid();                                 // (B, H) update
    Tensor n = (in[2] + r * back[2]).tanh();                                // (B, H) candidate
    h = (1 - z) * n + z * h;                                                // (B, H) the new state
    states.push_back(h);
  }
  return gradus::stack(states);  // (T, B, H)
}
// [end:gru_by_hand]

static void compare_with_the_layer() {
  region("compare");
  // [start:compare]
  gradus::manual_seed(1);
  const int64_t steps = 6, batch = 4, embed = 3, hidden = 5;
  Tensor input = gradus::randn({steps, batch, embed});  // (6, 4, 3)
  nn::GRU gru(embed, hidden);
  for (const auto& [name, parameter] : gru.named_parameters()) std::cout << name << " " << parameter.shape().str() << "\n";

  std::vector<Tensor> w = gru.parameters();                                                  // (15, 3), (15, 5), (15), (15)
  Tensor mine = gru_by_hand(input, gradus::zeros({batch, hidden}), w[0], w[1], w[2], w[3]);  // (6, 4, 5)
  Tensor theirs = gru(input).output;                                                         // (6, 4, 5)
  std::printf("largest difference of the states:    %.1e\n", (mine - theirs).abs().max().item());

  Tensor weight = gradus::randn({steps, batch, hidden});                           // (6, 4, 5): any loss will do
  Tensor d_mine = gradus::autograd::grad({(mine * weight).sum()}, {w[1]})[0];      // (15, 5)
  Tensor d_theirs = gradus::autograd::grad({(theirs * weight).sum()}, {w[1]})[0];  // (15, 5)
  std::printf("largest difference of the gradients: %.1e\n", (d_mine - d_theirs).abs().max().item());
  // [end:compare]
}

static void layers() {
  region("layers");
  // [start:layers]
  gradus::manual_seed(2);
  nn::GRU deep(3, 5, {.num_layers = 2});
  Tensor sequence = gradus::randn({6, 4, 3});  // (steps 6, batch 4, embed 3)
  auto [output, state] = deep(sequence);       // (steps 6, batch 4, hidden 5), (layers 2, batch 4, hidden 5)

  std::cout << "output " << output.shape().str() << ", state " << state.shape().str() << "\n";
  std::cout << "output[-1] == state[-1]: " << (gradus::equal(output[-1], state[-1]) ? "yes" : "no") << "\n";
  std::cout << "output[-1] == state[0]:  " << (gradus::equal(output[-1], state[0]) ? "yes" : "no") << "\n";
  // [end:layers]
}

static void kinds() {
  region("kinds");
  // [start:kinds]
  nn::GRU both_ways(3, 5, {.num_layers = 2, .bidirectional = true});
  nn::LSTM lstm(3, 5, {.num_layers = 2});
  Tensor some_words = gradus::randn({6, 4, 3});                // (steps 6, batch 4, embed 3)
  nn::RNNOutput both = both_ways(some_words);                  // (6, 4, 2 * 5), (2 * 2, 4, 5)
  nn::LSTMOutput cells = lstm(some_words);                     // (6, 4, 5), (2, 4, 5), (2, 4, 5)
  nn::LSTMOutput on = lstm(some_words, cells.h_n, cells.c_n);  // goes on from there
  std::cout << "GRU, both ways: output " << both.output.shape() << ", h_n " << both.h_n.shape() << "\n";
  std::cout << "LSTM: output " << on.output.shape() << ", h_n " << on.h_n.shape() << ", c_n " << on.c_n.shape() << "\n";
  Tensor last_forward = both.output[-1].slice(1, 0, 5), first_backward = both.output[0].slice(1, 5, 10);  // (4, 5) each
  std::cout << "forward ends at the last step:  " << (gradus::equal(last_forward, both.h_n[-2]) ? "yes" : "no") << "\n";
  std::cout << "backward ends at the first step: " << (gradus::equal(first_backward, both.h_n[-1]) ? "yes" : "no") << "\n";
  // [end:kinds]
}

static void lengths() {
  region("lengths");
  // [start:lengths]
  gradus::manual_seed(3);
  nn::GRU reader(3, 5);
  Tensor padded = gradus::randn({4, 2, 3});            // (steps 4, batch 2, embed 3)
  Tensor lengths = gradus::tensor({4, 2});             // (batch 2): the second sentence has 2 words, then padding
  auto [outputs, last] = reader(padded, {}, lengths);  // (4, 2, 5), (1, 2, 5)

  Tensor second = padded.slice(0, 0, 2).slice(1, 1, 2);  // (steps 2, batch 1, embed 3): its two words alone
  Tensor alone = reader(second).h_n;                     // (1, 1, 5)
  std::cout << "its state:      " << last.detach()[0][1] << "\n";
  std::cout << "read by itself: " << alone.detach()[0][0] << "\n";
  std::cout << "its output at step 2: " << outputs.detach()[2][1] << "\n";
  // [end:lengths]
}

// [start:sentences]
struct Review {
  std::vector<std::string> words;
  int64_t liked;  // 1: they liked the film
};

constexpr int64_t count_of_reviews = 2 * 3 * 2 * 2 * 32 * 32;

/// Review number 0 … 24575 of all that there are: each choice takes one digit off the number.
static Review review(int64_t number) {
  const auto choose = [&](const std::vector<std::string>& from) {
    const auto n = static_cast<int64_t>(from.size());
    const std::string word = from[static_cast<size_t>(number % n)];
    number /= n;
    return word;
  };
  std::vector<std::string> film = {"the", choose({"film", "movie"}), "was"};
  std::vector<std::string> other = {"the", choose({"food", "music", "weather"}), "was"};
  const auto opinion = [&](std::vector<std::string>& clause) {
    const bool negated = choose({"", "not"}) == "not", very = choose({"", "very"}) == "very";
    const std::string word = choose({"good", "great", "lovely", "fine", "bad", "poor", "dull", "awful"});
    if (negated) clause.push_back("not");
    if (very) clause.push_back("very");
    clause.push_back(word);
    return (word == "good" || word == "great" || word == "lovely" || word == "fine") != negated;
  };
  const bool liked = opinion(film);
  opinion(other);
  const bool film_first = choose({"first", "last"}) == "first";
  Review r{film_first ? film : other, liked};
  r.words.push_back(choose({"and", "but"}));
  const std::vector<std::string>& rest = film_first ? other : film;
  r.words.insert(r.words.end(), rest.begin(), rest.end());
  return r;
}
// [end:sentences]

// [start:join]
/// The words with spaces between them.
static std::string join(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}
// [end:join]

// [start:arrays]
struct Arrays {
  Tensor tokens;   // (N, steps) int64, padded
  Tensor lengths;  // (N) int64
  Tensor labels;   // (N) int64
};

static Arrays to_arrays(const std::vector<Review>& reviews, const gradus::text::Vocab& vocab) {
  std::vector<Tensor> rows;
  std::vector<int64_t> lengths, labels;
  for (const Review& r : reviews) {
    const auto length = static_cast<int64_t>(r.words.size());
    rows.push_back(gradus::from_vector(vocab.to_indices(r.words), length));  // (length)
    lengths.push_back(length);
    labels.push_back(r.liked);
  }
  const auto n = static_cast<int64_t>(reviews.size());
  const auto pad = static_cast<double>(vocab["<pad>"]);
  return {gradus::data::pad_sequence(rows, true, pad), gradus::from_vector(lengths, n), gradus::from_vector(labels, n)};
}
// [end:arrays]

// [start:model]
struct Encoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;

  Encoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden))),
        head(register_module("head", nn::Linear(hidden, classes))) {}

  Tensor operator()(const Tensor& tokens, const Tensor& lengths) const {  // (batch, steps), (batch)
    return read(embedding(tokens).permute({1, 0, 2}), lengths);
  }
  Tensor read(const Tensor& embedded, const Tensor& lengths) const {  // (steps, batch, embed), (batch)
    auto [output, state] = rnn(embedded, {}, lengths);                // (steps, batch, hidden), (1, batch, hidden)
    return head(state[-1]);                                           // (batch, classes)
  }
};
// [end:model]

// [start:bag]
struct BagOfWords : nn::Module {
  nn::Embedding embedding;
  nn::Linear head;

  BagOfWords(int64_t vocab, int64_t embed, int64_t classes)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed, {.padding_idx = 1}))),
        head(register_module("head", nn::Linear(embed, classes))) {}

  Tensor operator()(const Tensor& tokens, const Tensor& lengths) const {                // (batch, steps), (batch)
    Tensor mean = embedding(tokens).sum(1) / lengths.unsqueeze(1).to(gradus::float32);  // (batch, embed)
    return head(mean);                                                                  // (batch, classes)
  }
};
// [end:bag]

// [start:train]
template <class Model>
static double accuracy(const Model& model, const Arrays& data) {
  gradus::NoGradGuard no_grad;
  Tensor guess = model(data.tokens, data.lengths).argmax(1);       // (N)
  return guess.eq(data.labels).to(gradus::float32).mean().item();  // a scalar: the share that is right
}

template <class Model>
static void train(const Model& model, const Arrays& data, const Arrays& held_out, int epochs) {
  gradus::optim::Adam adam(model.parameters(), {.lr = 2e-3});
  gradus::data::DataLoader loader(gradus::data::TensorDataset({data.tokens, data.lengths, data.labels}),
                                  {.batch_size = 32, .shuffle = true, .seed = 0});
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double sum = 0;
    for (const auto& batch : loader) {
      Tensor logits = model(batch[0], batch[1]);              // (32, 2)
      Tensor loss = gradus::cross_entropy(logits, batch[2]);  // a scalar
      adam.zero_grad();
      loss.backward();
      nn::clip_grad_norm_(model.parameters(), 1.0);
      adam.step();
      sum += loss.item();
    }
    std::printf("epoch %2d: loss %.2f, accuracy on held-out reviews %.2f\n", epoch, sum / static_cast<double>(loader.size()),
                accuracy(model, held_out));
  }
}
// [end:train]

// [start:by_step]
/// The norm of the gradient at every step of one review.
static std::vector<double> gradient_by_step(const Encoder& model, const Arrays& one) {
  Tensor embedded = model.embedding(one.tokens).permute({1, 0, 2});                   // (steps, 1, embed)
  embedded.retain_grad();                                                             // not a leaf: ask for its gradient
  Tensor logits = model.read(embedded, one.lengths);                                  // (1, 2)
  (logits[0][1] - logits[0][0]).backward();                                           // a scalar: how much it says "liked"
  return (embedded.grad() * embedded.grad()).sum({1, 2}).sqrt().to_vector<double>();  // (steps)
}
// [end:by_step]

// [start:answer_1]
struct WithoutLengths : Encoder {
  using Encoder::Encoder;
  Tensor operator()(const Tensor& tokens, const Tensor&) const {  // (batch, steps)
    return read(embedding(tokens).permute({1, 0, 2}), {});        // (batch, classes)
  }
};
// [end:answer_1]

// [start:answer_2]
struct MeanOfOutput : Encoder {
  using Encoder::Encoder;
  Tensor operator()(const Tensor& tokens, const Tensor& lengths) const {            // (batch, steps), (batch)
    Tensor output = rnn(embedding(tokens).permute({1, 0, 2}), {}, lengths).output;  // (steps, batch, hidden), 0 behind the end
    return head(output.sum(0) / lengths.unsqueeze(1).to(gradus::float32));          // (batch, classes)
  }
};
// [end:answer_2]

// [start:answer_3]
/// x (T, B, I) → the state after every step (T, B, H), where in is Linear(I, H) and back Linear(H, H)
static Tensor rnn_by_hand(const Tensor& x, const nn::Linear& in, const nn::Linear& back) {
  Tensor h = gradus::zeros({x.size(1), back.weight.size(0)}, {.dtype = x.dtype()});  // (B, H)
  std::vector<Tensor> states;
  for (int64_t t = 0; t < x.size(0); ++t) states.push_back(h = (in(x[t]) + back(h)).tanh());
  return gradus::stack(states);
}

struct PlainEncoder : nn::Module {
  nn::Embedding embedding;
  nn::Linear in, back, head;

  PlainEncoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        in(register_module("in", nn::Linear(embed, hidden))),
        back(register_module("back", nn::Linear(hidden, hidden))),
        head(register_module("head", nn::Linear(hidden, classes))) {}

  Tensor operator()(const Tensor& tokens, const Tensor& lengths) const {          // (batch, steps), (batch)
    Tensor states = rnn_by_hand(embedding(tokens).permute({1, 0, 2}), in, back);  // (steps, batch, hidden)
    return head(states.index({lengths - 1, gradus::arange(tokens.size(0))}));     // the state at each row's last word
  }
};
// [end:answer_3]

// [start:answer_4]
/// Adds to the update gate's bias, so that z = σ(… + 2) starts near 0.88.
static void hold_on(const Encoder& model) {
  gradus::NoGradGuard no_grad;
  const int64_t hidden = model.rnn.hidden_size();
  Tensor bias = model.rnn.parameters()[3];  // bias_hh_l0 (3H): reset, update, candidate
  bias.slice(0, hidden, 2 * hidden) += 2;
}
// [end:answer_4]

// [start:answer_5]
static Tensor paper_gru_by_hand(const Tensor& x, Tensor h, const std::vector<Tensor>& w) {
  std::vector<Tensor> states;
  const std::vector<Tensor> w_hh = w[1].chunk(3, 0), b_hh = w[3].chunk(3, 0);  // 3 times (H, H), 3 times (H)
  for (int64_t t = 0; t < x.size(0); ++t) {
    std::vector<Tensor> in = gradus::linear(x[t], w[0], w[2]).chunk(3, 1);  // 3 times (B, H)
    Tensor r = (in[0] + gradus::linear(h, w_hh[0], b_hh[0])).sigmoid();     // (B, H)
    Tensor z = (in[1] + gradus::linear(h, w_hh[1], b_hh[1])).sigmoid();     // (B, H)
    Tensor n = (in[2] + gradus::linear(r * h, w_hh[2], b_hh[2])).tanh();    // (B, H): r before the product
    h = (1 - z) * n + z * h;                                                // (B, H)
    states.push_back(h);
  }
  return gradus::stack(states);  // (T, B, H)
}
// [end:answer_5]

// [start:answer_6]
static void learn_from(int64_t count, const Arrays& data, const Arrays& held_out, int64_t words) {
  const Arrays few{data.tokens.slice(0, 0, count), data.lengths.slice(0, 0, count), data.labels.slice(0, 0, count)};
  gradus::manual_seed(6);
  const Encoder model(words, 16, 32, 2);
  model.to(gradus::float64);
  gradus::optim::Adam adam(model.parameters(), {.lr = 5e-3});
  for (int step = 0; step < 300; ++step) {
    adam.zero_grad();
    gradus::cross_entropy(model(few.tokens, few.lengths), few.labels).backward();
    nn::clip_grad_norm_(model.parameters(), 1.0);
    adam.step();
  }
  std::printf("%4d reviews: accuracy on them %.2f, on held-out reviews %.2f\n", static_cast<int>(count), accuracy(model, few),
              accuracy(model, held_out));
}
// [end:answer_6]

int main() {
  embed_and_permute();
  compare_with_the_layer();
  layers();
  kinds();
  lengths();

  region("data");
  // [start:data]
  gradus::manual_seed(4);
  std::vector<Review> seen, unseen;
  const std::vector<int64_t> order = gradus::randperm(count_of_reviews).to_vector<int64_t>();
  for (size_t i = 0; i < 1600; ++i) seen.push_back(review(order[i]));
  for (size_t i = 1600; i < 2000; ++i) unseen.push_back(review(order[i]));

  std::vector<std::vector<std::string>> sentences;
  for (const Review& r : seen) sentences.push_back(r.words);
  const gradus::text::Vocab vocab(sentences, {.reserved_tokens = {"<pad>"}});
  const Arrays data = to_arrays(seen, vocab), held_out = to_arrays(unseen, vocab);

  for (size_t i = 0; i < 4; ++i) std::printf("%s: %s\n", seen[i].liked ? "liked   " : "disliked", join(seen[i].words).c_str());
  std::cout << vocab.size() << " words, tokens " << data.tokens.shape().str() << "\n";
  std::cout << data.tokens.slice(0, 0, 4) << "\n" << data.lengths.slice(0, 0, 4) << "\n";
  // [end:data]

  region("bag_trained");
  // [start:bag_trained]
  BagOfWords bag(vocab.size(), 16, 2);
  train(bag, data, held_out, 4);
  // [end:bag_trained]

  region("rows");
  // [start:rows]
  gradus::manual_seed(5);
  Encoder model(vocab.size(), 16, 32, 2);
  std::cout << model << "\n\n";
  const Arrays two = to_arrays({seen[0], seen[1]}, vocab);
  gradus::cross_entropy(model(two.tokens, two.lengths), two.labels).backward();

  Tensor grad = model.embedding.weight.grad();                                  // (vocab, embed)
  std::vector<double> norms = (grad * grad).sum(1).sqrt().to_vector<double>();  // (vocab)
  for (int64_t row = 0; row < vocab.size(); ++row)
    std::printf("%2d %-8s %.3f\n", static_cast<int>(row), vocab.token(row).c_str(), norms[static_cast<size_t>(row)]);
  // [end:rows]

  // [start:example]
  const Review example{{"the", "film", "was", "not", "very", "good", "but", "the", "music", "was", "great"}, 0};
  const Arrays one = to_arrays({example}, vocab);
  const std::vector<double> before = gradient_by_step(model, one);
  // [end:example]

  region("trained");
  // [start:trained]
  model.zero_grad();
  train(model, data, held_out, 6);
  // [end:trained]

  region("by_step");
  // [start:print_by_step]
  const std::vector<double> after = gradient_by_step(model, one);
  const double largest_before = *std::max_element(before.begin(), before.end());
  const double largest_after = *std::max_element(after.begin(), after.end());
  std::printf("                untrained  trained\n");
  for (size_t t = 0; t < after.size(); ++t)
    std::printf("step %2d  %-6s  %.2f       %.2f\n", static_cast<int>(t), example.words[t].c_str(), before[t] / largest_before,
                after[t] / largest_after);
  // [end:print_by_step]

  region("ask");
  // [start:ask]
  const auto ask = [&](const std::string& sentence) {
    const Arrays a = to_arrays({{gradus::text::tokenize(sentence), 0}}, vocab);
    gradus::NoGradGuard no_grad;
    Tensor p = model(a.tokens, a.lengths).softmax(1);  // (1, 2)
    std::printf("%-55s %s\n", sentence.c_str(), p[0][1].item() > 0.5 ? "liked" : "disliked");
  };
  ask("the film was good but the food was not good");
  ask("the film was not good but the food was good");
  ask("the food was good but the film was not good");
  ask("the food was not good but the film was good");
  // [end:ask]

  region("answer_1");
  // [start:run_1]
  gradus::manual_seed(5);
  WithoutLengths without_lengths(vocab.size(), 16, 32, 2);
  train(without_lengths, data, held_out, 6);
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  gradus::manual_seed(5);
  MeanOfOutput mean_of_output(vocab.size(), 16, 32, 2);
  train(mean_of_output, data, held_out, 6);
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  gradus::manual_seed(5);
  PlainEncoder plain(vocab.size(), 16, 32, 2);
  train(plain, data, held_out, 6);
  // [end:run_3]

  region("answer_4");
  // [start:run_4]
  gradus::manual_seed(5);
  Encoder holding(vocab.size(), 16, 32, 2);
  hold_on(holding);
  const std::vector<double> steps_back = gradient_by_step(holding, one);
  std::printf("first word against last: %.2f\n", steps_back.front() / steps_back.back());
  train(holding, data, held_out, 6);
  // [end:run_4]

  region("answer_5");
  // [start:run_5]
  gradus::manual_seed(1);
  const Tensor some = gradus::randn({6, 4, 3});  // (steps 6, batch 4, embed 3)
  const nn::GRU paper(3, 5, {.reset_after = false});
  const Tensor by_hand = paper_gru_by_hand(some, gradus::zeros({4, 5}), paper.parameters());  // (6, 4, 5)
  std::printf("equal but for rounding: %s\n", gradus::allclose(by_hand, paper(some).output, 1e-5, 1e-6) ? "yes" : "no");
  // [end:run_5]

  region("answer_6");
  // [start:run_6]
  for (const int64_t count : {50, 100, 200}) learn_from(count, data, held_out, vocab.size());
  // [end:run_6]
}
