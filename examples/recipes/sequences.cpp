#include "sequences.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <numeric>
#include <utility>

#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/error.h"
#include "gradus/ops/loss.h"
#include "gradus/optim.h"
#include "gradus/train.h"
#include "model_file.h"
#include "ranks.h"
#include "training.h"

namespace recipe {
namespace {

namespace data = gradus::data;
namespace text = gradus::text;
namespace train_kit = gradus::train;

const std::vector<std::string> kReserved = {"<pad>", "<bos>", "<eos>"};

int64_t longest(const SequencePair& pair) { return static_cast<int64_t>(std::max(pair.source.size(), pair.target.size())) + 1; }

/// Rows of indices, padded to the longest. (rows, steps)
Tensor padded(const std::vector<std::vector<int64_t>>& rows, int64_t pad) {
  std::vector<Tensor> tensors;
  for (const auto& row : rows) tensors.push_back(gradus::from_vector(row, static_cast<int64_t>(row.size())));
  return data::pad_sequence(tensors, true, static_cast<double>(pad));
}

/// Sources with <eos>, and their lengths.
std::pair<Tensor, Tensor> padded_sources(const std::vector<std::vector<int64_t>>& sources) {
  std::vector<std::vector<int64_t>> rows = sources;
  std::vector<int64_t> lengths;
  for (auto& row : rows) {
    row.push_back(kEos);
    lengths.push_back(static_cast<int64_t>(row.size()));
  }
  const auto count = static_cast<int64_t>(rows.size());
  return {padded(rows, kPad), gradus::from_vector(lengths, {count})};
}

}  // namespace

text::Vocab make_vocab(const std::vector<std::vector<std::string>>& sequences, int64_t min_freq) {
  return text::Vocab(sequences, {.min_freq = min_freq, .reserved_tokens = kReserved});
}

SequenceBatch collate(const std::vector<SequencePair>& pairs) {
  std::vector<std::vector<int64_t>> sources, inputs, labels;
  int64_t tokens = 0;
  for (const SequencePair& pair : pairs) {
    sources.push_back(pair.source);
    inputs.push_back(pair.target);
    inputs.back().insert(inputs.back().begin(), kBos);
    labels.push_back(pair.target);
    labels.back().push_back(kEos);
    tokens += static_cast<int64_t>(labels.back().size());
  }
  auto [source, lengths] = padded_sources(sources);
  return {source, lengths, padded(inputs, kPad), padded(labels, -100), tokens};
}

std::vector<SequenceBatch> in_batches(const Sequences& sequences) {
  std::vector<SequenceBatch> batches;
  for (const SequenceBatch& batch : data::DataLoader(
           sequences, data::BucketSampler(data::lengths_of(sequences, longest), {.max_tokens = 4096, .longer_alone = true}), {}, collate))
    batches.push_back(batch);
  return batches;
}

/// Some of the pairs of a batch.
SequenceBatch rows_of(const SequenceBatch& batch, int64_t begin, int64_t end) {
  const auto cut = [&](const Tensor& t) { return t.slice(0, begin, end); };
  const Tensor labels = cut(batch.labels);
  return {cut(batch.source), cut(batch.lengths), cut(batch.input), labels, labels.ge(0).sum().item<int64_t>()};
}

Tensor loss(const EncoderDecoder& model, const SequenceBatch& batch, double label_smoothing) {
  const Tensor scores = model(batch.source, batch.lengths, batch.input);  // (B, S, V)
  return gradus::cross_entropy(scores.reshape({-1, scores.size(2)}), batch.labels.reshape(-1), {.label_smoothing = label_smoothing});
}

void add_options(Options& options, ModelOptions& o) {
  options.one_of("--model", o.kind, "gru: the source in one state; attention: GRUs that look at all of it; transformer",
                 {"gru", "attention", "transformer"});
  options.whole("--embed", o.embed, "embedding size (gru, attention)", 1, 65'536);
  options.whole("--hidden", o.hidden, "hidden size; the Transformer's d_model", 2, 65'536);
  options.whole("--layers", o.layers, "layers of the encoder and of the decoder", 1, 1000);
  options.whole("--heads", o.heads, "attention heads (transformer)", 1, 1024);
  options.real("--dropout", o.dropout, "share that dropout leaves out", 0, 0.9);
}

void add_options(Options& options, TrainingOptions& o) {
  options.whole("--epochs", o.epochs, "passes over the training data", 1);
  options.whole("--max-tokens", o.max_tokens, "the size of a batch: examples times the longer side of the longest", 1);
  options.real("--lr", o.lr, "Adam's learning rate after the warm-up", 0, 1);
  options.whole("--warmup", o.warmup, "steps until the learning rate is reached", 0);
  options.real("--label-smoothing", o.label_smoothing, "share of a label that is spread over all", 0, 0.9);
  options.real("--clip", o.clip, "largest norm of the gradients", 0, 1e6);
  options.whole("--patience", o.patience, "end after so many epochs without a better measure (0: never)", 0);
}

TrainingReport train(EncoderDecoder& model, const Sequences& all, const TrainingOptions& o, const Program& program, const Common& common,
                     const std::function<double()>& measure) {
  if (all.size() == 0) throw gradus::ValueError("nothing is left to train on; see --help for the options that choose");
  const std::vector<Tensor> parameters = model.module().parameters();
  gradus::optim::Adam adam(parameters, {.lr = o.lr, .betas = {0.9, 0.98}});
  data::BucketSampler buckets(data::lengths_of(all, longest), {.max_tokens = o.max_tokens, .shuffle = true, .seed = common.seed});
  const int64_t steps = o.epochs * buckets.size();
  gradus::optim::LambdaLR scheduler(adam, [&](int64_t step) { return warmup_cosine(step, o.warmup, steps); });
  data::DataLoader loader(all, std::move(buckets), {.prefetch = 2}, collate);
  train_kit::EarlyStopping best(model.module(), {.patience = o.patience > 0 ? o.patience : o.epochs + 1});
  Counts counts;
  const Backward backward(model.module(), common.shards);
  Checkpoints checkpoints(program, common,
                          backward.with_state({{"model", model.module()},
                                               {"optimizer", adam},
                                               {"scheduler", scheduler},
                                               {"loader", loader},
                                               {"best", best},
                                               {"counts", counts}}));
  TrainingReport report;
  int64_t tokens = 0;
  train_kit::Progress progress(std::max(steps, counts.steps), {.unit = "tokens", .done = counts.steps});
  model.module().train();
  while (counts.epochs < o.epochs && !best.should_stop() && !Interruptible::signal()) {
    // A checkpoint may stand between the last step of an epoch and its end.
    if (loader.epoch() == counts.epochs)
      for (const SequenceBatch& batch : loader) {
        adam.zero_grad();
        const double batch_loss = backward(batch.source.size(0), [&](int64_t begin, int64_t end) {
          const SequenceBatch part = rows_of(batch, begin, end);
          return std::pair(loss(model, part, o.label_smoothing), static_cast<double>(part.tokens));
        });
        nn::clip_grad_norm_(parameters, o.clip);
        adam.step();
        scheduler.step();
        counts.loss.update(batch_loss, static_cast<double>(batch.tokens));
        tokens += batch.tokens;
        std::vector<std::pair<std::string, double>> figures{{"loss", counts.loss.compute()}};
        if (best.updates() > 0) figures.emplace_back("best", best.best());
        progress.update(++counts.steps, batch.tokens, std::move(figures));
        checkpoints.after_step(counts.steps);
        if (Interruptible::asked()) break;
      }
    if (Interruptible::signal()) break;
    if (measure) {
      model.module().eval();
      best.update(measure());
      model.module().train();
    }
    counts.end_epoch();
    checkpoints.after_epoch(counts.steps);
  }
  checkpoints.save(counts.steps);
  report.seconds = progress.seconds();
  progress.finish();
  model.module().eval();
  if (best.updates() > 0) best.restore();
  report.loss = counts.last_loss(), report.best = best.best(), report.epochs = counts.epochs, report.steps = counts.steps;
  report.tokens_per_s = report.seconds > 0 ? static_cast<double>(tokens) / report.seconds : 0;
  if (const int signal = Interruptible::signal()) std::fprintf(stderr, "interrupted by signal %d\n", signal);
  return report;
}

std::vector<std::vector<int64_t>> decode(const Ensemble& models, const std::vector<std::vector<int64_t>>& given,
                                         const gradus::generate::BeamOptions& wanted) {
  gradus::generate::BeamOptions options = wanted;
  std::vector<std::vector<int64_t>> sources = given;
  int64_t most = std::numeric_limits<int64_t>::max(), cut = 0;
  for (const EncoderDecoder* model : models)
    if (model->options().kind == "transformer") most = std::min(most, model->options().longest);
  options.max_length = std::min(options.max_length, most);
  for (auto& source : sources)
    if (static_cast<int64_t>(source.size()) >= most) source.resize(static_cast<size_t>(most - 1)), ++cut;  // and <eos>
  if (cut > 0)
    std::fprintf(stderr, "sources cut to the %lld tokens that this model can tell apart: %lld\n", static_cast<long long>(most),
                 static_cast<long long>(cut));
  // In the order of their lengths, so that little is padded.
  std::vector<size_t> order(sources.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return sources[i].size(); });
  std::vector<std::vector<int64_t>> targets(sources.size());
  constexpr size_t batch = 128;
  for (size_t begin = 0; begin < order.size(); begin += batch) {
    std::vector<std::vector<int64_t>> some;
    for (size_t i = begin; i < std::min(begin + batch, order.size()); ++i) some.push_back(sources[order[i]]);
    const auto [source, lengths] = padded_sources(some);
    const auto found = beam_search(models, source, lengths, kBos, {kPad, kBos}, options);
    for (size_t i = 0; i < some.size(); ++i) targets[order[begin + i]] = found[i][0].tokens;
  }
  return targets;
}

void SavedModel::save(const Program& program, const std::string& path) const {
  const ModelOptions& o = model.options();
  ModelFile file{model.state_dict(),
                 {{"model", o.kind},
                  {"embed", o.embed},
                  {"hidden", o.hidden},
                  {"layers", o.layers},
                  {"heads", o.heads},
                  {"dropout", o.dropout},
                  {"longest", o.longest}},
                 {{"source_vocab", source.tokens()}, {"target_vocab", target.tokens()}}};
  for (const auto& [name, value] : more) file.config.insert(name, value);
  file.save(program, path);
}

SavedModel SavedModel::load(const Program& program, const std::string& path) {
  return load_model(program, path, [](const ModelFile& file) {
    const gradus::io::StateValues& c = file.config;
    const text::Vocab from = text::Vocab::from_tokens(file.lists.at("source_vocab")),
                      to = text::Vocab::from_tokens(file.lists.at("target_vocab"));
    SavedModel saved{EncoderDecoder({.kind = c.get<std::string>("model"),
                                     .source_vocab = from.size(),
                                     .target_vocab = to.size(),
                                     .embed = c.get<int64_t>("embed"),
                                     .hidden = c.get<int64_t>("hidden"),
                                     .layers = c.get<int64_t>("layers"),
                                     .heads = c.get<int64_t>("heads"),
                                     .dropout = c.get<double>("dropout"),
                                     .longest = c.get<int64_t>("longest")}),
                     from, to, c};
    saved.model.load_state_dict(file.weights);
    saved.model.module().eval();
    return saved;
  });
}

}  // namespace recipe
