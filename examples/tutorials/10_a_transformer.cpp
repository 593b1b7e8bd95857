// The program of docs/tutorials/10_a_transformer.md: every part of a Transformer built from tensors, then one that sorts.

// [start:includes]
#include <gradus/gradus.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace generate = gradus::generate;
namespace nn = gradus::nn;
namespace plot = gradus::plot;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:same]
static const char* same(const Tensor& mine, const Tensor& theirs) {
  return mine.shape() == theirs.shape() && gradus::allclose(mine, theirs, 1e-5, 1e-5) ? "yes" : "no";
}
// [end:same]

// [start:attend]
/// Queries q (…, S, D), keys k (…, T, D), values v (…, T, D), hidden (S, T), true where a query may not look, or undefined → (…, S, D)
static Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& hidden = {}) {
  Tensor scores = q.matmul(k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1)));  // (…, S, T)
  if (hidden.defined()) scores = scores.masked_fill(hidden, -INFINITY);                        // (…, S, T)
  return scores.softmax(-1).matmul(v);                                                         // (…, S, D)
}
// [end:attend]

// [start:waves]
/// Where each of T steps is, as E numbers → (T, E). E is even.
static Tensor waves(int64_t T, int64_t E) {
  Tensor step = gradus::arange(T).to(gradus::float32).unsqueeze(1);                    // (T, 1)
  Tensor pair = gradus::arange(0, E, 2).to(gradus::float32) / static_cast<double>(E);  // (E / 2): 2i / E
  Tensor angle = step * (pair * -std::log(10000.0)).exp();                             // (T, E / 2): step / 10000^(2i / E)
  return gradus::stack({angle.sin(), angle.cos()}, 2).flatten(1, 2);                   // (T, E): sine, cosine, sine, cosine, …
}
// [end:waves]

// [start:heads]
/// (B, T, E) → (B, H, T, D): the E numbers of each step are cut into H pieces of D = E / H, one for each head.
static Tensor to_heads(const Tensor& x, int64_t heads) {
  return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).permute({0, 2, 1, 3});
}

/// (B, H, T, D) → (B, T, E): the way back.
static Tensor from_heads(const Tensor& x) { return x.permute({0, 2, 1, 3}).flatten(2, 3); }

/// What `layer` computes. x (B, S, E) asks, memory (B, T, E) is asked, hidden (S, T) or undefined → (B, S, E)
static Tensor multihead(const nn::MultiheadAttention& layer, const Tensor& x, const Tensor& memory, const Tensor& hidden = {}) {
  const std::vector<Tensor> w = layer.in_proj_weight.chunk(3), b = layer.in_proj_bias.chunk(3);  // W_q, W_k, W_v, each (E, E); (E)
  Tensor q = to_heads(gradus::linear(x, w[0], b[0]), layer.num_heads());                         // (B, H, S, D)
  Tensor k = to_heads(gradus::linear(memory, w[1], b[1]), layer.num_heads());                    // (B, H, T, D)
  Tensor v = to_heads(gradus::linear(memory, w[2], b[2]), layer.num_heads());                    // (B, H, T, D)
  return layer.out_proj(from_heads(attend(q, k, v, hidden)));                                    // (B, S, E)
}
// [end:heads]

// [start:later]
/// (T, T), true above the diagonal: what comes later may not be seen.
static Tensor later(int64_t T) { return gradus::triu(gradus::ones({T, T}), 1).to(gradus::boolean); }
// [end:later]

// [start:norm]
/// (x − mean) / √(variance + ε) over the last dimension, times a weight, plus a bias. x (B, T, E), weight and bias (E) → (B, T, E)
static Tensor normalised(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor centred = x - x.mean(-1, true);                      // (B, T, E)
  Tensor variance = (centred * centred).mean(-1, true);       // (B, T, 1)
  return centred / (variance + 1e-5).sqrt() * weight + bias;  // (B, T, E)
}
// [end:norm]

// [start:residual]
/// x (B, T, E), and what `block` adds to it → (B, T, E)
template <class Block>
static Tensor residual(const Tensor& x, const nn::LayerNorm& norm, bool pre, const Block& block) {
  return pre ? x + block(norm(x)) : norm(x + block(x));
}
// [end:residual]

