// Language models: learns to say what comes next in a text, character by character or word by word, and writes on from there.
//
//   language_model --data shakespeare.txt --preset nanogpt                   a Transformer, with nanoGPT's settings for a CPU
//   language_model --data shakespeare.txt --preset gru --save gru.st         a GRU whose state is carried along the text
//   language_model --load gru.st --prompt "ROMEO:" --length 400              writes on
//
// The last tenth of the text is not trained on; the loss there, in nats a token, is what counts.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/error.h"
#include "gradus/generate.h"
#include "gradus/io.h"
#include "gradus/nn.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/shape.h"
#include "gradus/optim.h"
#include "gradus/random.h"
#include "gradus/text.h"
#include "gradus/train.h"
#include "model_file.h"
#include "ranks.h"
#include "training.h"

namespace {

using gradus::Tensor;
namespace data = gradus::data;
namespace nn = gradus::nn;
namespace text = gradus::text;
using Strings = std::vector<std::string>;

constexpr recipe::Program program{"language_model", "Learns what comes next in a text, and writes on."};

struct ModelOptions {
  std::string kind = "gru";  // gru, lstm or transformer
  int64_t vocab = 0, width = 256, layers = 2, heads = 4, block = 64;
  double dropout = 0.2;
};

struct Settings : recipe::Common {
  std::string data, unit = "char", prompt = "\n";
  int64_t min_freq = 1, batch = 32, steps = 3000, warmup = 100, length = 300, top_k = 0;
  double lr = 2e-3, last_lr = 0.1, clip = 1, weight_decay = 0.01, held_out = 0.1, temperature = 1, top_p = 1;
  int64_t check_every = 500;
  ModelOptions model;
};

void add_options(recipe::Options& options, Settings& s) {
  options.text("--prompt", s.prompt, "what the written text begins with");
  options.whole("--length", s.length, "tokens to write", 0);
  options.real("--temperature", s.temperature, "below 1 likely tokens become likelier", 1e-3, 100);
  options.whole("--top-k", s.top_k, "draw from the likeliest so many (0: all)", 0);
  options.real("--top-p", s.top_p, "draw from the likeliest whose probabilities add up to this", 1e-6, 1);
  options.training();
  options.file("--data", s.data, "the text to learn from (UTF-8)");
  options.one_of("--unit", s.unit, "what a token is: char or word", {"char", "word"});
  options.one_of("--model", s.model.kind, "gru and lstm carry their state along the text; transformer sees --block tokens",
                 {"gru", "lstm", "transformer"});
  options.whole("--width", s.model.width, "size of embedding and layers", 1, 65'536);
  options.whole("--layers", s.model.layers, "layers", 1, 1000);
  options.whole("--heads", s.model.heads, "attention heads (transformer)", 1, 1024);
  options.whole("--block", s.model.block, "tokens that a step of training looks back", 1, 1 << 20);
  options.real("--dropout", s.model.dropout, "share that dropout leaves out", 0, 0.9);
  options.whole("--min-freq", s.min_freq, "tokens that occur less often are <unk>", 1);
  options.whole("--batch", s.batch, "blocks in a batch", 1);
  options.whole("--steps", s.steps, "training steps", 1);
  options.whole("--warmup", s.warmup, "steps until the learning rate is reached", 0);
  options.real("--lr", s.lr, "AdamW's learning rate", 0, 1);
  options.real("--last-lr", s.last_lr, "share of it that is left at the end", 0, 1);
  options.real("--weight-decay", s.weight_decay, "AdamW's, of matrices", 0, 10);
  options.real("--clip", s.clip, "largest norm of the gradients", 0, 1e6);
  options.real("--held-out", s.held_out, "share of the text, its end, that is not trained on", 0.001, 0.9);
  options.whole("--check-every", s.check_every, "steps from one look at the held-out text to the next", 1);
}

const std::vector<recipe::Preset<Settings>> presets = {
    {"nanogpt", "nanoGPT's Transformer for a CPU: 4 layers, 4 heads, 128 wide, blocks of 64",
     [](Settings& s) {
       s.model = {.kind = "transformer", .width = 128, .layers = 4, .heads = 4, .block = 64, .dropout = 0};
       s.batch = 12, s.steps = 2000, s.warmup = 100, s.lr = 2e-3, s.last_lr = 0.1, s.weight_decay = 0.1;
     }},
    {"gru", "two GRU layers of 512, whose state is carried along the text",
     [](Settings& s) {
       s.model = {.kind = "gru", .width = 512, .layers = 2, .block = 64, .dropout = 0.3};
       s.batch = 32, s.steps = 4500, s.warmup = 200, s.lr = 2e-3, s.last_lr = 0.02, s.weight_decay = 0.01;
     }},
    {"quick", "a short try",
     [](Settings& s) {
       s.model = {.kind = "gru", .width = 96, .layers = 1, .block = 32, .dropout = 0};
       s.batch = 16, s.steps = 300, s.warmup = 50, s.lr = 5e-3, s.check_every = 100;
     }},
};

/// The tokens of a text. Words keep the ends of their lines as "\n".
Strings tokens_of(const std::string& written, const std::string& unit) {
  if (unit == "char") return text::tokenize_characters(written);
  Strings tokens;
  for (size_t begin = 0; begin < written.size();) {
    const size_t end = std::min(written.find('\n', begin), written.size());
    for (std::string& word : text::tokenize_words(written.substr(begin, end - begin))) tokens.push_back(std::move(word));
    if (end < written.size()) tokens.emplace_back("\n");
    begin = end + 1;
  }
  return tokens;
}

std::string spelled(const Strings& tokens, const std::string& unit) {
  std::string written;
  for (const std::string& token : tokens)
    written += (unit == "char" || written.empty() || written.back() == '\n' || token == "\n" ? "" : " ") + token;
  return written;
}

/// T steps, B rows, V tokens. Embedding, GRU or LSTM, and the scores of what comes next.
struct Recurrent : nn::Module {
  nn::Embedding embedding;
  std::optional<nn::GRU> gru;
  std::optional<nn::LSTM> lstm;
  nn::Dropout dropout;
  nn::Linear out;

  explicit Recurrent(const ModelOptions& o)
      : embedding(register_module("embedding", nn::Embedding(o.vocab, o.width))),
        dropout(register_module("dropout", nn::Dropout(o.dropout))),
        out(register_module("out", nn::Linear(o.width, o.vocab))) {
    const double between = o.layers > 1 ? o.dropout : 0;
    if (o.kind == "gru") gru = register_module("rnn", nn::GRU(o.width, o.width, {.num_layers = o.layers, .dropout = between}));
    else lstm = register_module("rnn", nn::LSTM(o.width, o.width, {.num_layers = o.layers, .dropout = between}));
  }

  /// h, and c of an LSTM: (L, B, H), undefined at the start of a text.
  using State = std::pair<gradus::generate::Batched<1>, gradus::generate::Batched<1>>;

  /// tokens (T, B) to scores (T, B, V) and the state after them.
  std::pair<Tensor, State> operator()(const Tensor& tokens, const State& state) const {
    const Tensor x = dropout(embedding(tokens));
    if (gru) {
      const auto [y, h] = (*gru)(x, state.first);
      return {out(dropout(y)), State(h, Tensor())};
    }
    const auto result = (*lstm)(x, state.first, state.second);
    return {out(dropout(result.output)), State(result.h_n, result.c_n)};
  }
};

/// A Transformer whose steps see those before them, with learned positions, as GPT.
struct Transformer : nn::Module {
  nn::Embedding embedding, position;
  nn::Dropout dropout;
  nn::TransformerEncoder layers;
  nn::Linear out;

  explicit Transformer(const ModelOptions& o)
      : embedding(register_module("embedding", nn::Embedding(o.vocab, o.width))),
        position(register_module("position", nn::Embedding(o.block, o.width))),
        dropout(register_module("dropout", nn::Dropout(o.dropout))),
        layers(register_module(
            "layers",
            nn::TransformerEncoder(
                nn::TransformerEncoderLayer(
                    o.width, o.heads,
                    {.dim_feedforward = 4 * o.width, .dropout = o.dropout, .activation = "gelu", .batch_first = true, .norm_first = true}),
                o.layers, nn::LayerNorm(o.width)))),
        out(register_module("out", nn::Linear(o.width, o.vocab, false))) {
    // GPT-2's: all small, and what is added to the residual stream smaller the more layers add to it.
    for (const auto& [name, parameter] : named_parameters()) {
      const bool adds = name.ends_with("out_proj.weight") || name.ends_with("linear2.weight");
      if (parameter.dim() > 1) nn::init::normal_(parameter, 0, adds ? 0.02 / std::sqrt(2.0 * static_cast<double>(o.layers)) : 0.02);
      else if (name.ends_with("bias")) nn::init::zeros_(parameter);
    }
  }

  /// tokens (B, T) to scores (B, T, V); at most `block` steps.
  Tensor operator()(const Tensor& tokens) const {
    const int64_t steps = tokens.size(1);
    const Tensor x = dropout(embedding(tokens) + position(gradus::arange(steps)));
    return out(layers(x, nn::Transformer::generate_square_subsequent_mask(steps)));
  }
};

/// One of the two, and what its tokens are.
struct Model {
  ModelOptions options;
  std::string unit;
  text::Vocab vocab;
  std::optional<Recurrent> recurrent;
  std::optional<Transformer> transformer;

  Model(ModelOptions o, std::string u, text::Vocab v) : options(std::move(o)), unit(std::move(u)), vocab(std::move(v)) {
    options.vocab = vocab.size();
    if (options.kind == "transformer") transformer.emplace(options);
    else recurrent.emplace(options);
  }
  const nn::Module& module() const { return recurrent ? static_cast<const nn::Module&>(*recurrent) : *transformer; }
  nn::Module& module() { return recurrent ? static_cast<nn::Module&>(*recurrent) : *transformer; }

  void save(const std::string& path) const {
    recipe::ModelFile{module().state_dict(),
                      {{"model", options.kind},
                       {"width", options.width},
                       {"layers", options.layers},
                       {"heads", options.heads},
                       {"block", options.block},
                       {"dropout", options.dropout},
                       {"unit", unit}},
                      {{"vocab", vocab.tokens()}}}
        .save(program, path);
  }
  static Model load(const std::string& path) {
    return recipe::load_model(program, path, [](const recipe::ModelFile& file) {
      const gradus::io::StateValues& c = file.config;
      Model model({.kind = c.get<std::string>("model"),
                   .width = c.get<int64_t>("width"),
                   .layers = c.get<int64_t>("layers"),
                   .heads = c.get<int64_t>("heads"),
                   .block = c.get<int64_t>("block"),
                   .dropout = c.get<double>("dropout")},
                  c.get<std::string>("unit"), text::Vocab::from_tokens(file.lists.at("vocab")));
      model.module().load_state_dict(file.weights);
      model.module().eval();
      return model;
    });
  }
};

Tensor loss_of(const Tensor& scores, const Tensor& target) {
  return gradus::cross_entropy(scores.reshape({-1, scores.size(-1)}), target.reshape(-1));
}

/// Blocks (B, T) of the text that begin anywhere, and the tokens after each of theirs.
std::pair<Tensor, Tensor> random_blocks(const Tensor& tokens, int64_t batch, int64_t block) {
  const Tensor at = gradus::randint(0, tokens.size(0) - block, {batch, 1}) + gradus::arange(block).unsqueeze(0);
  return {tokens.index({at}), tokens.index({at + 1})};
}

/// The mean loss over a text, in nats a token: of a recurrent model with the state carried along, of a Transformer block by block.
double measure(const Model& model, const Tensor& tokens) {
  const gradus::NoGradGuard no_grad;
  model.module().eval();
  gradus::train::Mean mean;
  if (model.recurrent) {
    Recurrent::State state;
    for (const auto& [input, target, first] : data::DataLoader(data::Strips(tokens, {.batch_size = 4, .steps = 256}))) {
      if (first) state = {};
      const auto [scores, next] = (*model.recurrent)(input, state);
      state = next;
      mean.update(loss_of(scores, target).item(), static_cast<double>(target.numel()));
    }
  } else {
    constexpr int64_t rows = 64;
    const int64_t block = model.options.block, blocks = (tokens.size(0) - 1) / block;
    for (int64_t i = 0; i < blocks; i += rows) {
      const int64_t begin = i * block, length = std::min(rows, blocks - i) * block;
      const Tensor input = tokens.narrow(0, begin, length).reshape({-1, block}),
                   target = tokens.narrow(0, begin + 1, length).reshape({-1, block});
      mean.update(loss_of((*model.transformer)(input), target).item(), static_cast<double>(length));
    }
  }
  model.module().train();
  return mean.compute();
}

/// What a checkpoint holds of a training beside its parts: where it is, and the state that the next block of the text begins with.
struct Progressed {
  int64_t steps = 0;
  Recurrent::State state;

  gradus::io::StateValues state_dict() const {
    gradus::io::StateValues values{{"steps", steps}};
    if (state.first.tensor.defined()) values.insert("h", state.first.tensor);
    if (state.second.tensor.defined()) values.insert("c", state.second.tensor);
    return values;
  }
  void load_state_dict(const gradus::io::StateValues& values) {
    const auto tensor = [&](const char* name) { return values.contains(name) ? values.get<Tensor>(name) : Tensor(); };
    state = {tensor("h"), tensor("c")};
    steps = values.get<int64_t>("steps");
  }
};

/// Rows begin … end - 1 of a state.
Recurrent::State rows_of(const Recurrent::State& state, int64_t begin, int64_t end) {
  const auto cut = [&](const Tensor& t) { return t.defined() ? t.slice(1, begin, end) : t; };
  return {cut(state.first.tensor), cut(state.second.tensor)};
}

struct Report {
  double loss = 0, seconds = 0, tokens_per_s = 0;
  int64_t steps = 0;
};

/// Matrices decay, and the rest does not, as nanoGPT has it.
gradus::optim::AdamW make_optimizer(const nn::Module& model, const Settings& s) {
  std::vector<Tensor> matrices, others;
  for (const Tensor& parameter : model.parameters()) (parameter.dim() > 1 ? matrices : others).push_back(parameter);
  const gradus::optim::AdamWOptions decays{.lr = s.lr, .betas = {0.9, 0.99}, .weight_decay = s.weight_decay};
  gradus::optim::AdamWOptions stays = decays;
  stays.weight_decay = 0;
  return gradus::optim::AdamW({{matrices, decays}, {others, stays}}, decays);
}

/// Trains; the weights with the least loss on the held-out text are the model's afterwards.
Report train(Model& model, const Tensor& tokens, const Tensor& held_out, const Settings& s) {
  gradus::optim::AdamW adam = make_optimizer(model.module(), s);
  gradus::optim::LambdaLR scheduler(adam, [&](int64_t step) { return recipe::warmup_cosine(step, s.warmup, s.steps, s.last_lr); });
  data::DataLoader strips(data::Strips(tokens, {.batch_size = s.batch, .steps = s.model.block, .drop_last = true}));
  gradus::train::EarlyStopping best(model.module(), {.patience = s.steps});
  Progressed progressed;
  const recipe::Backward backward(model.module(), s.shards);
  recipe::Checkpoints checkpoints(program, s,
                                  backward.with_state({{"model", model.module()},
                                                       {"optimizer", adam},
                                                       {"scheduler", scheduler},
                                                       {"strips", strips},
                                                       {"best", best},
                                                       {"progress", progressed}}));
  const std::vector<Tensor> parameters = model.module().parameters();
  gradus::train::Progress progress(std::max(s.steps, progressed.steps), {.unit = "tokens", .done = progressed.steps});
  gradus::train::Mean loss;
  const gradus::Shape shape{s.model.layers, s.batch, s.model.width};
  recipe::JoinedRows next_h(shape), next_c(shape);
  Report report;
  int64_t seen = 0;

  const auto step_on = [&](int64_t rows, const recipe::Backward::Part& part, int64_t count) {
    adam.zero_grad();
    const double batch_loss = backward(rows, part);
    if (model.recurrent) progressed.state = {next_h.give(), s.model.kind == "lstm" ? next_c.give() : Tensor()};
    nn::clip_grad_norm_(parameters, s.clip);
    adam.step();
    scheduler.step();
    loss.update(batch_loss), seen += count;
    std::vector<std::pair<std::string, double>> figures{{"loss", loss.compute()}};
    if (best.updates() > 0) figures.emplace_back("held out", best.best());
    progress.update(++progressed.steps, count, std::move(figures));
    if (progressed.steps % s.check_every == 0 || progressed.steps == s.steps) best.update(measure(model, held_out)), loss.reset();
    checkpoints.after_step(progressed.steps);
    recipe::Interruptible::asked();
  };
  const auto goes_on = [&] { return progressed.steps < s.steps && !recipe::Interruptible::signal(); };

  model.module().train();
  while (goes_on()) {
    if (model.transformer) {
      const auto [input, target] = random_blocks(tokens, s.batch, s.model.block);
      const auto part = [&x = input, &y = target, &model](int64_t begin, int64_t end) {
        return std::pair(loss_of((*model.transformer)(x.slice(0, begin, end)), y.slice(0, begin, end)), static_cast<double>(end - begin));
      };
      step_on(s.batch, part, target.numel());
      continue;
    }
    for (const auto& [input, target, first] : strips) {
      if (first) progressed.state = {};
      const auto part = [&, &x = input, &y = target](int64_t begin, int64_t end) {
        const auto [scores, state] = (*model.recurrent)(x.slice(1, begin, end), rows_of(progressed.state, begin, end));
        next_h.take(state.first.tensor, begin, end);
        if (s.model.kind == "lstm") next_c.take(state.second.tensor, begin, end);
        return std::pair(loss_of(scores, y.slice(1, begin, end)), static_cast<double>(end - begin));
      };
      step_on(s.batch, part, target.numel());
      if (!goes_on()) break;
    }
  }
  checkpoints.save(progressed.steps);
  report.seconds = progress.seconds(), report.steps = progressed.steps;
  progress.finish();
  if (best.updates() == 0 && report.steps > 0) best.update(measure(model, held_out));
  if (best.updates() > 0) best.restore();
  report.loss = best.best();
  report.tokens_per_s = report.seconds > 0 ? static_cast<double>(seen) / report.seconds : 0;
  model.module().eval();
  return report;
}

/// The prompt, and what comes after it.
std::string write(const Model& model, const Settings& s) {
  const Strings given = tokens_of(s.prompt, model.unit);
  recipe::note_unknown(model.vocab, given);
  const std::vector<int64_t> prompt = model.vocab.to_indices(given);
  if (prompt.empty()) throw gradus::ValueError("--prompt is empty; give at least one token");
  const gradus::NoGradGuard no_grad;
  const gradus::generate::SampleOptions options{.max_length = s.length, .temperature = s.temperature, .top_k = s.top_k, .top_p = s.top_p};
  const auto count = static_cast<int64_t>(prompt.size());
  const Tensor all = gradus::from_vector(prompt, {1, count}), start = all.select(1, count - 1);
  std::vector<gradus::generate::Hypothesis> found;
  if (s.length == 0) found.emplace_back();
  else if (model.recurrent) {
    const Recurrent& rnn = *model.recurrent;
    Recurrent::State state;
    if (count > 1) state = rnn(all.t().narrow(0, 0, count - 1), state).second;
    const auto step = [&](const Tensor& tokens, Recurrent::State before) {
      const auto [scores, after] = rnn(tokens.unsqueeze(0), before);
      return std::pair(scores.squeeze(0), after);
    };
    found = gradus::generate::sample(step, start, state, options);
  } else {
    // The positions are those of a window of `block` tokens, which moves on: nothing of it can be kept.
    const auto step = [&](const Tensor& tokens, Tensor window) {
      const int64_t seen = window.size(1), keep = std::min(seen, model.options.block - 1);
      window = gradus::cat({window.narrow(1, seen - keep, keep), tokens.unsqueeze(1)}, 1);
      return std::pair((*model.transformer)(window).select(1, keep), window);
    };
    found = gradus::generate::sample(step, start, all.narrow(1, 0, count - 1), options);
  }
  Strings written = given;
  for (std::string& token : model.vocab.to_tokens(found[0].tokens)) written.push_back(std::move(token));
  return spelled(written, model.unit);
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string written{std::istreambuf_iterator<char>(in), {}};
  if (!in.good() && !in.eof()) throw gradus::IoError(path + " cannot be read");
  return written;
}

int train_and_report(const Settings& s) {
  if (!s.save.empty()) recipe::check_writable(program, "--save", s.save);
  const Strings all = tokens_of(read_text(s.data), s.unit);
  const auto cut = static_cast<size_t>(std::llround(static_cast<double>(all.size()) * (1 - s.held_out)));
  const Strings seen(all.begin(), all.begin() + static_cast<int64_t>(cut)), rest(all.begin() + static_cast<int64_t>(cut), all.end());
  if (static_cast<int64_t>(seen.size()) < s.batch * 2 + s.model.block || static_cast<int64_t>(rest.size()) < s.model.block + 8)
    throw gradus::ValueError(s.data + " has " + std::to_string(all.size()) + " tokens, too few for these --batch, --block and --held-out");
  gradus::manual_seed(s.seed);
  Model model(s.model, s.unit, text::Vocab(std::span<const std::string>(seen), {.min_freq = s.min_freq}));
  const auto tensor = [&](const Strings& tokens) {
    return gradus::from_vector(model.vocab.to_indices(tokens), static_cast<int64_t>(tokens.size()));
  };
  const int64_t parameters = recipe::count_parameters(model.module());
  std::fprintf(stderr, "%zu tokens to train on, %zu held out; %lld in the vocabulary; %lld parameters\n", seen.size(), rest.size(),
               static_cast<long long>(model.vocab.size()), static_cast<long long>(parameters));

  Report report;
  {
    const recipe::Interruptible until_saved;
    report = train(model, tensor(seen), tensor(rest), s);
    if (report.steps > 0 && !s.save.empty()) model.save(s.save);
  }
  if (const int signal = recipe::Interruptible::signal()) std::fprintf(stderr, "interrupted by signal %d\n", signal);
  if (report.steps == 0) return recipe::Interruptible::status();
  // A word stands for as many characters as it has, and the space or line end after it.
  const double nats = report.loss * static_cast<double>(rest.size());
  const double bits = text::bits_per_character(nats, static_cast<double>(text::tokenize_characters(spelled(rest, s.unit)).size()));
  const double perplexity = text::perplexity(nats, static_cast<double>(rest.size()));
  std::printf("held out: %.4f nats a token, perplexity %.2f, %.3f bits a character\n", report.loss, perplexity, bits);
  std::printf("%.0f tokens/s, %.1f s of training\n", report.tokens_per_s, report.seconds);
  if (s.length > 0) std::printf("---\n%s\n", write(model, s).c_str());
  if (s.json)
    recipe::print_json({{"held_out_loss", report.loss},
                        {"perplexity", perplexity},
                        {"bits_per_character", bits},
                        {"steps", report.steps},
                        {"seconds", report.seconds},
                        {"tokens_per_s", report.tokens_per_s}});
  recipe::flush_output(program);
  return recipe::Interruptible::status();
}

int run(int argc, char** argv) {
  const std::optional<Settings> s = recipe::parse<Settings>(program, argc, argv, add_options, presets);
  if (!s) return 0;
  if (!s->load.empty()) {
    gradus::manual_seed(s->seed);
    const Model model = Model::load(s->load);
    std::printf("%s\n", write(model, *s).c_str());
    recipe::flush_output(program);
    return 0;
  }
  if (s->data.empty())
    throw gradus::ValueError("give a text to learn from by --data, or a trained model by --load; language_model --help lists the options");
  return train_and_report(*s);
}

}  // namespace

int main(int argc, char** argv) {
  return recipe::main_of(program, [&] { return run(argc, argv); });
}
