#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gradus/dtype.h"
#include "gradus/io.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "source_root.h"

/// What the tests of modules share.
namespace nn_test {

using gradus::Shape;
using gradus::Tensor;
namespace nn = gradus::nn;
using Values = std::vector<double>;

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// The encoder of the tutorials.
struct Encoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;

  Encoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t layers, double dropout = 0)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden, {.num_layers = layers, .dropout = dropout}))) {}

  nn::RNNOutput operator()(const Tensor& tokens) const { return rnn(embedding(tokens).permute({1, 0, 2})); }
};

/// The text of the E that f throws. Another error fails the test, none gives an empty text.
template <class E>
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

inline Values values(const Tensor& x) { return x.to_vector<double>(); }

inline std::vector<std::string> names(const nn::StateDict& entries) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : entries) found.push_back(name);
  return found;
}

/// PyTorch's values, by the name of the file in tests/golden.
inline const gradus::io::SafeTensors& golden(const std::string& file) {
  static std::map<std::string, gradus::io::SafeTensors> files;
  const auto found = files.find(file);
  if (found != files.end()) return found->second;
  return files.emplace(file, gradus::io::load_safetensors(GRADUS_SOURCE_ROOT "/tests/golden/" + file + ".safetensors")).first->second;
}

/// Both have the shape and dtype, and no element is further off than tolerance * (1 + |theirs|).
inline void check_close(const Tensor& ours, const Tensor& theirs, double tolerance) {
  REQUIRE(ours.defined());
  REQUIRE(ours.shape().str() == theirs.shape().str());
  REQUIRE(ours.dtype() == theirs.dtype());
  CHECK(gradus::allclose(ours.detach(), theirs, tolerance, tolerance));
}

inline void check_same(const Tensor& ours, const Tensor& theirs) { check_close(ours, theirs, 0); }

}  // namespace nn_test
