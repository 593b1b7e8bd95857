#pragma once

#include <cstdint>

#include "gradus/nn/embedding.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"

namespace nn_test {

/// The encoder of the tutorials.
struct Encoder : gradus::nn::Module {
  gradus::nn::Embedding embedding;
  gradus::nn::GRU rnn;

  Encoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t layers, double dropout = 0)
      : embedding(register_module("embedding", gradus::nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", gradus::nn::GRU(embed, hidden, {.num_layers = layers, .dropout = dropout}))) {}

  gradus::nn::RNNOutput operator()(const gradus::Tensor& tokens) const { return rnn(embedding(tokens).permute({1, 0, 2})); }
};

}  // namespace nn_test
