#include "text/tokenizer_json.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/check.h"
#include "core/quoted.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kTop = ": ";  // between the file's name and the way to a value, which begins with a slash

std::string name_of(const Json& value) {
  if (value.is_string()) return gradus::quoted(value.get_ref<const std::string&>());
  if (value.is_primitive()) return value.dump();
  return value.is_array() ? "an array" : "an object";
}

/// A value of the file and the way to it, for messages.
class Place {
 public:
  Place(const Json& value, std::string where) : value_(value), where_(std::move(where)) {}

  const Json& value() const noexcept { return value_; }
  const std::string& where() const noexcept { return where_; }

  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> text, Args&&... args) const {
    const bool is_top = where_.ends_with(kTop);
    gradus::fail<IoError>("{}: {}", is_top ? where_.substr(0, where_.size() - kTop.size()) : where_,
                          fmt::format(text, std::forward<Args>(args)...));
  }

  /// An object's entry; null where it has none.
  Place operator[](const char* name) const {
    static const Json null;
    const auto found = value_.find(name);
    return {found == value_.end() ? null : *found, where_ + "/" + name};
  }
  Place at(size_t i) const { return {value_[i], where_ + "/" + fmt::to_string(i)}; }

  bool is_null() const noexcept { return value_.is_null(); }

  /// Of an object with other entries than these.
  void check_object(std::initializer_list<const char*> known) const {
    if (!value_.is_object()) bad("is {}, not an object", name_of(value_));
    for (const auto& [name, value] : value_.items())
      if (std::find(known.begin(), known.end(), name) == known.end()) bad("has an entry {}, which is not known here", gradus::quoted(name));
  }
  void check_array() const {
    if (!value_.is_array()) bad("is {}, not an array", name_of(value_));
  }
  /// Of what would change the meaning of the rest, and has no counterpart here.
  void check_null() const {
    if (is_null()) return;
    if (value_.is_object() && value_.contains("type")) bad("is of type {}, which is not known here; only null is", name_of(value_["type"]));
    bad("is {}; only null is known here", name_of(value_));
  }

  const std::string& text() const {
    if (!value_.is_string()) bad("is {}, not a text", name_of(value_));
    return value_.get_ref<const std::string&>();
  }
  std::optional<std::string> optional_text() const { return is_null() ? std::optional<std::string>() : text(); }
  bool flag(bool otherwise) const {
    if (is_null()) return otherwise;
    if (!value_.is_boolean()) bad("is {}, not true or false", name_of(value_));
    return value_.get<bool>();
  }
  int32_t id() const {
    const bool fits = value_.is_number_unsigned() && value_.get<uint64_t>() < std::numeric_limits<int32_t>::max();
    if (!fits) bad("is {}, not an index below 2^31 - 1", name_of(value_));
    return value_.get<int32_t>();
  }

 private:
  const Json& value_;
  std::string where_;
};

/// Refuses a name that occurs twice in an object, of which the parser would keep the last, and what nests deeper than any tokenizer.
class NoRepeats {
 public:
  explicit NoRepeats(const std::string& place) : place_(place) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    constexpr int most = 64;
    check<IoError>(depth <= most, "{}: nests deeper than {} levels; it is no tokenizer", place_, most);
    const auto level = static_cast<size_t>(depth);
    if (event == Json::parse_event_t::object_start) {
      if (names_.size() <= level + 1) names_.resize(level + 2);
      names_[level + 1].clear();
    } else if (event == Json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      check<IoError>(names_[level].insert(name).second, "{}: the name {} occurs twice in an object", place_, gradus::quoted(name));
    }
    return true;
  }

 private:
  const std::string& place_;
  std::vector<std::unordered_set<std::string>> names_;
};

Json parse(const std::string& place, std::string_view text) {
  const size_t nul = text.find('\0');
  check<IoError>(nul == text.npos, "{}: has a NUL byte, its byte {}; it is damaged", place, nul + 1);
  try {
    return Json::parse(text, NoRepeats(place));
  } catch (const Json::parse_error& error) {
    fail<IoError>("{}: is not valid JSON at its byte {}", place, error.byte);
  } catch (const Json::exception&) {
    fail<IoError>("{}: has a number that no float64 holds", place);
  }
}

