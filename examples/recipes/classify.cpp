// Which kind of text is it: the language of a sentence, the origin of a name, the mood of a review. A GRU reads the text in both
// directions, letter by letter or word by word.
//
//   classify                                                       English or French, from the built-in phrase book
//   classify --data names.tsv --save names.st --picture names.svg  a text, a tab and its label on each line
//   classify --load names.st --text "Kowalski"
//
// A share of the texts is not trained on; how often they are told apart is what counts, and the confusion matrix says what is taken for
// what.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/nn.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/shape.h"
#include "gradus/optim.h"
#include "gradus/plot.h"
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

constexpr recipe::Program program{"classify", "Learns to tell kinds of texts apart."};
constexpr int64_t kPad = 1;

struct ModelOptions {
  int64_t vocab = 0, labels = 0, embed = 48, hidden = 96, layers = 1;
  double dropout = 0.3;
};

struct Settings : recipe::Common {
  std::string data, unit = "char", picture;
  Strings texts;
  double held_out = 0.2, lr = 2e-3, clip = 1;
  int64_t min_freq = 2, epochs = 10, max_tokens = 2048;
  ModelOptions model;
};

void add_options(recipe::Options& options, Settings& s) {
  options.texts("--text", s.texts, "say what this is (may be given more than once)");
  options.training();
  options.file("--data", s.data, "a text, a tab and its label on each line (default: the phrase book, English or French)");
  options.one_of("--unit", s.unit, "what a token is: char or word", {"char", "word"});
  options.output("--picture", s.picture, "draw the confusion matrix here (.svg or .png; needs gnuplot)");
  options.whole("--embed", s.model.embed, "embedding size", 1, 65'536);
  options.whole("--hidden", s.model.hidden, "hidden size, of each direction", 1, 65'536);
  options.whole("--layers", s.model.layers, "layers", 1, 1000);
  options.real("--dropout", s.model.dropout, "share that dropout leaves out", 0, 0.9);
  options.whole("--min-freq", s.min_freq, "tokens that occur less often are <unk>", 1);
  options.whole("--epochs", s.epochs, "passes over the training data", 1);
  options.whole("--max-tokens", s.max_tokens, "the size of a batch: its texts times the longest of them", 1);
  options.real("--lr", s.lr, "Adam's learning rate, which falls to 0 along half a cosine wave", 0, 1);
  options.real("--clip", s.clip, "largest norm of the gradients", 0, 1e6);
  options.real("--held-out", s.held_out, "share of the texts to test on", 0, 0.9);
}

const std::vector<recipe::Preset<Settings>> presets = {
    {"names", "short texts by their letters", [](Settings& s) { s.model = {.embed = 64, .hidden = 128, .layers = 2}, s.epochs = 15; }},
    {"sentences", "longer texts by their words",
     [](Settings& s) { s.unit = "word", s.model = {.embed = 96, .hidden = 128, .layers = 1, .dropout = 0.5}; }},
    {"quick", "a few seconds' try",
     [](Settings& s) { s.model = {.embed = 16, .hidden = 24, .layers = 1, .dropout = 0}, s.epochs = 3, s.lr = 1e-2; }},
};

/// B texts, T tokens, C labels. Embedding, a GRU in both directions, and a score for each label from its last states.
struct Classifier : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Dropout dropout;
  nn::Linear out;

  explicit Classifier(const ModelOptions& o)
      : embedding(register_module("embedding", nn::Embedding(o.vocab, o.embed))),
        rnn(register_module(
            "rnn", nn::GRU(o.embed, o.hidden, {.num_layers = o.layers, .dropout = o.layers > 1 ? o.dropout : 0, .bidirectional = true}))),
        dropout(register_module("dropout", nn::Dropout(o.dropout))),
        out(register_module("out", nn::Linear(2 * o.hidden, o.labels))) {}

  /// tokens (B, T), of these lengths (B), to scores (B, C)
  Tensor operator()(const Tensor& tokens, const Tensor& lengths) const {
    const Tensor embedded = dropout(embedding(tokens)).permute({1, 0, 2});  // (T, B, E)
    const Tensor h = rnn(embedded, {}, lengths).h_n;                        // (2 L, B, H)
    return out(dropout(gradus::cat({h[-2], h[-1]}, 1)));                    // each direction has read all of the text
  }
};

struct Example {
  std::vector<int64_t> tokens;
  int64_t label;
};

using Examples = data::ListDataset<Example>;

struct Batch {
  Tensor tokens, lengths, labels;  // (B, T), (B), (B)
};

Batch collate(const std::vector<Example>& examples) {
  std::vector<Tensor> rows;
  std::vector<int64_t> lengths, labels;
  for (const Example& example : examples) {
    rows.push_back(gradus::from_vector(example.tokens, static_cast<int64_t>(example.tokens.size())));
    lengths.push_back(static_cast<int64_t>(example.tokens.size()));
    labels.push_back(example.label);
  }
  const auto count = static_cast<int64_t>(examples.size());
  return {data::pad_sequence(rows, true, kPad), gradus::from_vector(lengths, count), gradus::from_vector(labels, count)};
}

Strings tokens_of(const std::string& written, const std::string& unit) {
  return unit == "char" ? text::tokenize_characters(written) : text::tokenize_words(text::lower(written));
}

/// What a model knows beside its weights.
struct Model {
  ModelOptions options;
  std::string unit;
  text::Vocab vocab;
  Strings labels;
  Classifier net;

  Model(ModelOptions o, std::string u, text::Vocab v, Strings l)
      : options(with_sizes(o, v, l)), unit(std::move(u)), vocab(std::move(v)), labels(std::move(l)), net(options) {}

  std::vector<int64_t> encode(const std::string& written) const {
    std::vector<int64_t> tokens = vocab.to_indices(tokens_of(written, unit));
    if (tokens.empty()) tokens.push_back(kPad);  // nothing is a text, too
    return tokens;
  }
  void save(const std::string& path) const {
    recipe::ModelFile{
        net.state_dict(),
        {{"unit", unit}, {"embed", options.embed}, {"hidden", options.hidden}, {"layers", options.layers}, {"dropout", options.dropout}},
        {{"vocab", vocab.tokens()}, {"labels", labels}}}
        .save(program, path);
  }
  static Model load(const std::string& path) {
    return recipe::load_model(program, path, [](const recipe::ModelFile& file) {
      const gradus::io::StateValues& c = file.config;
      Model model({.embed = c.get<int64_t>("embed"),
                   .hidden = c.get<int64_t>("hidden"),
                   .layers = c.get<int64_t>("layers"),
                   .dropout = c.get<double>("dropout")},
                  c.get<std::string>("unit"), text::Vocab::from_tokens(file.lists.at("vocab")), file.lists.at("labels"));
      model.net.load_state_dict(file.weights);
      model.net.eval();
      return model;
    });
  }

 private:
  static ModelOptions with_sizes(ModelOptions o, const text::Vocab& vocab, const Strings& labels) {
    o.vocab = vocab.size(), o.labels = static_cast<int64_t>(labels.size());
    return o;
  }
};

/// Texts with their labels, as `source` and `target`.
std::vector<text::Pair> read_texts(const std::string& path) {
  if (!path.empty()) return text::read_pairs(path);
  std::vector<text::Pair> all;
  for (const text::Pair& pair : text::read_pairs(GRADUS_PHRASEBOOK)) {
    all.push_back({pair.source, "English"});
    all.push_back({pair.target, "French"});
  }
  return all;
}

/// Row i, column j: how many texts of label i were taken for label j. (C, C)
Tensor confusion(const Model& model, const Examples& examples) {
  const gradus::NoGradGuard no_grad;
  const auto C = static_cast<int64_t>(model.labels.size());
  Tensor counts = gradus::zeros({C, C});
  for (const Batch& batch : data::DataLoader(examples, {.batch_size = 256}, collate)) {
    const auto found = model.net(batch.tokens, batch.lengths).argmax(1).to_vector<int64_t>(), wanted = batch.labels.to_vector<int64_t>();
    for (size_t i = 0; i < found.size(); ++i) counts[wanted[i]][found[i]] += 1;
  }
  return counts;
}

/// NaN of no texts.
double accuracy(const Tensor& confusion) {
  double right = 0;
  for (int64_t i = 0; i < confusion.size(0); ++i) right += confusion[i][i].item();
  return right / confusion.sum().item();
}

void print(const Tensor& confusion, const Strings& labels) {
  size_t width = 6;
  for (const std::string& label : labels) width = std::max(width, label.size());
  const auto cell = [&](const std::string& written) {
    std::printf("%s%s", std::string(width + 2 - std::min(width + 2, written.size()), ' ').c_str(), written.c_str());
  };
  cell("");
  for (const std::string& label : labels) cell(label);
  std::printf("   <- taken for\n");
  for (size_t i = 0; i < labels.size(); ++i) {
    cell(labels[i]);
    for (size_t j = 0; j < labels.size(); ++j)
      cell(std::to_string(std::llround(confusion[static_cast<int64_t>(i)][static_cast<int64_t>(j)].item())));
    std::printf("\n");
  }
}

/// Prints it, and draws it to a file, if there is a name.
void report_confusion(const Tensor& counts, const Strings& labels, const std::string& picture) {
  std::printf("held out: %.2f %% right\n\n", 100 * accuracy(counts));
  print(counts, labels);
  if (picture.empty()) return;
  const Tensor shares = counts / counts.sum({1}, true).clamp(1.0);
  gradus::plot::Figure({.title = "What is taken for what", .x_label = "taken for", .y_label = "is"})
      .heat_map(shares, {.row_labels = labels, .column_labels = labels, .range = gradus::plot::Range{0, 1}})
      .save(picture);
}

struct Report {
  int64_t steps = 0;
  double loss = 0, seconds = 0;
};

Report train(Model& model, const Examples& examples, const Settings& s) {
  if (examples.size() == 0) throw gradus::ValueError("nothing is left to train on; give more texts, or a smaller --held-out");
  const std::vector<Tensor> parameters = model.net.parameters();
  gradus::optim::Adam adam(parameters, {.lr = s.lr});
  data::BucketSampler buckets(data::lengths_of(examples, [](const Example& e) { return e.tokens.size(); }),
                              {.max_tokens = s.max_tokens, .shuffle = true, .seed = s.seed, .longer_alone = true});
  const int64_t steps = s.epochs * buckets.size();
  gradus::optim::LambdaLR scheduler(adam, [&](int64_t step) { return recipe::warmup_cosine(step, 0, steps); });
  data::DataLoader loader(examples, std::move(buckets), {.prefetch = 2}, collate);
  recipe::Counts counts;
  const recipe::Backward backward(model.net, s.shards);
  recipe::Checkpoints checkpoints(
      program, s,
      backward.with_state({{"model", model.net}, {"optimizer", adam}, {"scheduler", scheduler}, {"loader", loader}, {"counts", counts}}));
  gradus::train::Progress progress(std::max(steps, counts.steps), {.unit = "texts", .done = counts.steps});
  model.net.train();
  while (counts.epochs < s.epochs && !recipe::Interruptible::signal()) {
    if (loader.epoch() == counts.epochs)
      for (const Batch& batch : loader) {
        adam.zero_grad();
        const double loss = backward(batch.labels.size(0), [&](int64_t begin, int64_t end) {
          const auto cut = [&](const Tensor& t) { return t.slice(0, begin, end); };
          const Tensor scores = model.net(cut(batch.tokens), cut(batch.lengths));
          return std::pair(gradus::cross_entropy(scores, cut(batch.labels)), static_cast<double>(end - begin));
        });
        nn::clip_grad_norm_(parameters, s.clip);
        adam.step();
        scheduler.step();
        counts.loss.update(loss, static_cast<double>(batch.labels.size(0)));
        progress.update(++counts.steps, batch.labels.size(0), {{"loss", counts.loss.compute()}});
        checkpoints.after_step(counts.steps);
        if (recipe::Interruptible::asked()) break;
      }
    if (recipe::Interruptible::signal()) break;
    counts.end_epoch();
    checkpoints.after_epoch(counts.steps);
  }
  checkpoints.save(counts.steps);
  const double seconds = progress.seconds();
  progress.finish();
  model.net.eval();
  return {counts.steps, counts.last_loss(), seconds};
}

void say(const Model& model, const std::string& written) {
  const gradus::NoGradGuard no_grad;
  const Batch one = collate({{model.encode(written), 0}});
  const Tensor shares = gradus::softmax(model.net(one.tokens, one.lengths), 1)[0];
  const int64_t best = shares.argmax(0).item<int64_t>();
  std::printf("%s\t%s\t%.3f\n", written.c_str(), model.labels[static_cast<size_t>(best)].c_str(), shares[best].item());
  recipe::flush_output(program);
}

int train_and_report(const Settings& s) {
  if (!s.save.empty()) recipe::check_writable(program, "--save", s.save);
  if (!s.picture.empty()) recipe::check_picture(program, s.picture);
  const std::vector<text::Pair> pairs = read_texts(s.data);
  Strings labels;
  for (const text::Pair& pair : pairs) labels.push_back(pair.target);
  std::ranges::sort(labels);
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  if (labels.size() < 2) throw gradus::ValueError(s.data + " has fewer than two labels; put a text, a tab and its label on each line");

  using Texts = data::ListDataset<text::Pair>;
  // A text that is there twice is in one part alone.
  const auto parts = data::group_split(
      Texts(pairs), [](const text::Pair& pair) { return pair.source; }, {1 - s.held_out, s.held_out}, s.seed);
  std::vector<Strings> seen;
  for (int64_t i = 0; i < parts[0].size(); ++i) seen.push_back(tokens_of(parts[0].get(i).source, s.unit));
  gradus::manual_seed(s.seed);
  Model model(s.model, s.unit, text::Vocab(seen, {.min_freq = s.min_freq, .reserved_tokens = {"<pad>"}}), labels);
  const auto encode = [&](const data::Subset<Texts>& part) {
    std::vector<Example> all;
    for (int64_t i = 0; i < part.size(); ++i) {
      const text::Pair& pair = part.get(i);
      all.push_back({model.encode(pair.source), std::ranges::lower_bound(labels, pair.target) - labels.begin()});
    }
    return Examples(std::move(all));
  };
  const Examples to_train = encode(parts[0]), to_test = encode(parts[1]);
  std::fprintf(stderr, "%lld texts to train on, %lld held out; %zu labels\n", static_cast<long long>(to_train.size()),
               static_cast<long long>(to_test.size()), labels.size());

  Report report;
  {
    const recipe::Interruptible until_saved;
    report = train(model, to_train, s);
    if (report.steps > 0 && !s.save.empty()) model.save(s.save);
  }
  if (const int signal = recipe::Interruptible::signal()) std::fprintf(stderr, "interrupted by signal %d\n", signal);
  if (report.steps == 0) return recipe::Interruptible::status();
  const Tensor counts = confusion(model, to_test);
  std::printf("loss %.4f, %.1f s of training\n", report.loss, report.seconds);
  if (to_test.size() == 0) std::printf("nothing is held out\n");
  else report_confusion(counts, labels, s.picture);
  for (const std::string& written : s.texts) say(model, written);
  if (s.json)
    recipe::print_json({{"loss", report.loss}, {"accuracy", accuracy(counts)}, {"steps", report.steps}, {"seconds", report.seconds}});
  recipe::flush_output(program);
  return recipe::Interruptible::status();
}

int run(int argc, char** argv) {
  const std::optional<Settings> s = recipe::parse<Settings>(program, argc, argv, add_options, presets);
  if (!s) return 0;
  if (s->load.empty()) return train_and_report(*s);
  const Model model = Model::load(s->load);
  for (const std::string& written : s->texts) say(model, written);
  if (!s->texts.empty()) return 0;
  for (std::string line; std::getline(std::cin, line);) say(model, line);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return recipe::main_of(program, [&] { return run(argc, argv); });
}