// [start:encoder_layer]
/// (B, T, E) → (B, T, E)
static Tensor encoder_layer(const nn::TransformerEncoderLayer& layer, const Tensor& x, bool pre, const Tensor& hidden = {}) {
  const auto look = [&](const Tensor& y) { return multihead(layer.self_attn, y, y, hidden); };  // (B, T, E)
  const auto think = [&](const Tensor& y) { return layer.linear2(layer.linear1(y).relu()); };   // (B, T, E), by way of (B, T, F)
  return residual(residual(x, layer.norm1, pre, look), layer.norm2, pre, think);
}
// [end:encoder_layer]

// [start:decoder_layer]
/// y (B, S, E), what was written; memory (B, T, E), what the encoder gave → (B, S, E)
static Tensor decoder_layer(const nn::TransformerDecoderLayer& layer, const Tensor& y, const Tensor& memory, bool pre) {
  const auto look_back = [&](const Tensor& x) { return multihead(layer.self_attn, x, x, later(x.size(1))); };  // (B, S, E)
  const auto look_over = [&](const Tensor& x) { return multihead(layer.multihead_attn, x, memory); };          // (B, S, E)
  const auto think = [&](const Tensor& x) { return layer.linear2(layer.linear1(x).relu()); };                  // (B, S, E)
  const Tensor own = residual(y, layer.norm1, pre, look_back);
  return residual(residual(own, layer.norm2, pre, look_over), layer.norm3, pre, think);
}
// [end:decoder_layer]

// [start:transformer]
/// source (B, T, E), target (B, S, E) → (B, S, E)
static Tensor whole(const nn::Transformer& model, const Tensor& source, const Tensor& target, bool pre) {
  Tensor memory = source, y = target;
  for (const nn::TransformerEncoderLayer& layer : model.encoder.layers) memory = encoder_layer(layer, memory, pre);
  memory = (*model.encoder.norm)(memory);
  for (const nn::TransformerDecoderLayer& layer : model.decoder.layers) y = decoder_layer(layer, y, memory, pre);
  return (*model.decoder.norm)(y);
}
// [end:transformer]

// [start:model]
struct Sorter : nn::Module {
  static constexpr int64_t begin = 10;  // the token before the first digit
  bool knows_positions;
  nn::Embedding embedding;  // ten digits and `begin`
  nn::PositionalEncoding position;
  nn::Transformer transformer;
  nn::Linear out;

  explicit Sorter(int64_t E, int64_t heads, bool positions = true)
      : knows_positions(positions),
        embedding(register_module("embedding", nn::Embedding(11, E))),
        position(register_module("position", nn::PositionalEncoding(E, {.dropout = 0, .batch_first = true}))),
        transformer(register_module("transformer", nn::Transformer({.d_model = E,
                                                                    .nhead = heads,
                                                                    .num_encoder_layers = 1,
                                                                    .num_decoder_layers = 1,
                                                                    .dim_feedforward = 2 * E,
                                                                    .dropout = 0,
                                                                    .batch_first = true,
                                                                    .norm_first = true}))),
        out(register_module("out", nn::Linear(E, 10))) {}

  Tensor embed(const Tensor& tokens, int64_t start = 0) const {  // (B, T) → (B, T, E)
    return knows_positions ? position(embedding(tokens), start) : embedding(tokens);
  }

  Tensor operator()(const Tensor& source, const Tensor& input) const {                              // (B, T), (B, S)
    const Tensor y = transformer(embed(source), embed(input), {.tgt_mask = later(input.size(1))});  // (B, S, E)
    return out(y);                                                                                  // (B, S, 10)
  }
};
// [end:model]

// [start:tasks]
/// Digits (B, T) → (B, T)
static Tensor sorted(const Tensor& digits) { return gradus::sort(digits, 1).values; }
static Tensor reversed(const Tensor& digits) { return digits.flip({1}); }

/// What the decoder reads: `begin`, then all but the last. (B, S) → (B, S)
static Tensor shifted(const Tensor& target) {
  return gradus::cat({gradus::full({target.size(0), 1}, Sorter::begin), target.slice(1, 0, -1)}, 1);
}
// [end:tasks]

