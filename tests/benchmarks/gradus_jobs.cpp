#include <cblas.h>
#include <gradus/about.h>
#include <gradus/gradus.h>
#include <gradus/memory.h>
#include <gradus/parallel.h>
#include <gradus/precision.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "job.h"

namespace bench {
namespace {

namespace nn = gradus::nn;
using gradus::Tensor;

Tensor values(const gradus::Shape& shape, float scale, uint32_t salt, bool requires_grad = false) {
  const Tensor x = gradus::empty(shape);
  fill(x.data<float>(), x.numel(), scale, salt);
  return x.requires_grad_(requires_grad);
}

Tensor indices(const gradus::Shape& shape, int64_t limit, uint32_t salt) {
  const Tensor x = gradus::empty(shape, {.dtype = gradus::int64});
  fill_indices(x.data<int64_t>(), x.numel(), limit, salt);
  return x;
}

double total(const Tensor& x) { return x.defined() ? gradus::abs(x.detach()).sum({}, false, gradus::float64).item() : 0; }

/// nn::GRU, LSTM or RNN alone, forward and backward. Sizes: input, hidden, layers, batch, steps.
template <class Layers>
struct Recurrent {
  Layers layers;
  Tensor x, dy, y = {};

  explicit Recurrent(const std::vector<int64_t>& s)
      : layers(s[0], s[1], {.num_layers = s[2]}), x(values({s[4], s[3], s[0]}, 1, 1, true)), dy(values({s[4], s[3], s[1]}, 1, 2)) {
    const gradus::NoGradGuard no_grad;
    uint32_t salt = 10;
    for (const Tensor& p : layers.parameters()) fill(p.data<float>(), p.numel(), 0.1f, salt++);
  }
  void run() {
    for (const Tensor& p : layers.parameters()) p.set_grad({});
    x.set_grad({});
    y = layers(x).output;
    y.backward(dy);
  }
  double checksum() const {
    double sum = total(y) + total(x.grad());
    for (const Tensor& p : layers.parameters()) sum += total(p.grad());
    return sum;
  }
};

/// A whole training step. Sizes: vocabulary, embed, hidden, layers, batch, steps, classes.
struct Step {
  struct Model : nn::Module {
    nn::Embedding embedding;
    nn::GRU rnn;
    nn::Linear head;
    explicit Model(const std::vector<int64_t>& s)
        : embedding(register_module("embedding", nn::Embedding(s[0], s[1]))),
          rnn(register_module("rnn", nn::GRU(s[1], s[2], {.num_layers = s[3]}))),
          head(register_module("head", nn::Linear(s[2], s[6]))) {}
  };
  Model model;
  std::vector<Tensor> parameters;
  gradus::optim::Adam adam;
  Tensor tokens, target;
  int64_t classes;

  explicit Step(const std::vector<int64_t>& s)
      : model(s),
        parameters(model.parameters()),
        adam(parameters),
        tokens(indices({s[4], s[5]}, s[0], 1)),
        target(indices({s[5] * s[4]}, s[6], 2)),
        classes(s[6]) {}

  void run() {
    const Tensor output = model.rnn(model.embedding(tokens).permute({1, 0, 2})).output;
    const Tensor loss = gradus::cross_entropy(model.head(output).reshape({-1, classes}), target);
    adam.zero_grad();
    loss.backward();
    nn::clip_grad_norm_(parameters, 1.0);
    adam.step();
  }
};

/// A training step of a Transformer, or, without layers of a decoder, of a causal stack. Sizes: features, heads, layers of the encoder and
/// of the decoder, feed-forward, batch, steps.
struct TransformerStep {
  bool is_stack;
  nn::Transformer both;
  nn::TransformerEncoder stack;
  gradus::optim::Adam adam;
  Tensor x, y, mask, dy;

  explicit TransformerStep(const std::vector<int64_t>& s)
      : is_stack(s[3] == 0),
        both({.d_model = s[0],
              .nhead = s[1],
              .num_encoder_layers = is_stack ? 1 : s[2],
              .num_decoder_layers = is_stack ? 1 : s[3],
              .dim_feedforward = s[4]}),
        stack(nn::TransformerEncoderLayer(s[0], s[1], {.dim_feedforward = s[4]}), s[2]),
        adam(is_stack ? stack.parameters() : both.parameters()),
        x(values({s[6], s[5], s[0]}, 1, 1)),
        y(values({s[6], s[5], s[0]}, 1, 2)),
        mask(nn::Transformer::generate_square_subsequent_mask(s[6])),
        dy(values({s[6], s[5], s[0]}, 1, 3)) {}

