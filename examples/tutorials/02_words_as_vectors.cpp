// The program of docs/tutorials/02_words_as_vectors.md: the embedding, its mathematics and its training.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace nn = gradus::nn;
namespace text = gradus::text;
using gradus::Tensor;
// [end:includes]

#include "region.h"

static void words_to_indices() {
  region("vocab");
  // [start:vocab]
  std::vector<std::string> lines = {"The cat sleeps.", "The dog sees the cat.", "A bird sings!"};
  std::vector<std::vector<std::string>> sentences;
  for (const std::string& line : lines) sentences.push_back(text::tokenize(text::preprocess(line)));
  const text::Vocab vocab(sentences, {.reserved_tokens = {"<pad>"}});
  for (int64_t i = 0; i < vocab.size(); ++i) std::cout << i << " " << vocab[i] << "\n";
  // [end:vocab]

  region("tokens");
  // [start:tokens]
  std::vector<Tensor> rows;  // one (steps) int64 tensor a sentence
  for (const auto& sentence : sentences) rows.push_back(gradus::tensor(vocab.to_indices(sentence)));
  const int64_t pad = vocab["<pad>"];
  const Tensor tokens = gradus::data::pad_sequence(rows, /*batch_first=*/true, double(pad));  // (batch, steps) = (3, 6)
  std::cout << tokens << "\n";
  std::cout << "zebra is " << vocab["zebra"] << ", which is " << vocab[0] << "\n";
  // [end:tokens]

  region("embedding");
  // [start:embedding]
  gradus::manual_seed(0);
  const nn::Embedding embedding(vocab.size(), 4);  // weight (words, embed) = (12, 4)
  const Tensor vectors = embedding(tokens);        // (batch, steps) -> (batch, steps, embed) = (3, 6, 4)
  std::cout << "weight " << embedding.weight.shape().str() << ", vectors " << vectors.shape().str() << "\n";
  std::cout << "the first sentence:\n" << vectors.detach()[0] << "\n";
  std::cout << "row of \"the\":\n" << embedding.weight.detach()[vocab["the"]] << "\n";
  // [end:embedding]

  region("range");
  // [start:range]
  try {
    embedding(gradus::tensor({{2, 3, 5}, {2, 6, 12}}));
  } catch (const gradus::IndexError& error) {
    std::cout << error.what() << "\n";
  }
  // [end:range]
}

static void lookup_is_a_product() {
  gradus::manual_seed(0);
  region("product");
  // [start:product]
  const Tensor table = gradus::arange(12.0).view({4, 3});                 // (V, E) = (4, 3)
  const Tensor picked = gradus::tensor({1, 3, 1});                        // (n) = (3)
  const Tensor lookup = gradus::embedding(picked, table);                 // (n, E) = (3, 3)
  const Tensor one_hot = gradus::one_hot(picked, 4).to(gradus::float32);  // (n, V) = (3, 4)
  const Tensor product = one_hot.matmul(table);                           // (n, V) x (V, E) -> (n, E) = (3, 3)
  std::cout << "one-hot:\n" << one_hot << "\n";
  std::cout << "one-hot times table:\n" << product << "\n";
  std::cout << "equal to the lookup: " << (gradus::equal(lookup, product) ? "yes" : "no") << "\n";
  // [end:product]

  region("gradient");
  // [start:gradient]
  const Tensor weight = table.clone().requires_grad_();                            // (V, E) = (4, 3)
  const Tensor dy = gradus::tensor({{1, 1, 1}, {10, 20, 30}, {0.5, 0.25, -1.0}});  // (n, E) = (3, 3)
  gradus::embedding(picked, weight).backward(dy);
  std::cout << weight.grad() << "\n";
  // [end:gradient]

  region("scatter");
  // [start:scatter]
  const Tensor transposed = one_hot.t().matmul(dy);                                      // (V, n) x (n, E) -> (V, E)
  const Tensor added = gradus::index_add(gradus::zeros({4, 3}), /*dim=*/0, picked, dy);  // row picked[i] += dy[i]
  std::cout << "one-hot transposed times dy: " << (gradus::equal(weight.grad(), transposed) ? "equal" : "different") << "\n";
  std::cout << "rows added one by one:       " << (gradus::equal(weight.grad(), added) ? "equal" : "different") << "\n";
  // [end:scatter]
}

static void padding() {
  region("padding");
  // [start:padding]
  gradus::manual_seed(0);
  const nn::Embedding padded(4, 3, {.padding_idx = 0});                  // weight (4, 3); row 0 stands for <pad>
  const Tensor short_and_long = gradus::tensor({{2, 1, 3}, {3, 0, 0}});  // (2, 3): the second sentence has one word
  padded(short_and_long).sum().backward();                               // (2, 3) -> (2, 3, 3) -> ()
  std::cout << "weight:\n" << padded.weight.detach() << "\n";
  std::cout << "gradient:\n" << padded.weight.grad() << "\n";
  // [end:padding]
}