void check_metaspace(const Place& place) {
  const std::string replacement = place["replacement"].optional_text().value_or(std::string(kMetaspace));
  if (replacement != kMetaspace) place["replacement"].bad("is {}; only \"{}\" is known here", gradus::quoted(replacement), kMetaspace);
}

PrependScheme scheme_of(const Place& place) {
  if (!place["prepend_scheme"].is_null()) {
    const std::string& scheme = place["prepend_scheme"].text();
    if (scheme == "always") return PrependScheme::Always;
    if (scheme == "first") return PrependScheme::First;
    if (scheme == "never") return PrependScheme::Never;
    place["prepend_scheme"].bad("is {}; known are \"always\", \"first\" and \"never\"", gradus::quoted(scheme));
  }
  return place["add_prefix_space"].flag(true) ? PrependScheme::Always : PrependScheme::Never;  // as it was written before 2023
}

PreTokenizerOptions read_pre_tokenizer(const Place& place) {
  if (place.is_null()) return {};
  if (!place.value().is_object()) place.bad("is {}, not an object", name_of(place.value()));
  const std::string& type = place["type"].text();
  if (type == "Whitespace" || type == "WhitespaceSplit") {
    place.check_object({"type"});
    return {.type = type == "Whitespace" ? PreTokenizer::Whitespace : PreTokenizer::WhitespaceSplit};
  }
  if (type == "ByteLevel") {
    place.check_object({"type", "add_prefix_space", "trim_offsets", "use_regex"});  // trim_offsets changes no index
    return {.type = PreTokenizer::ByteLevel,
            .prepend_scheme = place["add_prefix_space"].flag(true) ? PrependScheme::Always : PrependScheme::Never,
            .use_regex = place["use_regex"].flag(true)};
  }
  if (type != "Metaspace")
    place.bad("is of type {}, which is not known here; Whitespace, WhitespaceSplit, ByteLevel and Metaspace are", gradus::quoted(type));
  place.check_object({"type", "replacement", "add_prefix_space", "prepend_scheme", "split"});
  check_metaspace(place);
  return {.type = PreTokenizer::Metaspace, .prepend_scheme = scheme_of(place), .split = place["split"].flag(true)};
}

DecoderOptions read_decoder(const Place& place) {
  if (place.is_null()) return {};
  if (!place.value().is_object()) place.bad("is {}, not an object", name_of(place.value()));
  const std::string& type = place["type"].text();
  if (type == "ByteLevel") {
    place.check_object({"type", "add_prefix_space", "trim_offsets", "use_regex"});  // which decoding does not ask for
    return {.type = Decoder::ByteLevel};
  }
  if (type == "BPEDecoder") {
    place.check_object({"type", "suffix"});
    const std::string suffix = place["suffix"].optional_text().value_or("</w>");
    if (suffix.empty()) place["suffix"].bad("is empty");
    return {.type = Decoder::BPEDecoder, .suffix = suffix};
  }
  if (type != "Metaspace")
    place.bad("is of type {}, which is not known here; ByteLevel, BPEDecoder and Metaspace are", gradus::quoted(type));
  place.check_object({"type", "replacement", "add_prefix_space", "prepend_scheme", "split"});
  check_metaspace(place);
  return {.type = Decoder::Metaspace, .prepend_scheme = scheme_of(place)};
}

void check_post_processor(const Place& place) {
  if (place.is_null()) return;
  const bool is_byte_level = place.value().is_object() && place.value().value("type", Json()) == "ByteLevel";
  if (!is_byte_level) place.check_null();
  place.check_object({"type", "add_prefix_space", "trim_offsets", "use_regex"});  // which change offsets, and no index
}

TokenIndex read_vocab(const Place& place) {
  if (!place.value().is_object()) place.bad("is {}, not an object", name_of(place.value()));
  TokenIndex vocab;
  vocab.reserve(place.value().size());
  std::unordered_map<int32_t, std::string_view> owners;
  for (const auto& [token, id] : place.value().items()) {
    const int32_t index = Place(id, place.where() + "/" + printable(token, 100)).id();
    const auto entry = vocab.emplace(token, index).first;
    const auto [owner, is_new] = owners.emplace(index, entry->first);
    if (!is_new) place.bad("gives the index {} to {} and to {}", index, gradus::quoted(owner->second), gradus::quoted(token));
  }
  return vocab;
}

