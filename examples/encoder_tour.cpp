// A walk through the encoder on tensors small enough to read: words become vectors (Embedding), batch and steps change places
// (permute), a GRU reads the steps, and one training step moves the vectors.

#include <gradus/gradus.h>

#include <cstdlib>
#include <iostream>

namespace nn = gradus::nn;
using gradus::Tensor;

static void title(const char* text) { std::cout << "\n=== " << text << " ===\n"; }

static void require(bool holds, const char* claim) {
  if (holds) return;
  std::cerr << "encoder_tour: this should hold but does not: " << claim << "\n";
  std::exit(1);
}

static nn::Embedding words_as_vectors() {
  title("Embedding: a table with one row a word");
  nn::Embedding embedding(3, 4);  // 3 words, 4 numbers each
  std::cout << embedding << "\nweight, shape " << embedding.weight.shape().str() << ":\n" << embedding.weight << "\n";
  return embedding;
}

static Tensor lookup(const nn::Embedding& embedding, const Tensor& tokens) {
  title("Lookup: indices (batch, steps) to vectors (batch, steps, embed)");
  const Tensor vectors = embedding(tokens);
  std::cout << "tokens, shape " << tokens.shape().str() << ":\n" << tokens << "\n";
  std::cout << "vectors, shape " << vectors.shape().str() << ":\n" << vectors << "\n";

  title("Each index picks a row");
  for (int64_t b = 0; b < tokens.size(0); ++b)
    for (int64_t t = 0; t < tokens.size(1); ++t) {
      const int64_t index = tokens[b][t].item<int64_t>();
      std::cout << "sentence " << b << ", step " << t << ": row " << index << " " << embedding.weight.detach()[index] << "\n"
                << "                      vector " << vectors.detach()[b][t] << "\n";
      require(gradus::equal(embedding.weight[index], vectors[b][t]), "the vector is the row");
    }
  return vectors;
}

static void one_hot_product(const nn::Embedding& embedding, const Tensor& tokens, const Tensor& vectors) {
  title("The same from a product: one-hot times weight");
  const Tensor one_hot = gradus::one_hot(tokens, 3).to(gradus::float32);  // (2, 3, 3)
  const Tensor product = one_hot.matmul(embedding.weight);                // (2, 3, 3) x (3, 4) -> (2, 3, 4)
  std::cout << "one-hot of the first sentence:\n" << one_hot[0] << "\n";
  std::cout << "largest difference to the lookup: " << (product - vectors).abs().max().item() << "\n";
  require(gradus::allclose(product, vectors), "the product is the lookup");
}

static Tensor steps_first(const Tensor& vectors) {
  title("permute: (batch, steps, embed) to (steps, batch, embed)");
  const Tensor steps = vectors.permute({1, 0, 2});
  std::cout << vectors.shape().str() << " with strides " << vectors.strides().str() << " becomes " << steps.shape().str()
            << " with strides " << steps.strides().str() << ": a view, nothing is copied\n";
  std::cout << "step 0 of every sentence:\n" << steps[0] << "\n";
  return steps;
}

static void output_and_state(const nn::GRU& rnn, const Tensor& steps) {
  title("GRU: output is the last layer at every step, state every layer at the last step");
  const auto [output, state] = rnn(steps);
  std::cout << rnn << "\n";
  std::cout << "output " << output.shape().str() << " (steps, batch, hidden):\n" << output << "\n";
  std::cout << "state " << state.shape().str() << " (layers, batch, hidden):\n" << state << "\n";
  const bool same = gradus::equal(output[-1], state[-1]);
  std::cout << "output[-1] == state[-1]: " << (same ? "true" : "false") << "\n";
  require(same, "output[-1] == state[-1]");
}

static void training_step(const nn::Embedding& embedding, const nn::GRU& rnn, const Tensor& tokens) {
  title("One training step moves the embedding");
  std::vector<Tensor> parameters = embedding.parameters();
  for (const Tensor& p : rnn.parameters()) parameters.push_back(p);
  gradus::optim::SGD sgd(parameters, {.lr = 1.0});
  const auto loss = [&] { return rnn(embedding(tokens).permute({1, 0, 2})).output.pow(2).mean(); };

  const Tensor before = embedding.weight.detach().clone();
  const Tensor first = loss();
  first.backward();
  std::cout << "loss " << first << "\ngradient of the embedding:\n" << embedding.weight.grad() << "\n";
  sgd.step();
  std::cout << "the weight moved by:\n" << embedding.weight.detach() - before << "\n";
  const Tensor second = loss();
  std::cout << "loss after the step " << second << "\n";
  require(second.item() < first.item(), "the loss falls");
}

int main() {
  gradus::manual_seed(0);
  const Tensor tokens = gradus::tensor({{0, 1, 2}, {2, 1, 0}});  // two sentences of three words
  const nn::Embedding embedding = words_as_vectors();
  const Tensor vectors = lookup(embedding, tokens);
  one_hot_product(embedding, tokens, vectors);
  const Tensor steps = steps_first(vectors);
  const nn::GRU rnn(4, 5, {.num_layers = 2});
  output_and_state(rnn, steps);
  training_step(embedding, rnn, tokens);
}