  void run() {
    adam.zero_grad();
    const Tensor output = is_stack ? stack(x, mask) : both(x, y, {.tgt_mask = mask});
    output.backward(dy);
    adam.step();
  }
};

template <class State, class... Arguments>
Task stateful(const Arguments&... arguments) {
  auto state = std::make_shared<State>(arguments...);
  Task task{[state] { state->run(); }};
  if constexpr (requires { state->checksum(); }) task.checksum = [state] { return state->checksum(); };
  return task;
}

template <class F>
Task forward(F f) {
  return {[f] {
    const gradus::NoGradGuard no_grad;
    const Tensor y = f();
  }};
}

/// f(x), and its pullback of the same dy every time, to x and to the weights.
template <class F>
Task both(const Tensor& x, F f, std::vector<Tensor> weights = {}) {
  weights.push_back(x);
  for (const Tensor& w : weights) w.requires_grad_();
  const Tensor y = f(x);
  const Tensor dy = y.dim() == 0 ? Tensor() : values(y.shape(), 1, 3);
  return {[=] {
    for (const Tensor& w : weights) w.set_grad({});
    f(x).backward(dy);
  }};
}

/// Steps of nn::GRU as a decoder takes them. Sizes: input, hidden, layers, batch, steps.
Task gru_inference(const std::vector<int64_t>& s) {
  return forward([layers = nn::GRU(s[0], s[1], {.num_layers = s[2]}), x = values({s[4], s[3], s[0]}, 1, 1),
                  h = values({s[2], s[3], s[1]}, 1, 2)] { return layers(x, h).h_n; });
}

/// One step of a cell. Sizes: input, hidden, batch.
Task cell_inference(const std::vector<int64_t>& s, bool is_lstm) {
  const Tensor x = values({s[2], s[0]}, 1, 1), h = values({s[2], s[1]}, 1, 2), c = values({s[2], s[1]}, 1, 3);
  if (is_lstm) return forward([=, cell = nn::LSTMCell(s[0], s[1])] { return cell(x, h, c).h; });
  return forward([=, cell = nn::GRUCell(s[0], s[1])] { return cell(x, h); });
}

/// A step of nn::TransformerDecoder behind those already taken, which its cache holds. Sizes: features, heads, layers, feed-forward, steps
/// of the source, steps taken before (and up to 63 more).
Task transformer_inference(const std::vector<int64_t>& s) {
  struct Decoding {
    nn::TransformerDecoder decoder;
    Tensor memory, x;
    int64_t before;
    nn::TransformerCache cache = {};

    void step() {
      const gradus::NoGradGuard no_grad;
      decoder.step(x, cache);
    }
    void begin() {
      const gradus::NoGradGuard no_grad;
      cache = decoder.begin(memory);
      while (cache.steps() < before) step();
    }
  };
  const nn::TransformerDecoderLayer layer(s[0], s[1], {.dim_feedforward = s[3], .dropout = 0});
  auto state = std::make_shared<Decoding>(
      Decoding{nn::TransformerDecoder(layer, s[2]), values({s[4], 1, s[0]}, 1, 1), values({1, 1, s[0]}, 1, 2), s[5]});
  state->begin();
  return {[state] { state->step(); },
          [state] {
            if (state->cache.steps() >= state->before + 64) state->begin();
          }};
}

/// Reads n numbers, as fast as the machine can.
Task plain_read(int64_t n) {
  return {[x = values({n}, 1, 1)] {
    const auto size = static_cast<blasint>(x.numel());
    volatile float sum = cblas_sdot(size, x.data<float>(), 1, x.data<float>(), 1);
    (void)sum;
  }};
}

/// Copies n numbers by memcpy.
Task plain_copy(int64_t n) {
  return {[n, from = values({n}, 1, 1), to = values({n}, 1, 2)] {
    std::memcpy(to.data<float>(), from.data<float>(), static_cast<size_t>(n) * sizeof(float));
  }};
}

/// A chain of n recorded operations on one element; either its forward or its backward pass is timed.
template <class F>
Task chain(int64_t n, bool backward, F f) {
  const Tensor x = values({1}, 1, 1, true);
  auto y = std::make_shared<Tensor>();
  auto build = [=] {
    *y = x;
    for (int64_t i = 0; i < n; ++i) *y = f(*y);
  };
  auto clear = [=] { *y = {}, x.set_grad({}); };
  auto pull = [=] { y->backward(), *y = {}; };
  if (!backward) return {build, clear};
  return {pull, [=] { clear(), build(); }};
}

Task adam_step(const std::vector<int64_t>& s) {
  auto model = std::make_shared<Step>(s);
  uint32_t salt = 1;
  for (const Tensor& p : model->parameters) p.set_grad(values(p.shape(), 0.1f, salt++));
  return {[model] { model->adam.step(); }};
}

/// The gradient of an embedding alone. Sizes: vocabulary, embed, batch, steps.
Task embedding_backward(const std::vector<int64_t>& s) {
  const Tensor weight = values({s[0], s[1]}, 1, 1, true), tokens = indices({s[2], s[3]}, s[0], 2), dy = values({s[2], s[3], s[1]}, 1, 3);
  auto y = std::make_shared<Tensor>();
  return {[=] { y->backward(dy); },
          [=] {
            weight.set_grad({});
            *y = gradus::embedding(tokens, weight);
          }};
}

/// Output layer and cross-entropy, forward and backward, by way of all logits or in blocks. Sizes: rows, hidden, vocabulary.
Task output_layer(const std::vector<int64_t>& s, bool blocks) {
  const Tensor weight = values({s[2], s[1]}, 0.1f, 1, true), target = indices({s[0]}, s[2], 2), x = values({s[0], s[1]}, 1, 3, true);
  return {[=] {
    weight.set_grad({}), x.set_grad({});
    (blocks ? gradus::linear_cross_entropy(x, weight, {}, target) : gradus::cross_entropy(gradus::linear(x, weight), target)).backward();
  }};
}

/// Square product by OpenBLAS itself, with the kernels that gradus chose.
Task sgemm(int64_t n) {
  const Tensor a = values({n, n}, 1, 1), b = values({n, n}, 1, 2), c = gradus::matmul(a, b);
  return {[=] {
    const auto size = static_cast<blasint>(n);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size, size, size, 1, a.data<float>(), size, b.data<float>(), size, 0,
                c.data<float>(), size);
  }};
}

std::optional<Task> indexing_task(const std::string& kind, const std::vector<int64_t>& s) {
  if (kind == "cumsum forward") return forward([x = values({s[0], s[1]}, 1, 1), d = s[2]] { return gradus::cumsum(x, d); });
  if (kind == "cumsum") return both(values({s[0], s[1]}, 1, 1), [d = s[2]](const Tensor& x) { return gradus::cumsum(x, d); });
  if (kind == "sort") return forward([x = values({s[0], s[1]}, 1, 1)] { return gradus::sort(x).values; });
  if (kind == "topk") return forward([x = values({s[0], s[1]}, 1, 1), k = s[2]] { return gradus::topk(x, k).values; });
  if (kind == "gather")
    return both(values({s[0], s[1]}, 1, 1), [i = indices({s[0], s[2]}, s[1], 2)](const Tensor& x) { return gradus::gather(x, 1, i); });
  if (kind == "index_put")
    return both(values({s[0], s[1]}, 1, 1),
                [i = indices({s[2]}, s[0], 2), v = values({s[2], s[1]}, 1, 4)](const Tensor& x) { return gradus::index_put(x, {i}, v); });
  if (kind == "index_put accumulate")
    return both(values({s[0], s[1]}, 1, 1), [i = indices({s[2]}, s[0], 2), v = values({s[2], s[1]}, 1, 4)](const Tensor& x) {
      return gradus::index_put(x, {i}, v, true);
    });
  if (kind == "where")
    return both(values({s[0], s[1]}, 1, 1),
                [c = values({s[0], s[1]}, 1, 2) > 0, y = values({s[0], s[1]}, 1, 4)](const Tensor& x) { return gradus::where(c, x, y); });
  if (kind == "embedding_bag")
    return both(values({s[0], s[1]}, 1, 1), [i = indices({s[2], s[3]}, s[0], 2)](const Tensor& w) { return gradus::embedding_bag(i, w); });
  return {};
}

std::optional<Task> layer_task(const std::string& kind, const std::vector<int64_t>& s) {
  if (kind == "gru inference") return gru_inference(s);
  if (kind == "gru cell" || kind == "lstm cell") return cell_inference(s, kind == "lstm cell");
  if (kind == "transformer inference") return transformer_inference(s);
  if (kind == "read") return plain_read(s[0]);
  if (kind == "memcpy") return plain_copy(s[0]);
  if (kind == "conv1d") {
    const Tensor w = values({s[2], s[1], s[4]}, 0.1f, 2), b = values({s[2]}, 0.1f, 4);
    return both(values({s[0], s[1], s[3]}, 1, 1), [=, p = s[4] / 2](const Tensor& x) { return gradus::conv1d(x, w, b, 1, p); }, {w, b});
  }
  if (kind == "conv2d") {
    const Tensor w = values({s[2], s[1], s[4], s[4]}, 0.1f, 2), b = values({s[2]}, 0.1f, 4);
    return both(values({s[0], s[1], s[3], s[3]}, 1, 1), [=, p = s[4] / 2](const Tensor& x) { return gradus::conv2d(x, w, b, 1, p); },
                {w, b});
  }
  if (kind == "batch_norm") {
    const Tensor w = values({s[1]}, 1, 2), b = values({s[1]}, 1, 4);
    return both(values({s[0], s[1], s[2]}, 1, 1), [=](const Tensor& x) { return gradus::batch_norm(x, {}, {}, w, b, true); }, {w, b});
  }
  return {};
}

std::optional<Task> op_task(const std::string& kind, const std::vector<int64_t>& s) {
  if (kind == "softmax forward") return forward([x = values({s[0], s[1]}, 4, 1)] { return gradus::softmax(x, 1); });
  if (kind == "softmax") return both(values({s[0], s[1]}, 4, 1), [](const Tensor& x) { return gradus::softmax(x, 1); });
  if (kind == "log_softmax forward") return forward([x = values({s[0], s[1]}, 4, 1)] { return gradus::log_softmax(x, 1); });
  if (kind == "log_softmax") return both(values({s[0], s[1]}, 4, 1), [](const Tensor& x) { return gradus::log_softmax(x, 1); });
  if (kind.starts_with("layer_norm")) {
    const auto norm = [n = s[1], weight = values({s[1]}, 1, 2), bias = values({s[1]}, 1, 3)](const Tensor& x) {
      return gradus::layer_norm(x, {n}, weight, bias);
    };
    const Tensor x = values({s[0], s[1]}, 1, 1);
    return kind == "layer_norm" ? both(x, norm) : forward([=] { return norm(x); });
  }
  if (kind == "cross_entropy")
    return both(values({s[0], s[1]}, 4, 1), [t = indices({s[0]}, s[1], 2)](const Tensor& x) { return gradus::cross_entropy(x, t); });
  if (kind == "embedding backward") return embedding_backward(s);
  if (kind == "permute contiguous") return forward([x = values({s[0], s[1], s[2]}, 1, 1)] { return x.permute({1, 0, 2}).contiguous(); });
  if (kind == "transpose contiguous") return forward([x = values({s[0], s[1]}, 1, 1)] { return x.t().contiguous(); });
  if (kind == "sum") return forward([x = values({s[0], s[1], s[2]}, 1, 1), d = s[3]] { return x.sum({d}); });
  if (kind == "sum all") return forward([x = values({s[0], s[1], s[2]}, 1, 1)] { return x.sum(); });
  if (kind == "add row") return forward([x = values({s[0], s[1]}, 1, 1), y = values({s[1]}, 1, 2)] { return x + y; });
  if (kind == "add column") return forward([x = values({s[0], s[1]}, 1, 1), y = values({s[0], 1}, 1, 2)] { return x + y; });
  if (kind == "gelu forward") return forward([x = values({s[0], s[1]}, 3, 1)] { return gradus::gelu(x); });
  if (kind == "gelu") return both(values({s[0], s[1]}, 3, 1), [](const Tensor& x) { return gradus::gelu(x); });
  if (kind == "dropout") return both(values({s[0], s[1]}, 1, 1), [](const Tensor& x) { return gradus::dropout(x, 0.5); });
  if (kind == "adam") return adam_step(s);
  return {};
}

}  // namespace