// [start:train]
template <class Task>
static void train(const Sorter& model, const Task& task, int steps, bool tell = true) {
  gradus::optim::Adam adam(model.parameters(), {.lr = 3e-3});
  for (int step = 1; step <= steps; ++step) {
    const Tensor source = gradus::randint(10, {32, 8}), target = task(source);          // (B 32, T 8), (B, S 8)
    const Tensor logits = model(source, shifted(target));                               // (B, S, 10)
    const Tensor loss = gradus::cross_entropy(logits.flatten(0, 1), target.flatten());  // a scalar
    adam.zero_grad();
    loss.backward();
    nn::clip_grad_norm_(model.parameters(), 1.0);
    adam.step();
    if (tell && (step == 1 || step % 100 == 0)) std::printf("step %4d: %.3f nats a digit\n", step, loss.item());
  }
}
// [end:train]

// [start:write]
/// (B, T) → (B, steps), digit by digit
static Tensor write(const Sorter& model, const Tensor& source, int64_t steps) {
  gradus::NoGradGuard no_grad;
  const auto step = [&](const Tensor& tokens, nn::TransformerCache cache) {  // (B)
    const Tensor x = model.embed(tokens.unsqueeze(1), cache.steps());        // (B, 1, E)
    const Tensor y = model.transformer.decoder.step(x, cache);               // (B, 1, E)
    return std::pair(model.out(y.squeeze(1)), cache);                        // (B, 10)
  };
  const Tensor memory = model.transformer.encoder(model.embed(source));  // (B, T, E)
  const Tensor start = gradus::full({source.size(0)}, Sorter::begin);    // (B)
  std::vector<int64_t> digits;
  for (const generate::Hypothesis& row :
       generate::greedy_search(step, start, model.transformer.decoder.begin(memory), {.max_length = steps}))
    digits.insert(digits.end(), row.tokens.begin(), row.tokens.end());
  return gradus::from_vector(digits, {source.size(0), steps});
}
// [end:write]

// [start:right]
/// The share of new rows that are right from the first digit to the last.
template <class Task>
static double right(const Sorter& model, const Task& task) {
  const Tensor source = gradus::randint(10, {500, 8});                   // (500, 8)
  const Tensor wrong = write(model, source, 8).ne(task(source)).sum(1);  // (500): how many digits are wrong
  return wrong.eq(0).to(gradus::float64).mean().item();
}
// [end:right]

// [start:labels]
static std::vector<std::string> labels(const Tensor& digits) {  // (T)
  std::vector<std::string> texts;
  for (const int64_t digit : digits.to_vector<int64_t>()) texts.push_back(std::to_string(digit));
  return texts;
}
// [end:labels]

// [start:answer_2]
/// The norm of the loss's gradient at the weights of each linear1, first layer to last.
static std::vector<double> gradients(bool pre) {
  gradus::manual_seed(0);
  const nn::TransformerEncoderLayer layer(32, 4, {.dim_feedforward = 64, .dropout = 0, .batch_first = true, .norm_first = pre});
  const nn::TransformerEncoder stack(layer, 24);
  for (const Tensor& weight : stack.parameters())
    if (weight.dim() > 1) nn::init::xavier_uniform_(weight);  // each layer its own
  const Tensor target = gradus::randn({8, 10, 32});           // (B 8, T 10, E 32)
  (stack(gradus::randn({8, 10, 32})) * target).mean().backward();
  std::vector<double> norms;
  for (const nn::TransformerEncoderLayer& each : stack.layers) norms.push_back(each.linear1.weight.grad().norm().item());
  return norms;
}
// [end:answer_2]