/// A merge is written as two texts, or as one with a space between, as it was before 2024.
TokenPair read_merge(const Place& place, const TokenIndex& vocab) {
  std::string left, right;
  if (place.value().is_string()) {
    const std::string& both = place.text();
    const size_t space = both.find(' ');
    if (space == both.npos || both.find(' ', space + 1) != both.npos)
      place.bad("is {}, not two tokens with a space between", gradus::quoted(both));
    left = both.substr(0, space);
    right = both.substr(space + 1);
  } else {
    place.check_array();
    if (place.value().size() != 2) place.bad("has {} tokens; a merge is of two", place.value().size());
    left = place.at(0).text();
    right = place.at(1).text();
  }
  const auto a = vocab.find(left), b = vocab.find(right);
  if (a == vocab.end() || b == vocab.end())
    place.bad("merges {}, which is not in the vocabulary", gradus::quoted(a == vocab.end() ? left : right));
  return {a->second, b->second};
}

void read_model(const Place& place, TokenizerParts& parts) {
  if (!place.value().is_object()) place.bad("is {}, not an object", name_of(place.value()));
  const std::string type = place["type"].optional_text().value_or("BPE");
  if (type != "BPE") place["type"].bad("is {}; only \"BPE\" is known here", gradus::quoted(type));
  place.check_object({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
                      "ignore_merges", "vocab", "merges"});
  place["dropout"].check_null();
  if (place["byte_fallback"].flag(false)) place["byte_fallback"].bad("is true; only false is known here");
  parts.options.unk_token = place["unk_token"].optional_text();
  parts.options.continuing_subword_prefix = place["continuing_subword_prefix"].optional_text().value_or("");
  parts.options.end_of_word_suffix = place["end_of_word_suffix"].optional_text().value_or("");
  parts.options.fuse_unk = place["fuse_unk"].flag(false);
  parts.options.ignore_merges = place["ignore_merges"].flag(false);
  parts.vocab = read_vocab(place["vocab"]);
  const Place merges = place["merges"];
  merges.check_array();
  for (size_t i = 0; i < merges.value().size(); ++i) parts.merges.push_back(read_merge(merges.at(i), parts.vocab));
}

