#include <torch/torch.h>

#include <memory>
#include <optional>

#include "job.h"

// The jobs of gradus_jobs.cpp, as a user of LibTorch would write them. Gradients are dropped between steps, not set to zero, which is the
// quicker of LibTorch's two ways.

// OpenBLAS's, which Debian's LibTorch uses; PyTorch's own wheels have MKL.
extern "C" char* openblas_get_corename();

namespace bench {
namespace {

namespace nn = torch::nn;
using torch::Tensor;

Tensor values(at::IntArrayRef shape, float scale, uint32_t salt, bool requires_grad = false) {
  Tensor x = torch::empty(shape);
  fill(x.data_ptr<float>(), x.numel(), scale, salt);
  return x.requires_grad_(requires_grad);
}

Tensor indices(at::IntArrayRef shape, int64_t limit, uint32_t salt) {
  Tensor x = torch::empty(shape, torch::kInt64);
  fill_indices(x.data_ptr<int64_t>(), x.numel(), limit, salt);
  return x;
}

double total(const Tensor& x) { return x.defined() ? x.detach().abs().sum(torch::kFloat64).item<double>() : 0; }

void drop_gradients(const std::vector<Tensor>& parameters) {
  for (const Tensor& p : parameters) p.mutable_grad() = Tensor();
}

template <class Layers, class Options>
struct Recurrent {
  Layers layers;
  std::vector<Tensor> parameters;
  Tensor x, dy, y;

  explicit Recurrent(const std::vector<int64_t>& s)
      : layers(Options(s[0], s[1]).num_layers(s[2])),
        parameters(layers->parameters()),
        x(values({s[4], s[3], s[0]}, 1, 1, true)),
        dy(values({s[4], s[3], s[1]}, 1, 2)) {
    uint32_t salt = 10;
    for (const Tensor& p : parameters) fill(p.data_ptr<float>(), p.numel(), 0.1f, salt++);
  }
  void run() {
    drop_gradients(parameters);
    x.mutable_grad() = Tensor();
    y = std::get<0>(layers(x));
    y.backward(dy);
  }
  double checksum() const {
    double sum = total(y) + total(x.grad());
    for (const Tensor& p : parameters) sum += total(p.grad());
    return sum;
  }
};

struct Step {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;
  std::vector<Tensor> parameters;
  std::unique_ptr<torch::optim::Adam> adam;
  Tensor tokens, target;
  int64_t classes;

  explicit Step(const std::vector<int64_t>& s)
      : embedding(s[0], s[1]),
        rnn(nn::GRUOptions(s[1], s[2]).num_layers(s[3])),
        head(s[2], s[6]),
        tokens(indices({s[4], s[5]}, s[0], 1)),
        target(indices({s[5] * s[4]}, s[6], 2)),
        classes(s[6]) {
    for (const auto& list : {embedding->parameters(), rnn->parameters(), head->parameters()})
      parameters.insert(parameters.end(), list.begin(), list.end());
    adam = std::make_unique<torch::optim::Adam>(parameters);
  }
  void run() {
    const Tensor output = std::get<0>(rnn(embedding(tokens).permute({1, 0, 2})));
    const Tensor loss = nn::functional::cross_entropy(head(output).reshape({-1, classes}), target);
    drop_gradients(parameters);
    loss.backward();
    nn::utils::clip_grad_norm_(parameters, 1.0);
    adam->step();
  }
};

struct TransformerStep {
  bool is_stack;
  nn::Transformer both;
  nn::TransformerEncoder stack;
  std::unique_ptr<torch::optim::Adam> adam;
  Tensor x, y, mask, dy;