// [start:corpus]
const std::vector<std::string> people = {"girl", "boy", "baker", "sailor"};
const std::vector<std::string> foods = {"bread", "soup", "cheese", "cake"};
const std::vector<std::string> drinks = {"water", "tea", "milk", "juice"};

// Sentences such as "the baker eats cake": who, does what, with what.
std::vector<std::vector<std::string>> corpus() {
  std::vector<std::vector<std::string>> sentences;
  for (const std::string& who : people) {
    for (const std::string& food : foods) sentences.push_back({"the", who, "eats", food});
    for (const std::string& food : foods) sentences.push_back({"the", who, "cuts", "some", food});
    for (const std::string& drink : drinks) sentences.push_back({"the", who, "drinks", drink});
    for (const std::string& drink : drinks) sentences.push_back({"the", who, "pours", "some", drink});
  }
  return sentences;
}
// [end:corpus]

// [start:pairs]
struct Neighbours {
  Tensor centre;   // (pairs) int64
  Tensor context;  // (pairs) int64
};

// Every word with each word at most `reach` places to its left or right.
Neighbours neighbours(const std::vector<std::vector<std::string>>& sentences, const text::Vocab& vocab, int reach = 2) {
  std::vector<int64_t> centre, context;
  for (const auto& sentence : sentences) {
    const std::vector<int64_t> words = vocab.to_indices(sentence);
    const int length = static_cast<int>(words.size());
    for (int i = 0; i < length; ++i)
      for (int j = std::max(0, i - reach); j <= std::min(length - 1, i + reach); ++j)
        if (j != i) {
          centre.push_back(words[i]);
          context.push_back(words[j]);
        }
  }
  return {gradus::tensor(centre), gradus::tensor(context)};
}
// [end:pairs]

// [start:skipgram]
struct SkipGram : nn::Module {
  nn::Embedding embedding;
  nn::Linear scores;

  SkipGram(int64_t words, int64_t embed)
      : embedding(register_module("embedding", nn::Embedding(words, embed))), scores(register_module("scores", nn::Linear(embed, words))) {}

  Tensor operator()(const Tensor& centre) const {  // (n) int64
    return scores(embedding(centre));              // (n) -> (n, embed) -> (n, words)
  }
};
// [end:skipgram]

// [start:similarity]
// The cosine of the angle between each two rows: 1 for the same direction, 0 for a right angle.
Tensor cosines(const Tensor& rows) {                                  // (n, embed)
  const Tensor length = rows.pow(2).sum(1, /*keepdim=*/true).sqrt();  // (n, 1)
  const Tensor unit = rows / length;                                  // (n, embed): rows of length 1
  return unit.matmul(unit.t());                                       // (n, embed) x (embed, n) -> (n, n)
}

void print_similarity(const nn::Embedding& embedding, const text::Vocab& vocab, const std::vector<std::string>& words) {
  gradus::NoGradGuard no_grad;
  const Tensor table = cosines(embedding(gradus::tensor(vocab.to_indices(words))));  // (n, n)
  std::printf("%8s", "");
  for (const std::string& word : words) std::printf("%8s", word.c_str());
  for (size_t i = 0; i < words.size(); ++i) {
    std::printf("\n%8s", words[i].c_str());
    for (size_t j = 0; j < words.size(); ++j) std::printf("%8.2f", table[i][j].item());
  }
  std::printf("\n");
}
// [end:similarity]

// [start:nearest]
// The words by how close they are to `word`, the closest first, without itself.
std::vector<std::string> nearest(const nn::Embedding& embedding, const text::Vocab& vocab, const std::string& word, size_t count) {
  gradus::NoGradGuard no_grad;
  const std::vector<float> cosine = cosines(embedding.weight)[vocab[word]].to_vector<float>();  // (words)
  std::vector<std::string> order = vocab.tokens();
  std::erase(order, word);
  std::erase(order, "<unk>");  // never trained
  std::ranges::sort(order, [&](const auto& a, const auto& b) { return cosine[vocab[a]] > cosine[vocab[b]]; });
  order.resize(count);
  return order;
}
// [end:nearest]

static void training() {
  region("data");
  // [start:data]
  const auto phrases = corpus();
  const text::Vocab dictionary(phrases);
  const auto [centre, context] = neighbours(phrases, dictionary);
  std::printf("%zu sentences, %d words, %d pairs\n", phrases.size(), int(dictionary.size()), int(centre.size(0)));
  for (int i = 0; i < 6; ++i)
    std::printf("%s -> %s\n", dictionary[centre[i].item<int64_t>()].c_str(), dictionary[context[i].item<int64_t>()].c_str());
  // [end:data]

  region("before");
  // [start:before]
  gradus::manual_seed(0);
  const SkipGram model(dictionary.size(), 6);
  const std::vector<std::string> shown = {"girl", "sailor", "bread", "soup", "tea", "milk", "eats", "drinks"};
  print_similarity(model.embedding, dictionary, shown);
  // [end:before]

  region("train");
  // [start:train]
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.05});
  for (int step = 0; step <= 200; ++step) {
    const Tensor loss = gradus::cross_entropy(model(centre), context);  // (pairs, words), (pairs) -> ()
    adam.zero_grad();
    loss.backward();
    adam.step();
    if (step % 50 == 0) std::printf("step %3d: loss %.3f\n", step, loss.item());
  }
  // [end:train]

  region("after");
  // [start:after]
  print_similarity(model.embedding, dictionary, shown);
  // [end:after]

  region("near");
  // [start:near]
  for (const char* word : {"girl", "cheese", "juice", "cuts"}) {
    std::printf("%-6s is near", word);
    for (const std::string& other : nearest(model.embedding, dictionary, word, 3)) std::printf(" %s", other.c_str());
    std::printf("\n");
  }
  // [end:near]
}

