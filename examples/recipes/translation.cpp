#include "translation.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/data/split.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/plot.h"
#include "gradus/random.h"
#include "model_file.h"
#include "ranks.h"
#include "sequences.h"
#include "training.h"

namespace recipe {
namespace {

using Strings = std::vector<std::string>;
namespace data = gradus::data;
namespace text = gradus::text;

constexpr Program program{"translate", "Trains a model to translate, and translates with it."};

struct Settings : Common {
  std::string data, picture;
  int64_t num_examples = -1, min_freq = 2, bpe = 0, beam = 4, longest = 60;
  double held_out = 0.1, length_penalty = 1;
  Strings translate;
  ModelOptions model{.embed = 128, .hidden = 256, .layers = 1, .dropout = 0.3};
  TrainingOptions training{.epochs = 20, .max_tokens = 1024, .lr = 2e-3, .warmup = 200};
};

void add_options(Options& options, Settings& s) {
  options.whole("--beam", s.beam, "beams of the search; 1 is greedy", 1, 1000);
  options.real("--length-penalty", s.length_penalty, "above 0 longer translations are preferred", -10, 10);
  options.whole("--longest", s.longest, "tokens of the longest translation, and of the longest pair that is trained on", 1, 10'000);
  options.texts("--translate", s.translate, "translate this sentence (may be given more than once)");
  options.output("--picture", s.picture, "draw what the first --translate looks at here (.svg or .png; needs gnuplot)");
  options.training();
  options.file("--data", s.data, "tab-separated pairs, source and target (default: the built-in phrase book)");
  options.whole("--num-examples", s.num_examples, "read at most this many pairs (-1: all)", -1);
  options.whole("--bpe", s.bpe, "learn a vocabulary of so many byte pairs for each side (0: words)", 0, 1 << 20);
  options.whole("--min-freq", s.min_freq, "words that occur less often are <unk>", 1);
  options.real("--held-out", s.held_out, "share of the pairs kept apart to test on, by source sentence", 0, 0.9);
  add_options(options, s.model);
  add_options(options, s.training);
}

const std::vector<Preset<Settings>> presets = {
    {"fra-eng", "40 000 pairs of manythings.org",
     [](Settings& s) {
       s.model.embed = 192, s.model.hidden = 256, s.model.layers = 2, s.model.dropout = 0.3;
       s.training = {.epochs = 12, .max_tokens = 1024, .lr = 1e-3, .warmup = 500};
       s.held_out = 0.05;
     }},
    {"quick", "a short try, for the phrase book",
     [](Settings& s) {
       s.model.embed = 64, s.model.hidden = 128, s.model.layers = 1, s.model.dropout = 0.2;
       s.training = {.epochs = 12, .max_tokens = 1024, .lr = 4e-3, .warmup = 50};
     }},
};

/// Sentences to tokens and back: words, or byte pairs if there are any.
class Side {
 public:
  Side(const Strings& sentences, int64_t bpe, int64_t min_freq) {
    if (bpe > 0) {
      bpe_ = text::BPE::train(sentences, {.vocab_size = bpe,
                                          .special_tokens = {"<unk>", "<pad>", "<bos>", "<eos>"},
                                          .pre_tokenizer = text::PreTokenizer::Metaspace,
                                          .unk_token = "<unk>"});
      Strings tokens;
      for (int64_t i = 0; i < bpe_->vocab_size(); ++i) tokens.push_back(bpe_->id_to_token(i));
      vocab_ = text::Vocab::from_tokens(tokens);
    } else {
      std::vector<Strings> words;
      for (const std::string& sentence : sentences) words.push_back(text::tokenize(sentence));
      vocab_ = make_vocab(words, min_freq);
    }
  }
  /// `json` is the text of a tokenizer.json, or empty.
  Side(text::Vocab vocab, const std::string& json) : vocab_(std::move(vocab)) {
    if (!json.empty()) bpe_ = text::BPE::from_str(json, "the model's tokenizer");
  }

  /// Of a sentence that preprocess() went over.
  std::vector<int64_t> encode(const std::string& sentence) const {
    return bpe_ ? bpe_->encode(sentence) : vocab_.to_indices(text::tokenize(sentence));
  }
  std::string decode(const std::vector<int64_t>& tokens) const {
    if (bpe_) return bpe_->decode(tokens);
    return joined(vocab_.to_tokens(tokens));
  }
  const text::Vocab& vocab() const noexcept { return vocab_; }
  std::string json() const { return bpe_ ? bpe_->to_str() : ""; }

 private:
  text::Vocab vocab_;
  std::optional<text::BPE> bpe_;
};

struct Translator {
  SavedModel saved;
  Side source, target;

  Strings translate(const Strings& sentences, const Settings& s) const {
    std::vector<std::vector<int64_t>> sources;
    for (const std::string& sentence : sentences) sources.push_back(source.encode(sentence));
    Strings translations;
    for (const auto& tokens :
         decode({&saved.model}, sources,
                {.num_beams = s.beam, .max_length = s.longest, .end = kEos, .length_penalty = s.length_penalty, .early_stopping = true}))
      translations.push_back(target.decode(tokens));
    return translations;
  }
  static Translator load(const std::string& path) {
    SavedModel saved = SavedModel::load(program, path);
    Side source(saved.source, saved.more.get<std::string>("source_bpe")), target(saved.target, saved.more.get<std::string>("target_bpe"));
    return {std::move(saved), std::move(source), std::move(target)};
  }
};

/// As preprocess() leaves them.
using Pairs = data::ListDataset<text::Pair>;

Pairs read_pairs(const Settings& s) {
  std::vector<text::Pair> pairs;
  for (const text::Pair& pair : text::read_pairs(s.data.empty() ? GRADUS_PHRASEBOOK : s.data, s.num_examples))
    pairs.push_back({text::preprocess(pair.source), text::preprocess(pair.target)});
  if (pairs.empty())
    throw gradus::ValueError((s.data.empty() ? "--num-examples leaves" : s.data + " holds") +
                             std::string(" no pairs; put one on a line: source, a tab, target"));
  return Pairs(std::move(pairs));
}

std::vector<text::Pair> listed(const data::Subset<Pairs>& part) {
  std::vector<text::Pair> pairs;
  for (int64_t i = 0; i < part.size(); ++i) pairs.push_back(part.get(i));
  return pairs;
}

Strings side_of(const std::vector<text::Pair>& pairs, std::string text::Pair::*member) {
  Strings sentences;
  for (const text::Pair& pair : pairs) sentences.push_back(pair.*member);
  return sentences;
}

Sequences encode(const Translator& t, const std::vector<text::Pair>& pairs, int64_t longest) {
  std::vector<SequencePair> sequences;
  for (const text::Pair& pair : pairs) {
    SequencePair one{t.source.encode(pair.source), t.target.encode(pair.target)};
    if (static_cast<int64_t>(std::max(one.source.size(), one.target.size())) < longest) sequences.push_back(std::move(one));
  }
  return Sequences(std::move(sequences));
}

/// Corpus BLEU of every source sentence once, with all its translations as references, and how many translations are one of these.
struct Quality {
  text::BleuScore bleu;
  double exact = 0;
};

Quality evaluate(const Translator& t, const std::vector<text::Pair>& pairs, const Settings& s) {
  std::map<std::string, Strings> references;
  for (const text::Pair& pair : pairs) references[pair.source].push_back(pair.target);
  Strings sentences;
  std::vector<Strings> wanted;
  for (const auto& [source, targets] : references) sentences.push_back(source), wanted.push_back(targets);
  const Strings found = t.translate(sentences, s);
  Quality quality{text::corpus_bleu(found, wanted, {.lowercase = true})};
  for (size_t i = 0; i < found.size(); ++i) quality.exact += std::ranges::find(wanted[i], found[i]) != wanted[i].end();
  quality.exact /= static_cast<double>(found.size());
  return quality;
}

/// The mean cross-entropy of the held-out pairs, nats a token: what chooses the epoch.
double loss_of(const Translator& t, const Sequences& sequences);

/// Throws unless the picture that is asked for can be drawn, of a model of this kind.
void check_picture_of(const std::string& kind, const Settings& s) {
  if (s.picture.empty()) return;
  if (s.translate.empty()) throw gradus::ValueError("--picture shows a translation; give a sentence by --translate");
  if (kind == "gru") throw gradus::ValueError("--picture shows attention, and --model gru has none");
  check_picture(program, s.picture);
}

/// What each word of the translation looks at, as a picture.
void draw(const Translator& t, const std::string& sentence, const std::string& translation, const std::string& path) {
  const SequenceBatch one = collate({{t.source.encode(sentence), t.target.encode(translation)}});
  const Tensor weights = attention_weights(t.saved.model, one.source, one.lengths, one.input);  // (1, S, T)
  const auto names = [](const text::Vocab& vocab, const Tensor& tokens) {
    return vocab.to_tokens(tokens.reshape(-1).to_vector<int64_t>());
  };
  gradus::plot::Figure({.title = translation, .x_label = "source", .y_label = "translation"})
      .heat_map(weights[0], {.row_labels = names(t.target.vocab(), one.labels),
                             .column_labels = names(t.source.vocab(), one.source),
                             .range = gradus::plot::Range{0, 1}})
      .save(path);
}

void translate_all(const Translator& t, const Settings& s) {
  for (const std::string& sentence : s.translate) {
    const std::string translation = t.translate({text::preprocess(sentence)}, s)[0];
    std::printf("%s => %s\n", sentence.c_str(), translation.c_str());
    if (!s.picture.empty() && &sentence == &s.translate.front() && Ranks::all().is_first())
      draw(t, text::preprocess(sentence), translation, s.picture);
  }
}

double loss_of(const Translator& t, const Sequences& sequences) {
  const gradus::NoGradGuard no_grad;
  double nats = 0, tokens = 0;
  for (const SequenceBatch& batch : in_batches(sequences)) {
    nats += loss(t.saved.model, batch, 0).item() * static_cast<double>(batch.tokens);
    tokens += static_cast<double>(batch.tokens);
  }
  return nats / tokens;
}

int train_and_report(Settings s) {
  if (!s.save.empty()) check_writable(program, "--save", s.save);
  check_picture_of(s.model.kind, s);
  const auto parts = data::group_split(
      read_pairs(s), [](const text::Pair& pair) { return pair.source; }, {1 - s.held_out, s.held_out}, s.seed);
  const std::vector<text::Pair> seen = listed(parts[0]), held_out = listed(parts[1]);
  gradus::manual_seed(s.seed);
  Side source(side_of(seen, &text::Pair::source), s.bpe, s.min_freq), target(side_of(seen, &text::Pair::target), s.bpe, s.min_freq);
  s.model.source_vocab = source.vocab().size(), s.model.target_vocab = target.vocab().size(), s.model.longest = 2 * s.longest + 2;
  SavedModel saved{EncoderDecoder(s.model), source.vocab(), target.vocab(), {{"source_bpe", source.json()}, {"target_bpe", target.json()}}};
  Translator t{std::move(saved), std::move(source), std::move(target)};
  const Sequences to_train = encode(t, seen, s.longest), to_test = encode(t, held_out, s.longest);
  const int64_t parameters = count_parameters(t.saved.model.module());
  std::fprintf(stderr, "%zu pairs to train on, %zu held out; %lld source and %lld target tokens; %lld parameters\n",
               static_cast<size_t>(to_train.size()), held_out.size(), static_cast<long long>(t.source.vocab().size()),
               static_cast<long long>(t.target.vocab().size()), static_cast<long long>(parameters));

  std::function<double()> measure;
  if (to_test.size() > 0) measure = [&] { return loss_of(t, to_test); };
  TrainingReport report;
  {
    const Interruptible until_saved;
    report = train(t.saved.model, to_train, s.training, program, s, measure);
    if (report.steps > 0 && !s.save.empty()) t.saved.save(program, s.save);
  }
  if (report.steps == 0) return Interruptible::status();
  std::printf("loss %.4f, %.0f tokens/s, %.1f s of training\n", report.loss, report.tokens_per_s, report.seconds);
  double bleu = std::numeric_limits<double>::quiet_NaN(), exact = bleu;
  if (!held_out.empty()) {
    const Quality quality = evaluate(t, held_out, s);
    std::printf("held-out: %s, exact %.3f\n", quality.bleu.str().c_str(), quality.exact);
    bleu = quality.bleu.score, exact = quality.exact;
  }
  translate_all(t, s);
  if (s.json)
    print_json({{"loss", report.loss},
                {"bleu", bleu},
                {"exact", exact},
                {"parameters", parameters},
                {"epochs", report.epochs},
                {"steps", report.steps},
                {"seconds", report.seconds},
                {"tokens_per_s", report.tokens_per_s}});
  flush_output(program);
  return Interruptible::status();
}

}  // namespace

int run_translation(int argc, char** argv) {
  const std::optional<Settings> s = parse<Settings>(program, argc, argv, add_options, presets);
  if (!s) return 0;
  if (s->load.empty()) return train_and_report(*s);
  const Translator t = Translator::load(s->load);
  check_picture_of(t.saved.model.options().kind, *s);
  translate_all(t, *s);
  if (s->translate.empty())
    for (std::string line; std::getline(std::cin, line);) {
      std::printf("%s\n", t.translate({text::preprocess(line)}, *s)[0].c_str());
      flush_output(program);
    }
  flush_output(program);
  return 0;
}

bool asks_for_translation(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--model" || argument.starts_with("--model=")) return true;
    const bool apart = argument == "--load" && i + 1 < argc;
    if (apart || argument.starts_with("--load=")) return ModelFile::is(program, apart ? argv[i + 1] : std::string(argument.substr(7)));
  }
  return false;
}

}  // namespace recipe