Task make_task(const Job& given) {
  constexpr std::string_view medium = "medium ";
  const bool is_medium = given.kind.starts_with(medium);
  gradus::set_float32_matmul_precision(is_medium ? "medium" : "highest");
  const Job job{given.kind.substr(is_medium ? medium.size() : 0), given.threads, given.sizes};
  gradus::set_num_threads(job.threads);
  gradus::manual_seed(1);
  const auto& s = job.sizes;
  if (job.kind == "gru") return stateful<Recurrent<nn::GRU>>(s);
  if (job.kind == "lstm") return stateful<Recurrent<nn::LSTM>>(s);
  if (job.kind == "rnn") return stateful<Recurrent<nn::RNN>>(s);
  if (job.kind == "step") return stateful<Step>(s);
  if (job.kind == "transformer") return stateful<TransformerStep>(s);
  if (job.kind == "sgemm") return sgemm(s[0]);
  if (job.kind == "output layer" || job.kind == "linear_cross_entropy") return output_layer(s, job.kind != "output layer");
  for (const bool backward : {false, true}) {
    const std::string pass = backward ? " backward" : " forward";
    if (job.kind == "tanh chain" + pass) return chain(s[0], backward, [](const Tensor& y) { return gradus::tanh(y); });
    if (job.kind == "mul chain" + pass)
      return chain(s[0], backward, [c = values({1}, 1, 2)](const Tensor& y) { return gradus::mul(y, c); });
  }
  for (const auto& find : {op_task, indexing_task, layer_task})
    if (auto task = find(job.kind, s)) return *task;
  throw NoSuchJob("gradus has no " + job.kind);
}

std::string about() {
  std::string text = gradus::about();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

size_t peak_bytes() { return gradus::memory_stats().peak_bytes; }

}  // namespace bench