// [start:moved]
// One training step on `tokens`, and how far each row of the table moved.
template <class Optimizer>
void step_and_print(const nn::Embedding& embedding, Optimizer& optimizer, const Tensor& tokens) {
  const Tensor before = embedding.weight.detach().clone();  // (V, E)
  optimizer.zero_grad();
  embedding(tokens).pow(2).sum().backward();  // (n) -> (n, E) -> (): make the vectors shorter
  optimizer.step();
  const Tensor change = embedding.weight.detach() - before;              // (V, E)
  const auto distance = change.pow(2).sum(1).sqrt().to_vector<float>();  // (V)
  for (const float d : distance) std::printf("%8.3f", d);
  std::printf("\n");
}
// [end:moved]

static void one_step() {
  region("sgd");
  // [start:sgd]
  gradus::manual_seed(0);
  const Tensor first = gradus::tensor({1, 3, 1});  // (3)
  const Tensor second = gradus::tensor({2, 4});    // (2)
  const nn::Embedding six_words(6, 3);             // weight (6, 3)
  gradus::optim::SGD sgd(six_words.parameters(), {.lr = 0.1});
  std::printf("row             0       1       2       3       4       5\n");
  std::printf("first   ");
  step_and_print(six_words, sgd, first);
  std::printf("second  ");
  step_and_print(six_words, sgd, second);
  // [end:sgd]

  region("adam");
  // [start:adam]
  gradus::optim::Adam second_adam(six_words.parameters(), {.lr = 0.1});
  std::printf("row             0       1       2       3       4       5\n");
  std::printf("first   ");
  step_and_print(six_words, second_adam, first);
  std::printf("second  ");
  step_and_print(six_words, second_adam, second);
  // [end:adam]
}

// [start:answer_1]
void answer_1() {
  const Tensor weight = gradus::ones({4, 3}, {.requires_grad = true});  // (V, E)
  gradus::embedding(gradus::full({5}, 2), weight).sum().backward();     // (5) -> (5, E) -> ()
  std::cout << weight.grad() << "\n";
}
// [end:answer_1]

// [start:trained]
// The page's model, trained on `sentences`, and how alike it finds some pairs of words.
void train_and_compare(const std::vector<std::vector<std::string>>& sentences, int reach, int64_t embed) {
  const text::Vocab vocab(sentences);
  const auto [centre, context] = neighbours(sentences, vocab, reach);  // (pairs), (pairs)
  gradus::manual_seed(0);
  const SkipGram model(vocab.size(), embed);
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.05});
  for (int step = 0; step < 200; ++step) {
    adam.zero_grad();
    gradus::cross_entropy(model(centre), context).backward();
    adam.step();
  }
  gradus::NoGradGuard no_grad;
  const Tensor table = cosines(model.embedding.weight);  // (V, V)
  const auto print = [&](const char* a, const char* b) { std::printf("  %s-%s %5.2f", a, b, table[vocab[a]][vocab[b]].item()); };
  print("girl", "sailor");
  print("bread", "soup");
  print("bread", "tea");
  print("girl", "bread");
  std::printf("\n");
}
// [end:trained]

// [start:answer_3]
std::vector<std::vector<std::string>> corpus_with_sales() {
  std::vector<std::vector<std::string>> sentences = corpus();
  for (const std::string& who : people) {
    for (const std::string& food : foods) sentences.push_back({"the", who, "sells", food});
    for (const std::string& drink : drinks) sentences.push_back({"the", who, "sells", drink});
  }
  return sentences;
}
// [end:answer_3]

int main() {
  words_to_indices();
  lookup_is_a_product();
  padding();
  training();
  one_step();
  region("answer_1");
  answer_1();
  region("answers");
  // [start:answers]
  std::printf("as on the page: ");
  train_and_compare(corpus(), 2, 6);
  std::printf("2. one place:   ");
  train_and_compare(corpus(), 1, 6);
  std::printf("3. with sales:  ");
  train_and_compare(corpus_with_sales(), 2, 6);
  std::printf("4. E = 2:       ");
  train_and_compare(corpus(), 2, 2);
  // [end:answers]
}
