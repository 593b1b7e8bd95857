#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/distributed.h"
#include "gradus/nn.h"
#include "gradus/optim.h"
#include "gradus/random.h"

/// Trains a small encoder and decoder with dropout, and prints a checksum of the bits of its parameters and losses: tests/distributed/run
/// compares those of 1, 2, 3 and 4 ranks. Arguments: the steps, then any of `sparse` (rows), `late` (nothing is sent while backward runs),
/// `small` (buckets of 1 kB), `kept` (every other step is kept by no_sync), `large` (tables of which a batch looks up a few rows).
namespace {

namespace nn = gradus::nn;
using gradus::Tensor;

constexpr int64_t kHidden = 24, kSteps = 7, kBatch = 13;

struct Seq2Seq : nn::Module {
  nn::Embedding source, target;
  nn::GRU encoder, decoder;
  nn::Dropout dropout;
  nn::Linear out;

  Seq2Seq(int64_t vocab, bool sparse)
      : source(register_module("source", nn::Embedding(vocab, kHidden, {.sparse = sparse}))),
        target(register_module("target", nn::Embedding(vocab, kHidden, {.sparse = sparse}))),
        encoder(register_module("encoder", nn::GRU(kHidden, kHidden, {.num_layers = 2, .dropout = 0.2}))),
        decoder(register_module("decoder", nn::GRU(kHidden, kHidden, {.num_layers = 2, .dropout = 0.2}))),
        dropout(register_module("dropout", nn::Dropout(0.3))),
        out(register_module("out", nn::Linear(kHidden, vocab))) {}

  Tensor operator()(const Tensor& from, const Tensor& to) const {
    const Tensor state = encoder(source(from).permute({1, 0, 2})).h_n;
    return out(dropout(decoder(target(to).permute({1, 0, 2}), state).output));  // (steps, batch, vocab)
  }
};

uint64_t hash_of(uint64_t hash, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001B3U;
  return hash;
}

}  // namespace

int main(int argc, char** argv) {
  const gradus::distributed::Session session;
  const auto has = [&](const char* word) {
    for (int i = 2; i < argc; ++i)
      if (std::string_view(argv[i]) == word) return true;
    return false;
  };
  gradus::manual_seed(11);
  const int64_t vocab = has("large") ? 2000 : 40;
  const Seq2Seq model(vocab, has("sparse"));
  gradus::distributed::DataParallelOptions options{.shards = 4};
  options.overlap = !has("late");
  if (has("small")) options.bucket_bytes = 1000;
  gradus::distributed::DataParallel parallel(session, model, options);
  gradus::optim::Adam adam(model.parameters(), {.lr = 1e-2});
  gradus::optim::Adagrad adagrad(model.parameters(), {.lr = 1e-2});
  uint64_t hash = 0xCBF29CE484222325U;
  for (int step = 0; step < std::stoi(argv[1]); ++step) {
    const Tensor from = gradus::randint(0, vocab, {kBatch, kSteps}), to = gradus::randint(0, vocab, {kBatch, kSteps});
    const auto backward = [&] {
      return parallel.backward(kBatch, [&](const gradus::distributed::Shard& s) -> gradus::distributed::ShardLoss {
        const Tensor words = to.slice(0, s.begin, s.end), logits = model(from.slice(0, s.begin, s.end), words);
        return nn::CrossEntropyLoss()(logits.reshape({-1, vocab}), words.permute({1, 0}).reshape({-1}));
      });
    };
    if (has("kept")) {
      const auto nothing_sent = parallel.no_sync();
      backward();
    }
    model.zero_grad();
    const double loss = backward();
    nn::clip_grad_norm_(model.parameters(), 1.0);
    if (has("sparse")) adagrad.step();
    else adam.step();
    hash = hash_of(hash, std::as_bytes(std::span(&loss, 1)));
  }
  for (const auto& [name, x] : model.state_dict())
    hash = hash_of(hash, std::as_bytes(std::span(x.data<float>(), static_cast<size_t>(x.numel()))));
  for (const Tensor& other : session.all_gather(gradus::from_vector(std::vector<int64_t>{static_cast<int64_t>(hash)}, {})))
    if (static_cast<uint64_t>(other.item<int64_t>()) != hash) std::printf("rank %d differs\n", session.rank());
  if (session.rank() == 0) std::printf("bits %016llx\n", static_cast<unsigned long long>(hash));
  return 0;
}
