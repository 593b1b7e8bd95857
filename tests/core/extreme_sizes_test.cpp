#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "gradus/gradus.h"
#include "sanitized.h"

using namespace gradus;

namespace {

constexpr int64_t least = std::numeric_limits<int64_t>::min(), most = std::numeric_limits<int64_t>::max();

/// Numbers of which no function can make that many elements: by themselves, or when they are multiplied by the sizes of what is there.
const std::vector<int64_t> impossible{least,
                                      least + 1,
                                      -(int64_t{1} << 60),
                                      int64_t{1} << 50,
                                      int64_t{1} << 60,
                                      (int64_t{1} << 60) + 1,
                                      int64_t{1} << 61,
                                      int64_t{1} << 62,
                                      most - 1,
                                      most};

struct Call {
  const char* name;
  std::function<void(int64_t n)> function;
};

const Tensor& vector() {
  static const Tensor x = ones({1000});
  return x;
}
const Tensor& matrix() {
  static const Tensor x = ones({4, 6}, {.requires_grad = true});
  return x;
}
const Tensor& image() {
  static const Tensor x = ones({1, 2, 5, 5});
  return x;
}

/// Every way to make a shape out of numbers.
const std::vector<Call> calls{
    {"empty", [](int64_t n) { empty({n}); }},
    {"empty of two",
     [](int64_t n) {
       empty({n, n});
     }},
    {"empty after a size",
     [](int64_t n) {
       empty({1000, n}, {.dtype = float64});
     }},
    {"zeros",
     [](int64_t n) {
       zeros({3, n});
     }},
    {"ones",
     [](int64_t n) {
       ones({n, 3});
     }},
    {"full",
     [](int64_t n) {
       full({n, 1, n}, 2);
     }},
    {"eye", [](int64_t n) { eye(n); }},
    {"eye by", [](int64_t n) { eye(3, n); }},
    {"arange", [](int64_t n) { arange(n); }},
    {"arange from", [](int64_t n) { arange(-(n / 2) - 1, n); }},
    {"arange of reals", [](int64_t n) { arange(0., static_cast<double>(n), 0.5); }},
    {"linspace", [](int64_t n) { linspace(0, 1, n); }},
    {"rand", [](int64_t n) { rand({n}); }},
    {"randn",
     [](int64_t n) {
       randn({n, 2});
     }},
    {"randint", [](int64_t n) { randint(0, 5, {n}); }},
    {"randperm", [](int64_t n) { randperm(n); }},
    {"multinomial", [](int64_t n) { multinomial(vector(), n, true); }},
    {"from_vector",
     [](int64_t n) {
       from_vector(std::vector<float>{1, 2}, {n, n});
     }},
    {"sparse_coo_tensor",
     [](int64_t n) {
       sparse_coo_tensor(arange(1).reshape({1, 1}), ones({1, 2}), {n, 2}).to_dense();
     }},
    {"expand",
     [](int64_t n) {
       ones({1, 1, 4}).expand({n, n, 4});
     }},
    {"expand a scalar",
     [](int64_t n) {
       tensor(1.).expand({n, n, n});
     }},
    {"broadcast",
     [](int64_t n) {
       ones({1, 4}).expand({n, 4}) * ones({1, 1000, 1});
     }},
    {"contiguous",
     [](int64_t n) {
       ones({1, 4}).expand({n, 4}).contiguous();
     }},
    {"sum of an expanded",
     [](int64_t n) {
       ones({1, 4}).expand({n, 4}).exp();
     }},
    {"repeat", [](int64_t n) { vector().repeat({n}); }},
    {"repeat twice",
     [](int64_t n) {
       matrix().repeat({n, n});
     }},
    {"repeat in front",
     [](int64_t n) {
       matrix().repeat({n, 1, 1});
     }},
    {"tile", [](int64_t n) { tile(vector(), {n}); }},
    {"reshape",
     [](int64_t n) {
       matrix().reshape({n, n});
     }},
    {"reshape with -1",
     [](int64_t n) {
       matrix().reshape({n, -1});
     }},
    {"view",
     [](int64_t n) {
       vector().view({-1, n});
     }},
    {"unflatten",
     [](int64_t n) {
       unflatten(matrix(), 1, {n, -1});
     }},
    {"as_strided",
     [](int64_t n) {
       as_strided(vector(), {n, 2}, {1, 1});
     }},
    {"as_strided by strides",
     [](int64_t n) {
       as_strided(vector(), {3, 2}, {n, n});
     }},
    {"as_strided from",
     [](int64_t n) {
       as_strided(vector(), {3, 2}, {1, 1}, n);
     }},
    {"pad",
     [](int64_t n) {
       pad(matrix(), {n, 1});
     }},
    {"pad after",
     [](int64_t n) {
       pad(matrix(), {1, n, n, 1});
     }},
    {"pad by itself",
     [](int64_t n) {
       pad(image(), {n, 0, 0, n}, "circular");
     }},
    {"pad by its edge",
     [](int64_t n) {
       pad(image(), {n, n, 0, 0}, "replicate");
     }},
    {"pad by its mirror",
     [](int64_t n) {
       pad(image(), {0, n}, "reflect");
     }},
    {"unfold", [](int64_t n) { unfold(matrix(), 0, n, 1); }},
    {"one_hot", [](int64_t n) { one_hot(arange(3), n); }},
    {"narrow", [](int64_t n) { narrow(matrix(), 0, n, n); }},
    {"narrow by", [](int64_t n) { narrow(matrix(), 0, 1, n); }},
    {"select", [](int64_t n) { select(matrix(), 0, n); }},
    {"select dim", [](int64_t n) { select(matrix(), n, 0); }},
    {"transpose", [](int64_t n) { transpose(matrix(), n, 0); }},
    {"permute",
     [](int64_t n) {
       permute(matrix(), {n, 0});
     }},
    {"squeeze", [](int64_t n) { squeeze(matrix(), n); }},
    {"unsqueeze", [](int64_t n) { unsqueeze(matrix(), n); }},
    {"flatten", [](int64_t n) { flatten(matrix(), 0, n); }},
    {"sum over", [](int64_t n) { sum(matrix(), n); }},
    {"cat",
     [](int64_t n) {
       cat({ones({1, 3}).expand({n, 3}), ones({1, 3}).expand({n, 3}), ones({1, 3}).expand({n, 3})}, 0);
     }},
    {"stack",
     [](int64_t n) {
       stack({tensor(1.).expand({n}), tensor(1.).expand({n})});
     }},
    {"cat along",
     [](int64_t n) {
       cat({matrix(), matrix()}, n);
     }},
    {"split",
     [](int64_t n) {
       split(matrix(), std::vector<int64_t>{n, n, 4, static_cast<int64_t>(-static_cast<uint64_t>(n))});
     }},
    {"topk", [](int64_t n) { topk(vector(), n); }},
    {"outer product",
     [](int64_t n) {
       tensor(1.).expand({n, 1}).matmul(tensor(1.).expand({1, n}));
     }},
    {"meshgrid",
     [](int64_t n) {
       meshgrid({tensor(1.).expand({n}), tensor(1.).expand({n})}, "ij")[0].contiguous();
     }},
    {"nn::Linear", [](int64_t n) { nn::Linear(n, 3); }},
    {"nn::Linear both", [](int64_t n) { nn::Linear(n, n); }},
    {"nn::Embedding", [](int64_t n) { nn::Embedding(n, 4); }},
    {"nn::LayerNorm", [](int64_t n) { nn::LayerNorm(Shape{n}); }},
    {"nn::GRU", [](int64_t n) { nn::GRU(n, 4); }},
    {"nn::GRU hidden", [](int64_t n) { nn::GRU(4, n); }},
    {"nn::Bilinear", [](int64_t n) { nn::Bilinear(n, 2, n); }},
    {"nn::Conv1d", [](int64_t n) { nn::Conv1d(n, n, 3); }},
    {"nn::Conv2d kernel",
     [](int64_t n) {
       nn::Conv2d(2, 2, {n, n});
     }},
    {"nn::Conv1d padding",
     [](int64_t n) {
       nn::Conv1d(2, 2, 3, {.padding = n})(ones({1, 2, 9}));
     }},
    {"nn::Conv1d dilation",
     [](int64_t n) {
       nn::Conv1d(2, 2, 3, {.dilation = n})(ones({1, 2, 9}));
     }},
    {"nn::MultiheadAttention", [](int64_t n) { nn::MultiheadAttention(n, 1); }},
    {"nn::MultiheadAttention heads", [](int64_t n) { nn::MultiheadAttention(8, n); }},
    {"nn::MultiheadAttention kdim", [](int64_t n) { nn::MultiheadAttention(8, 2, {.kdim = n}); }},
    {"nn::TransformerEncoderLayer", [](int64_t n) { nn::TransformerEncoderLayer(8, 2, {.dim_feedforward = n}); }},
    {"nn::TransformerEncoder", [](int64_t n) { nn::TransformerEncoder(nn::TransformerEncoderLayer(8, 2), n); }},
    {"nn::TransformerDecoder", [](int64_t n) { nn::TransformerDecoder(nn::TransformerDecoderLayer(8, 2), n); }},
    {"nn::Transformer encoder", [](int64_t n) { nn::Transformer({.d_model = 8, .nhead = 2, .num_encoder_layers = n}); }},
    {"nn::Transformer decoder", [](int64_t n) { nn::Transformer({.d_model = 8, .nhead = 2, .num_decoder_layers = n}); }},
    {"nn::PositionalEncoding", [](int64_t n) { nn::PositionalEncoding(8, {.max_len = n}); }},
    {"nn::AdditiveAttention", [](int64_t n) { nn::AdditiveAttention(n, n, n); }},
    {"nn::BatchNorm1d", [](int64_t n) { nn::BatchNorm1d{n}; }},
    {"nn::GroupNorm", [](int64_t n) { nn::GroupNorm(n, n); }},
    {"nn::PReLU", [](int64_t n) { nn::PReLU{n}; }},
    {"nn::EmbeddingBag", [](int64_t n) { nn::EmbeddingBag(n, 4); }},
    {"nn::RNN layers", [](int64_t n) { nn::RNN(4, 4, {.num_layers = n}); }},
    {"nn::LSTMCell", [](int64_t n) { nn::LSTMCell(n, n); }},
    {"nn::LinearCrossEntropy", [](int64_t n) { nn::LinearCrossEntropy(n, n); }},
    {"nn::MaxPool1d",
     [](int64_t n) {
       nn::MaxPool1d(Dims{n})(ones({1, 2, 9}));
     }},
    {"nn::MaxPool1d padding",
     [](int64_t n) {
       nn::MaxPool1d(2, {.padding = n})(ones({1, 2, 9}));
     }},
    {"nn::MaxPool1d dilation",
     [](int64_t n) {
       nn::MaxPool1d(2, {.dilation = n})(ones({1, 2, 9}));
     }},
    {"nn::AvgPool2d padding",
     [](int64_t n) {
       nn::AvgPool2d(2, {.padding = n})(ones({1, 2, 9, 9}));
     }},
    {"nn::AdaptiveAvgPool1d",
     [](int64_t n) {
       nn::AdaptiveAvgPool1d{n}(ones({1, 2, 9}));
     }},
    {"nn::AdaptiveMaxPool2d",
     [](int64_t n) {
       nn::AdaptiveMaxPool2d{n}(ones({1, 2, 9, 9}));
     }},
    {"nn::Unflatten",
     [](int64_t n) {
       nn::Unflatten(1, Shape{n, -1})(ones({2, 6}));
     }},
    {"diag", [](int64_t n) { diag(ones(4), n); }},
    {"unbind", [](int64_t n) { unbind(ones({1}).expand({n}), 0); }},
    {"one_hot of a number", [](int64_t n) { one_hot(tensor({n}), -1); }},
    {"gather", [](int64_t n) { gather(vector(), 0, tensor({n})); }},
    {"scatter", [](int64_t n) { scatter(vector(), 0, tensor({n}), ones({1})); }},
    {"index_select", [](int64_t n) { index_select(vector(), 0, tensor({n})); }},
    {"embedding", [](int64_t n) { embedding(tensor({n}), matrix()); }},
    {"embedding_bag from",
     [](int64_t n) {
       embedding_bag(tensor({0, 1, 2}), matrix(), tensor({int64_t{0}, n}));
     }},
    {"index", [](int64_t n) { index(vector(), {n}); }},
    {"index by a tensor", [](int64_t n) { index(vector(), {tensor({n})}); }},
    {"sequence_mask", [](int64_t n) { sequence_mask(tensor({1}), n); }},
    {"lengths",
     [](int64_t n) {
       nn::GRU(4, 4)(ones({1, 3, 4}), {}, tensor({n}));
     }},
    {"cross_entropy",
     [](int64_t n) {
       cross_entropy(ones({1, 3}), tensor({n}));
     }},
    {"conv1d of an expanded",
     [](int64_t n) {
       conv1d(ones({1, 1, 1}).expand({1, 1, n}), ones({1, 1, 3}));
     }},
    {"einsum",
     [](int64_t n) {
       einsum("i,j->ij", {tensor(1.).expand({n}), tensor(1.).expand({n})});
     }},
    {"Scratch", [](int64_t n) { Scratch<double>{n}; }},
};

/// What gives vectors that the caller owns, and that `operator new` pays for. In place of std::bad_alloc the address sanitizer ends the
/// program.
const std::vector<Call> calls_for_vectors{
    {"data::BatchSampler", [](int64_t n) { data::BatchSampler(n, {.batch_size = 4, .shuffle = true}).batches(0); }},
};

std::string outcome(const Call& call, int64_t n) {
  try {
    call.function(n);
    return "it returned";
  } catch (const Error&) {
    return "";
  } catch (const std::exception& error) {
    return std::string("an exception of another type: ") + error.what();
  }
}

void check_refused(const std::vector<Call>& list) {
  for (const Call& call : list)
    for (const int64_t n : impossible) {
      CAPTURE(std::string(call.name));
      CAPTURE(n);
      const auto begin = std::chrono::steady_clock::now();
      CHECK(outcome(call, n) == "");
      CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
    }
}

}  // namespace

TEST_CASE("numbers that no size can be are refused at once, by an error of gradus, wherever a shape is made") { check_refused(calls); }

TEST_CASE("numbers that no vector can hold are refused at once, by an error of gradus") {
  if (!testing::address_sanitized) check_refused(calls_for_vectors);
}