std::vector<AddedToken> read_added_tokens(const Place& place, const TokenIndex& vocab) {
  std::vector<AddedToken> tokens;
  if (place.is_null()) return tokens;
  place.check_array();
  std::unordered_map<int32_t, std::string_view> owners;
  for (const auto& [token, id] : vocab) owners.emplace(id, token);
  std::set<std::string> contents;
  for (size_t i = 0; i < place.value().size(); ++i) {
    const Place at = place.at(i);
    at.check_object({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token{.id = at["id"].id(), .content = at["content"].text()};
    token.special = at["special"].flag(false);
    token.single_word = at["single_word"].flag(false);
    token.lstrip = at["lstrip"].flag(false);
    token.rstrip = at["rstrip"].flag(false);
    token.normalized = at["normalized"].flag(!token.special);
    if (token.content.empty()) at["content"].bad("is empty");
    if (!contents.insert(token.content).second) at["content"].bad("{} is added twice", gradus::quoted(token.content));
    const auto own = vocab.find(token.content);
    if (own != vocab.end() && own->second != token.id)
      at["id"].bad("is {}, but the vocabulary gives {} the index {}", token.id, gradus::quoted(token.content), own->second);
    const auto owner = owners.emplace(token.id, *contents.find(token.content)).first;
    if (owner->second != token.content) at["id"].bad("is {}, which {} has already", token.id, gradus::quoted(owner->second));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// Refuses indices so large that a list of as many tokens would be mostly empty.
void check_indices(const std::string& place, const TokenizerParts& parts) {
  const int64_t count = static_cast<int64_t>(parts.vocab.size() + parts.added.size());
  int64_t largest = -1;
  for (const auto& [token, id] : parts.vocab) largest = std::max<int64_t>(largest, id);
  for (const AddedToken& token : parts.added) largest = std::max<int64_t>(largest, token.id);
  constexpr int64_t few = 100'000;
  check<IoError>(largest <= 4 * count + few, "{}: the largest index is {}, but there are {} tokens; is it damaged?", place, largest, count);
}

const char* name_of(PrependScheme scheme) {
  if (scheme == PrependScheme::Always) return "always";
  return scheme == PrependScheme::First ? "first" : "never";
}

using OrderedJson = nlohmann::ordered_json;

OrderedJson byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

OrderedJson metaspace(PrependScheme scheme, bool split) {
  return {{"type", "Metaspace"}, {"replacement", kMetaspace}, {"prepend_scheme", name_of(scheme)}, {"split", split}};
}

OrderedJson as_json(const PreTokenizerOptions& options) {
  switch (options.type) {
    case PreTokenizer::Whitespace: return {{"type", "Whitespace"}};
    case PreTokenizer::WhitespaceSplit: return {{"type", "WhitespaceSplit"}};
    case PreTokenizer::ByteLevel: return byte_level(options.prepend_scheme == PrependScheme::Always, options.use_regex);
    case PreTokenizer::Metaspace: return metaspace(options.prepend_scheme, options.split);
    case PreTokenizer::None: break;
  }
  return nullptr;
}

OrderedJson as_json(const DecoderOptions& options) {
  switch (options.type) {
    case Decoder::ByteLevel: return byte_level(true, true);
    case Decoder::BPEDecoder: return {{"type", "BPEDecoder"}, {"suffix", options.suffix}};
    case Decoder::Metaspace: return metaspace(options.prepend_scheme, true);
    case Decoder::None: break;
  }
  return nullptr;
}

OrderedJson as_json(const AddedToken& token) {
  return {{"id", token.id},         {"content", token.content},       {"single_word", token.single_word}, {"lstrip", token.lstrip},
          {"rstrip", token.rstrip}, {"normalized", token.normalized}, {"special", token.special}};
}

OrderedJson text_or_null(const std::string& text) { return text.empty() ? OrderedJson() : OrderedJson(text); }

OrderedJson as_json(const BPEModel& model) {
  const BPEModelOptions& options = model.options();
  std::vector<std::pair<int32_t, const std::string*>> tokens;
  std::unordered_map<int32_t, const std::string*> by_id;
  for (const auto& [token, id] : model.vocab()) tokens.emplace_back(id, &token);
  std::sort(tokens.begin(), tokens.end());
  OrderedJson::object_t vocab;
  vocab.reserve(tokens.size());
  for (const auto& [id, token] : tokens) {
    vocab.emplace_back(*token, id);
    by_id[id] = token;
  }
  OrderedJson merges = OrderedJson::array();
  for (const TokenPair& pair : model.merges()) merges.push_back({*by_id.at(pair.left), *by_id.at(pair.right)});
  OrderedJson json;
  json["type"] = "BPE";
  json["dropout"] = nullptr;
  json["unk_token"] = options.unk_token ? OrderedJson(*options.unk_token) : OrderedJson();
  json["continuing_subword_prefix"] = text_or_null(options.continuing_subword_prefix);
  json["end_of_word_suffix"] = text_or_null(options.end_of_word_suffix);
  json["fuse_unk"] = options.fuse_unk;
  json["byte_fallback"] = false;
  json["ignore_merges"] = options.ignore_merges;
  json["vocab"] = std::move(vocab);
  json["merges"] = std::move(merges);
  return json;
}

}  // namespace

TokenizerParts parse_tokenizer(const std::string& place, std::string_view text) {
  const Json json = parse(place, text);
  const Place top(json, place + std::string(kTop));
  top.check_object(
      {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"});
  const std::string version = top["version"].optional_text().value_or("1.0");
  if (version != "1.0") top["version"].bad("is {}; only \"1.0\" is known here", gradus::quoted(version));
  top["truncation"].check_null();
  top["padding"].check_null();
  top["normalizer"].check_null();
  check_post_processor(top["post_processor"]);
  TokenizerParts parts;
  parts.pre_tokenizer = read_pre_tokenizer(top["pre_tokenizer"]);
  parts.decoder = read_decoder(top["decoder"]);
  read_model(top["model"], parts);
  parts.added = read_added_tokens(top["added_tokens"], parts.vocab);
  check_indices(place, parts);
  return parts;
}

std::string write_tokenizer(const PreTokenizerOptions& pre_tokenizer, const DecoderOptions& decoder, const std::vector<AddedToken>& added,
                            const BPEModel& model) {
  OrderedJson json;
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = OrderedJson::array();
  for (const AddedToken& token : added) json["added_tokens"].push_back(as_json(token));
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = as_json(pre_tokenizer);
  json["post_processor"] = nullptr;
  json["decoder"] = as_json(decoder);
  json["model"] = as_json(model);
  return json.dump(2) + "\n";
}

}  // namespace gradus::text