int main() {
  region("attend");
  // [start:alike]
  gradus::manual_seed(0);
  const int64_t B = 2, T = 5, E = 8, H = 2;
  const Tensor x = gradus::randn({B, T, E});  // (B, T, E)
  std::cout << "same as the library's: " << same(attend(x, x, x), gradus::scaled_dot_product_attention(x, x, x)) << "\n";
  const Tensor order = gradus::tensor({4, 2, 0, 1, 3});  // (T)
  const Tensor mixed = x.index_select(1, order);         // (B, T, E)
  std::cout << "the order does not matter: " << same(attend(mixed, mixed, mixed), attend(x, x, x).index_select(1, order)) << "\n";
  // [end:alike]

  region("waves");
  // [start:positions]
  const nn::PositionalEncoding position(E, {.dropout = 0, .batch_first = true});
  std::cout << "same as the library's: " << same(x + waves(T, E), position(x)) << "\n";
  const Tensor place = waves(50, 32);  // (50, 32)
  for (const int64_t t : {3, 20, 40})
    std::printf("step %2d with itself %.3f, with the next %.3f, with the fifth from it %.3f\n", static_cast<int>(t),
                (place[t] * place[t]).sum().item(), (place[t] * place[t + 1]).sum().item(), (place[t] * place[t + 5]).sum().item());
  // [end:positions]

  region("waves_picture");
  // [start:waves_picture]
  plot::Figure({.title = "24 steps of 16 numbers", .width = 420, .height = 360})
      .heat_map(waves(24, 16), {.range = plot::Range{-1, 1}})
      .save("waves.svg");
  // [end:waves_picture]

  region("heads");
  // [start:compare_heads]
  const nn::MultiheadAttention attention(E, H, {.batch_first = true});
  const auto [output, weights] = attention(x, x, x, {.average_attn_weights = false});  // (B, T, E), (B, H, T, T)
  std::cout << "weights " << weights.shape() << ", same: " << same(multihead(attention, x, x), output) << "\n";
  // [end:compare_heads]

  region("causal");
  // [start:causal]
  std::cout << later(3) << "\n" << nn::Transformer::generate_square_subsequent_mask(3) << "\n";
  const Tensor seen = attention(x, x, x, {.attn_mask = later(T)}).output;  // (B, T, E)
  std::cout << "same: " << same(multihead(attention, x, x, later(T)), seen) << "\n";
  const Tensor changed = x.clone();
  changed.select(1, 3).fill_(9);                                                              // another word at step 3
  const Tensor after = attention(changed, changed, changed, {.attn_mask = later(T)}).output;  // (B, T, E)
  std::cout << "differs by step: " << (after - seen).abs().amax({0, 2}).gt(0) << "\n";
  // [end:causal]

  region("norm");
  // [start:compare_norm]
  const nn::LayerNorm norm(E);
  std::cout << "same: " << same(normalised(x, norm.weight, norm.bias), norm(x)) << "\n";
  std::cout << "whatever the scale: " << same(norm(x * 100), norm(x * 1000)) << "\n";
  // [end:compare_norm]

  region("encoder_layer");
  // [start:compare_encoder]
  for (const bool pre : {false, true}) {
    const nn::TransformerEncoderLayer layer(E, H, {.dim_feedforward = 16, .dropout = 0, .batch_first = true, .norm_first = pre});
    std::cout << (pre ? "pre" : "post") << "-norm, same: " << same(encoder_layer(layer, x, pre), layer(x)) << "\n";
  }
  const nn::TransformerEncoderLayer base(512, 8);  // the paper's, F 2048
  int64_t attending = 0, all = 0;
  for (const Tensor& weight : base.self_attn.parameters()) attending += weight.numel();
  for (const Tensor& weight : base.parameters()) all += weight.numel();
  std::cout << "a layer of 512 has " << all << " numbers, " << attending << " of them for attention\n";
  // [end:compare_encoder]

  region("decoder_layer");
  // [start:compare_decoder]
  const Tensor y = gradus::randn({B, 3, E});  // (B, S 3, E)
  for (const bool pre : {false, true}) {
    const nn::TransformerDecoderLayer layer(E, H, {.dim_feedforward = 16, .dropout = 0, .batch_first = true, .norm_first = pre});
    std::cout << (pre ? "pre" : "post") << "-norm, same: " << same(decoder_layer(layer, y, x, pre), layer(y, x, {.tgt_mask = later(3)}))
              << "\n";
  }
  // [end:compare_decoder]

  region("transformer");
  // [start:compare_transformer]
  const nn::Transformer small({.d_model = E,
                               .nhead = H,
                               .num_encoder_layers = 2,
                               .num_decoder_layers = 2,
                               .dim_feedforward = 16,
                               .dropout = 0,
                               .batch_first = true});
  std::cout << "same: " << same(whole(small, x, y, false), small(x, y, {.tgt_mask = later(3)})) << "\n";
  // [end:compare_transformer]

  region("train");
  // [start:training]
  gradus::manual_seed(1);
  const Sorter model(32, 4);
  model.to(gradus::float64);  // for the page, as in chapter 4
  train(model, sorted, 400);
  model.eval();
  std::printf("right from the first digit to the last: %.3f\n", right(model, sorted));
  std::cout << write(model, gradus::tensor({{3, 1, 4, 1, 5, 9, 2, 6}}), 8) << "\n";
  // [end:training]

  region("look");
  // [start:looked]
  const Tensor asked = gradus::tensor({{3, 1, 4, 1, 5, 9, 2, 6}});  // (1, T 8)
  const Tensor written = write(model, asked, 8);                    // (1, S 8)
  const nn::AttentionRecorder recorder(model);
  model(asked, shifted(written));
  const Tensor looks = recorder.of("transformer.decoder.layers.0.multihead_attn")[0];  // (1, H, S, T)
  std::vector<plot::Figure> pictures;
  for (int64_t h = 0; h < looks.size(1); ++h)
    pictures.push_back(
        plot::Figure({.title = "head " + std::to_string(h), .width = 360, .height = 320})
            .heat_map(looks[0][h], {.row_labels = labels(written[0]), .column_labels = labels(asked[0]), .range = plot::Range{0, 1}}));
  plot::save("heads.svg", pictures);
  std::cout << looks.shape() << "\n";
  // [end:looked]

  region("cache");
  // [start:cache]
  {
    gradus::NoGradGuard no_grad;
    const Tensor memory = model.transformer.encoder(model.embed(asked));                      // (1, T, E)
    const Tensor input = model.embed(shifted(written));                                       // (1, S, E)
    const Tensor at_once = model.transformer.decoder(input, memory, {.tgt_mask = later(8)});  // (1, S, E)
    nn::TransformerCache cache = model.transformer.decoder.begin(memory);
    std::vector<Tensor> steps;
    for (int64_t s = 0; s < 8; ++s) steps.push_back(model.transformer.decoder.step(input.slice(1, s, s + 1), cache));  // (1, 1, E)
    std::cout << "same: " << same(gradus::cat(steps, 1), at_once) << ", kept keys " << cache.layers[0].self_attn.keys().shape()
              << ", of the memory " << cache.layers[0].multihead_attn.keys().shape() << "\n";
  }
  // [end:cache]

  region("times");
  // [start:times]
  {
    gradus::NoGradGuard no_grad;
    const nn::Transformer larger(
        {.d_model = 128, .nhead = 4, .num_encoder_layers = 2, .num_decoder_layers = 2, .dim_feedforward = 512, .batch_first = true});
    larger.eval();
    const Tensor memory = larger.encoder(gradus::randn({1, 20, 128})), input = gradus::randn({1, 200, 128});  // (1, T, E), (1, S, E)
    const auto seconds = [](const auto& work) {
      const auto before = std::chrono::steady_clock::now();
      work();
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    };
    std::puts("seconds for 200 steps");
    std::printf("all anew at each step  %.2f\n", seconds([&] {
                  for (int64_t s = 1; s <= 200; ++s) larger.decoder(input.slice(1, 0, s), memory, {.tgt_mask = later(s)});
                }));
    std::printf("with a cache           %.2f\n", seconds([&] {
                  nn::TransformerCache cache = larger.decoder.begin(memory);
                  for (int64_t s = 0; s < 200; ++s) larger.decoder.step(input.slice(1, s, s + 1), cache);
                }));
  }
  // [end:times]

  region("answer_1");
  // [start:run_1]
  const auto share_right = [](const auto& task, bool positions) {
    gradus::manual_seed(1);
    const Sorter learner(32, 4, positions);
    learner.to(gradus::float64);
    train(learner, task, 400, false);
    learner.eval();
    return right(learner, task);
  };
  std::printf("sort     with positions %.2f, without %.2f\n", right(model, sorted), share_right(sorted, false));
  std::printf("reverse  with positions %.2f, without %.2f\n", share_right(reversed, true), share_right(reversed, false));
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  for (const bool pre : {false, true}) {
    const std::vector<double> norms = gradients(pre);
    std::printf("%-9s layer 1 %.1e, layer 12 %.1e, layer 24 %.1e\n", pre ? "pre-norm" : "post-norm", norms[0], norms[11], norms[23]);
  }
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  const nn::TransformerDecoderLayer& layer = model.transformer.decoder.layers[0];
  for (int64_t h = 0; h < 4; ++h) {
    gradus::NoGradGuard no_grad;
    const Tensor columns = layer.multihead_attn.out_proj.weight.slice(1, 8 * h, 8 * h + 8);  // (E, D): what reads this head
    const Tensor before = columns.clone();
    columns.fill_(0);
    std::printf("without head %d: %.2f of the rows right\n", static_cast<int>(h), right(model, sorted));
    columns.copy_(before);
  }
  // [end:run_3]
}