  explicit TransformerStep(const std::vector<int64_t>& s)
      : is_stack(s[3] == 0),
        both(nn::TransformerOptions(s[0], s[1], is_stack ? 1 : s[2], is_stack ? 1 : s[3]).dim_feedforward(s[4])),
        stack(nn::TransformerEncoderOptions(nn::TransformerEncoderLayerOptions(s[0], s[1]).dim_feedforward(s[4]), s[2])),
        adam(std::make_unique<torch::optim::Adam>(is_stack ? stack->parameters() : both->parameters())),
        x(values({s[6], s[5], s[0]}, 1, 1)),
        y(values({s[6], s[5], s[0]}, 1, 2)),
        mask(nn::TransformerImpl::generate_square_subsequent_mask(s[6])),
        dy(values({s[6], s[5], s[0]}, 1, 3)) {}

  void run() {
    adam->zero_grad();
    const Tensor output = is_stack ? stack(x, mask) : both(x, y, /*src_mask=*/Tensor(), mask);
    output.backward(dy);
    adam->step();
  }
};

template <class State>
Task stateful(const std::vector<int64_t>& sizes) {
  auto state = std::make_shared<State>(sizes);
  return {[state] { state->run(); }};
}

template <class State>
Task with_checksum(const std::vector<int64_t>& sizes) {
  auto state = std::make_shared<State>(sizes);
  return {[state] { state->run(); }, {}, [state] { return state->checksum(); }};
}

template <class F>
Task forward(F f) {
  return {[f] {
    const torch::NoGradGuard no_grad;
    const Tensor y = f();
  }};
}

template <class F>
Task both(const Tensor& x, F f, std::vector<Tensor> weights = {}) {
  weights.push_back(x);
  for (const Tensor& w : weights) w.requires_grad_();
  const Tensor y = f(x);
  const Tensor dy = y.dim() == 0 ? Tensor() : values(y.sizes(), 1, 3);
  return {[=] {
    for (const Tensor& w : weights) w.mutable_grad() = Tensor();
    f(x).backward(dy);
  }};
}

Task gru_inference(const std::vector<int64_t>& s) {
  nn::GRU layers(nn::GRUOptions(s[0], s[1]).num_layers(s[2]));
  return forward([=, x = values({s[4], s[3], s[0]}, 1, 1), h = values({s[2], s[3], s[1]}, 1, 2)] {
    return std::get<1>(nn::GRU(layers)->forward(x, h));
  });
}

Task cell_inference(const std::vector<int64_t>& s, bool is_lstm) {
  const Tensor x = values({s[2], s[0]}, 1, 1), h = values({s[2], s[1]}, 1, 2), c = values({s[2], s[1]}, 1, 3);
  if (is_lstm) return forward([=, cell = nn::LSTMCell(s[0], s[1])] { return std::get<0>(nn::LSTMCell(cell)->forward(x, {{h, c}})); });
  return forward([=, cell = nn::GRUCell(s[0], s[1])] { return nn::GRUCell(cell)->forward(x, h); });
}

template <class F>
Task chain(int64_t n, bool backward, F f) {
  const Tensor x = values({1}, 1, 1, true);
  auto y = std::make_shared<Tensor>();
  auto build = [=] {
    *y = x;
    for (int64_t i = 0; i < n; ++i) *y = f(*y);
  };
  auto clear = [=] { *y = Tensor(), x.mutable_grad() = Tensor(); };
  auto pull = [=] { y->backward(), *y = Tensor(); };
  if (!backward) return {build, clear};
  return {pull, [=] { clear(), build(); }};
}

Task adam_step(const std::vector<int64_t>& s) {
  auto model = std::make_shared<Step>(s);
  uint32_t salt = 1;
  for (const Tensor& p : model->parameters) p.mutable_grad() = values(p.sizes(), 0.1f, salt++);
  return {[model] { model->adam->step(); }};
}

Task embedding_backward(const std::vector<int64_t>& s) {
  const Tensor weight = values({s[0], s[1]}, 1, 1, true), tokens = indices({s[2], s[3]}, s[0], 2), dy = values({s[2], s[3], s[1]}, 1, 3);
  auto y = std::make_shared<Tensor>();
  return {[=] { y->backward(dy); },
          [=] {
            weight.mutable_grad() = Tensor();
            *y = torch::embedding(weight, tokens);
          }};
}

Task sgemm(int64_t n) {
  const Tensor a = values({n, n}, 1, 1), b = values({n, n}, 1, 2);
  return {[=] { const Tensor c = torch::mm(a, b); }};
}

std::optional<Task> indexing_task(const std::string& kind, const std::vector<int64_t>& s) {
  if (kind == "cumsum forward") return forward([x = values({s[0], s[1]}, 1, 1), d = s[2]] { return torch::cumsum(x, d); });
  if (kind == "cumsum") return both(values({s[0], s[1]}, 1, 1), [d = s[2]](const Tensor& x) { return torch::cumsum(x, d); });
  if (kind == "sort") return forward([x = values({s[0], s[1]}, 1, 1)] { return std::get<0>(torch::sort(x)); });
  if (kind == "topk") return forward([x = values({s[0], s[1]}, 1, 1), k = s[2]] { return std::get<0>(torch::topk(x, k)); });
  if (kind == "gather")
    return both(values({s[0], s[1]}, 1, 1), [i = indices({s[0], s[2]}, s[1], 2)](const Tensor& x) { return torch::gather(x, 1, i); });
  if (kind == "index_put" || kind == "index_put accumulate")
    return both(values({s[0], s[1]}, 1, 1), [i = indices({s[2]}, s[0], 2), v = values({s[2], s[1]}, 1, 4),
                                             adds = kind != "index_put"](const Tensor& x) { return torch::index_put(x, {i}, v, adds); });
  if (kind == "where")
    return both(values({s[0], s[1]}, 1, 1),
                [c = values({s[0], s[1]}, 1, 2) > 0, y = values({s[0], s[1]}, 1, 4)](const Tensor& x) { return torch::where(c, x, y); });
  if (kind == "embedding_bag") {
    const Tensor i = indices({s[2], s[3]}, s[0], 2).reshape({-1}), offsets = torch::arange(0, s[2] * s[3], s[3]);
    return both(values({s[0], s[1]}, 1, 1), [=](const Tensor& w) { return std::get<0>(torch::embedding_bag(w, i, offsets, false, 1)); });
  }
  return {};
}

std::optional<Task> layer_task(const std::string& kind, const std::vector<int64_t>& s) {
  if (kind == "gru inference") return gru_inference(s);
  if (kind == "gru cell" || kind == "lstm cell") return cell_inference(s, kind == "lstm cell");
  if (kind == "conv1d") {
    const Tensor w = values({s[2], s[1], s[4]}, 0.1f, 2), b = values({s[2]}, 0.1f, 4);
    return both(values({s[0], s[1], s[3]}, 1, 1), [=, p = s[4] / 2](const Tensor& x) { return torch::conv1d(x, w, b, 1, p); }, {w, b});
  }
  if (kind == "conv2d") {
    const Tensor w = values({s[2], s[1], s[4], s[4]}, 0.1f, 2), b = values({s[2]}, 0.1f, 4);
    return both(values({s[0], s[1], s[3], s[3]}, 1, 1), [=, p = s[4] / 2](const Tensor& x) { return torch::conv2d(x, w, b, 1, p); },
                {w, b});
  }
  if (kind == "batch_norm") {
    const Tensor w = values({s[1]}, 1, 2), b = values({s[1]}, 1, 4);
    return both(values({s[0], s[1], s[2]}, 1, 1),
                [=](const Tensor& x) { return torch::batch_norm(x, w, b, {}, {}, true, 0.1, 1e-5, false); }, {w, b});
  }
  return {};
}

std::optional<Task> op_task(const std::string& kind, const std::vector<int64_t>& s) {
  if (kind == "softmax forward") return forward([x = values({s[0], s[1]}, 4, 1)] { return torch::softmax(x, 1); });
  if (kind == "softmax") return both(values({s[0], s[1]}, 4, 1), [](const Tensor& x) { return torch::softmax(x, 1); });
  if (kind == "log_softmax forward") return forward([x = values({s[0], s[1]}, 4, 1)] { return torch::log_softmax(x, 1); });
  if (kind == "log_softmax") return both(values({s[0], s[1]}, 4, 1), [](const Tensor& x) { return torch::log_softmax(x, 1); });
  if (kind.rfind("layer_norm", 0) == 0) {
    const auto norm = [n = s[1], weight = values({s[1]}, 1, 2), bias = values({s[1]}, 1, 3)](const Tensor& x) {
      return torch::layer_norm(x, {n}, weight, bias);
    };
    const Tensor x = values({s[0], s[1]}, 1, 1);
    return kind == "layer_norm" ? both(x, norm) : forward([=] { return norm(x); });
  }
  if (kind == "cross_entropy")
    return both(values({s[0], s[1]}, 4, 1), [t = indices({s[0]}, s[1], 2)](const Tensor& x) { return torch::cross_entropy_loss(x, t); });
  if (kind == "embedding backward") return embedding_backward(s);
  if (kind == "permute contiguous") return forward([x = values({s[0], s[1], s[2]}, 1, 1)] { return x.permute({1, 0, 2}).contiguous(); });
  if (kind == "transpose contiguous") return forward([x = values({s[0], s[1]}, 1, 1)] { return x.t().contiguous(); });
  if (kind == "sum") return forward([x = values({s[0], s[1], s[2]}, 1, 1), d = s[3]] { return x.sum(d); });
  if (kind == "sum all") return forward([x = values({s[0], s[1], s[2]}, 1, 1)] { return x.sum(); });
  if (kind == "add row") return forward([x = values({s[0], s[1]}, 1, 1), y = values({s[1]}, 1, 2)] { return x + y; });
  if (kind == "add column") return forward([x = values({s[0], s[1]}, 1, 1), y = values({s[0], 1}, 1, 2)] { return x + y; });
  if (kind == "gelu forward") return forward([x = values({s[0], s[1]}, 3, 1)] { return torch::gelu(x); });
  if (kind == "gelu") return both(values({s[0], s[1]}, 3, 1), [](const Tensor& x) { return torch::gelu(x); });
  if (kind == "dropout") return both(values({s[0], s[1]}, 1, 1), [](const Tensor& x) { return torch::dropout(x, 0.5, true); });
  if (kind == "adam") return adam_step(s);
  return {};
}

}  // namespace

Task make_task(const Job& job) {
  at::set_num_threads(job.threads);
  torch::manual_seed(1);
  const auto& s = job.sizes;
  if (job.kind == "gru") return with_checksum<Recurrent<nn::GRU, nn::GRUOptions>>(s);
  if (job.kind == "lstm") return with_checksum<Recurrent<nn::LSTM, nn::LSTMOptions>>(s);
  if (job.kind == "rnn") return with_checksum<Recurrent<nn::RNN, nn::RNNOptions>>(s);
  if (job.kind == "step") return stateful<Step>(s);
  if (job.kind == "transformer") return stateful<TransformerStep>(s);
  if (job.kind == "sgemm") return sgemm(s[0]);
  for (const bool backward : {false, true}) {
    const std::string pass = backward ? " backward" : " forward";
    if (job.kind == "tanh chain" + pass) return chain(s[0], backward, [](const Tensor& y) { return torch::tanh(y); });
    if (job.kind == "mul chain" + pass) return chain(s[0], backward, [c = values({1}, 1, 2)](const Tensor& y) { return torch::mul(y, c); });
  }
  for (const auto& find : {op_task, indexing_task, layer_task})
    if (auto task = find(job.kind, s)) return *task;
  throw NoSuchJob("LibTorch has no " + job.kind);
}

std::string about() {
  const std::string version = std::string("LibTorch ") + TORCH_VERSION;
  return at::hasMKL() ? version + ", MKL" : version + ", OpenBLAS's " + openblas_get_corename() + " kernels";
}

size_t peak_bytes() { return 0; }

}  // namespace bench
