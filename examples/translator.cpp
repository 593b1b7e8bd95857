#include "translator.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "options.h"

namespace {

using gradus::Tensor;
using nlohmann::json;
namespace text = gradus::text;

/// What a file's config says. Throws IoError that names the entry at fault.
class Config {
 public:
  Config(const std::string& path, const std::string& content) : path_(path), values_(json::parse(content)) {}

  int64_t whole(const char* name, int64_t most) const {
    const json& value = values_.at(name);
    // As a double, since an integer may be beyond int64.
    if (!value.is_number_integer() || value.get<double>() < 1 || value.get<double>() > static_cast<double>(most))
      refuse(name, value, "a whole number from 1 to " + std::to_string(most));
    return value.get<int64_t>();
  }
  double share(const char* name) const {
    const json& value = values_.at(name);
    if (!value.is_number() || !(value.get<double>() >= 0 && value.get<double>() < 1)) refuse(name, value, "a number from 0 to below 1");
    return value.get<double>();
  }
  text::Vocab vocab(const char* name) const {
    text::Vocab vocab = text::Vocab::from_tokens(values_.at(name));
    for (const char* token : {"<pad>", "<bos>", "<eos>"})
      if (!vocab.contains(token)) refuse(name, "without " + std::string(token), "a vocabulary with <pad>, <bos> and <eos>");
    return vocab;
  }

 private:
  [[noreturn]] void refuse(const char* name, const json& value, const std::string& rule) const {
    throw gradus::IoError("translate: the config in " + path_ + " is damaged: \"" + name + "\" is " + value.dump() + "; it must be " +
                          rule);
  }

  const std::string& path_;
  json values_;
};

/// Throws IoError unless the file's tensors are of these sizes; a model of other ones might not fit into memory.
void check_sizes(const gradus::io::NamedTensors& file, const seq2seq::ModelOptions& o, const std::string& path) {
  const auto expect = [&](const std::string& name, const gradus::Shape& shape) {
    const Tensor* const found = file.find(name);
    if (found && found->shape() == shape) return;
    throw gradus::IoError("translate: " + path + ": its config asks for " + name + " of shape " + shape.str() + ", but it holds " +
                          (found ? "one of shape " + found->shape().str() : "none"));
  };
  expect("encoder.embedding.weight", {o.source_vocab, o.embed});
  expect("decoder.embedding.weight", {o.target_vocab, o.embed});
  for (const int64_t layer : {int64_t{0}, o.layers - 1}) {
    expect("encoder.rnn.weight_hh_l" + std::to_string(layer), {3 * o.hidden, o.hidden});
    expect("decoder.rnn.weight_hh_l" + std::to_string(layer), {3 * o.hidden, o.hidden});
  }
}

Translator read(const gradus::io::NamedTensors& file, const Config& config, const std::string& path) {
  seq2seq::Corpus corpus(config.vocab("source_vocab"), config.vocab("target_vocab"));
  const seq2seq::ModelOptions options{.source_vocab = corpus.source.size(),
                                      .target_vocab = corpus.target.size(),
                                      .embed = config.whole("embed", kMostSize),
                                      .hidden = config.whole("hidden", kMostSize),
                                      .layers = config.whole("layers", kMostLayers),
                                      .dropout = config.share("dropout")};
  const int64_t steps = config.whole("steps", kMostSteps);
  check_sizes(file, options, path);
  Translator translator(std::move(corpus), options, steps);
  translator.model.load_state_dict(file.tensors);
  return translator;
}

}  // namespace

std::vector<std::string> Translator::translate(const std::vector<std::vector<std::string>>& sentences) const {
  std::vector<std::string> translations;
  const text::Vocab& target = corpus.target;
  for (size_t begin = 0; begin < sentences.size(); begin += 256) {
    const size_t end = std::min(begin + 256, sentences.size());
    const std::vector<std::vector<std::string>> some(sentences.begin() + static_cast<int64_t>(begin),
                                                     sentences.begin() + static_cast<int64_t>(end));
    const Tensor decoded = decode(corpus.encode_source(some, steps).tokens);
    for (int64_t row = 0; row < decoded.size(0); ++row) {
      std::string sentence;
      for (int64_t token : decoded[row].to_vector<int64_t>())
        if (token != target["<pad>"]) sentence += (sentence.empty() ? "" : " ") + target.token(token);
      translations.push_back(sentence);
    }
  }
  return translations;
}

Tensor Translator::decode(const Tensor& source) const {
  const text::Vocab& t = corpus.target;
  return seq2seq::greedy_decode(model, source, steps, t["<bos>"], t["<eos>"], t["<pad>"]);
}

void Translator::save(const std::string& path) const {
  const json config = {{"source_vocab", corpus.source.tokens()},
                       {"target_vocab", corpus.target.tokens()},
                       {"embed", options.embed},
                       {"hidden", options.hidden},
                       {"layers", options.layers},
                       {"dropout", options.dropout},
                       {"steps", steps}};
  gradus::io::save_safetensors(path, model.state_dict(), {{"format", "gradus-translate-1"}, {"config", config.dump()}});
}

Translator Translator::load(const std::string& path) {
  const gradus::io::NamedTensors file = gradus::io::load_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format != file.metadata.end() && format->second != "gradus-translate-1")
    throw gradus::IoError("translate: " + path + " was not written by translate --save, but says that it is a " + format->second);
  const auto config = file.metadata.find("config");
  if (config == file.metadata.end())
    throw gradus::IoError("translate: " + path + " was not written by translate --save: it holds no config");
  try {
    return read(file, Config(path, config->second), path);
  } catch (const json::exception& error) {
    throw gradus::IoError("translate: the config in " + path + " is damaged: " + error.what());
  } catch (const gradus::ValueError& error) {
    throw gradus::IoError("translate: " + path + " is damaged: " + error.what());
  }
}
