#include <memory>

#include "gradus/creation.h"
#include "gradus/nn/clip.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/loss.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/indexing.h"
#include "gradus/optim/adam.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;

namespace {

/// Reads tokens and names a class: embedding, GRU, linear.
struct Reader : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;

  Reader(int64_t vocab, int64_t embed, int64_t hidden)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden, {.num_layers = 2, .dropout = 0.1, .bidirectional = true}))),
        head(register_module("head", nn::Linear(2 * hidden, vocab))) {}

  Tensor operator()(const Tensor& tokens) const { return head(rnn(embedding(tokens).permute({1, 0, 2})).output); }
};

/// Every loss, gradient norm and weight of five steps, as bits.
std::vector<double> trained(int threads) {
  gradus::set_num_threads(threads);
  gradus::manual_seed(7);
  const Reader model(60, 33, 65);
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.01});
  const Tensor tokens = gradus::randint(60, {70, 9}), target = tokens.t().reshape({-1});
  std::vector<double> found;
  for (int step = 0; step < 5; ++step) {
    adam.zero_grad();
    const Tensor loss = nn::CrossEntropyLoss()(model(tokens).reshape({-1, 60}), target);
    loss.backward();
    found.push_back(nn::clip_grad_norm_(model, 1.0));
    found.push_back(loss.item());
    adam.step();
  }
  for (const Tensor& p : model.parameters())
    for (const double v : values(p)) found.push_back(v);
  return found;
}

}  // namespace

TEST_CASE("five steps of training give the same bits with 1, 2 and 8 threads") {
  const int before = gradus::get_num_threads();
  const std::vector<double> one = trained(1);
  CHECK(one.size() > 100000);
  CHECK(one[9] < one[1]);
  for (const int threads : {2, 8}) {
    CAPTURE(threads);
    CHECK(trained(threads) == one);
  }
  CHECK(trained(1) == one);
  gradus::set_num_threads(before);
}
