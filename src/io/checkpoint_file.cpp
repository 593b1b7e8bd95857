#include "io/checkpoint_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "core/check.h"
#include "gradus/random.h"
#include "io/safetensors_file.h"

/// How a checkpoint lies in a safetensors file. Tensors are called PART.NAME, those of the values values.NAME; what is no tensor stands in
/// one entry of the metadata, a JSON object {"parts": {PART: {NAME: value}}, "values": {NAME: value}} that has every part.
namespace gradus::io {
namespace {

using nlohmann::json;

constexpr const char* kValues = "values";
constexpr const char* kRngState = "rng_state";
constexpr const char* kBits = "bits";  // of a number that JSON has not, as infinity
/// So that a file cannot ask for much more memory than it has bytes.
constexpr size_t kMostEntries = 100'000;

json to_json(const StateValue& value) {
  if (value.is<bool>()) return value.get<bool>();
  if (value.is<int64_t>()) return value.get<int64_t>();
  if (value.is<std::string>()) return value.get<std::string>();
  const auto number = value.get<double>();
  if (std::isfinite(number)) return number;
  return {{kBits, fmt::format("{:016x}", std::bit_cast<uint64_t>(number))}};
}

/// Nothing when the value is not one that to_json makes.
std::optional<StateValue> from_json(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) {
    if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) return {};
    return value.get<int64_t>();
  }
  if (!value.is_object() || value.size() != 1 || !value.contains(kBits) || !value[kBits].is_string()) return {};
  const auto& digits = value[kBits].get_ref<const std::string&>();
  uint64_t bits = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, bits, 16);
  if (read.ec != std::errc() || read.ptr != end) return {};
  return std::bit_cast<double>(bits);
}

/// Looks whether a text has the form of a list of values, before memory is spent on it: objects within objects, so deep and so many. (The
/// parser's own callback takes the square of their number.)
class ListForm : public nlohmann::json_sax<json> {
 public:
  ListForm(const char* op, const std::string& path) : op_(op), path_(path) {}

  bool start_object(std::size_t) override {
    constexpr int deepest = 4;  // the list, its parts, one part, the bits of a number
    if (++depth_ > deepest) misplaced();
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(std::string&) override {
    check<IoError>(++keys_ <= 2 * kMostEntries, "{}: {}: has more than {} values", op_, path_, kMostEntries);
    return true;
  }
  bool start_array(std::size_t) override { misplaced(); }
  bool end_array() override { return true; }
  bool string(std::string&) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    fail<IoError>("{}: {}: its list of values is damaged: {}", op_, path_, error.what());
  }

 private:
  [[noreturn]] void misplaced() const { fail<IoError>("{}: {}: its list of values has more in it than values", op_, path_); }

  const char* op_;
  const std::string& path_;
  int depth_ = 0;
  size_t keys_ = 0;
};

/// Parses the metadata's entry.
json parse(const char* op, const std::string& path, const std::string& text) {
  ListForm form(op, path);
  json::sax_parse(text, &form);
  return json::parse(text);
}

/// The values of a JSON object.
StateValues values_from(const char* op, const std::string& path, const json& object, const std::string& what) {
  check<IoError>(object.is_object(), "{}: {}: its list of values has none for {}", op, path, what);
  StateValues values;
  for (const auto& [name, item] : object.items()) {
    auto value = from_json(item);
    check<IoError>(value.has_value(), "{}: {}: {} has no value in its {}", op, path, what, name);
    values.insert(name, *std::move(value));
  }
  return values;
}

/// A file that is a checkpoint and whole, and its list of values.
struct Opened {
  SafeTensorsFile file;
  json list;

  Opened(const char* op, const std::string& path) : file(op, path) {
    const auto& metadata = file.metadata();
    const auto format = metadata.find("format"), found = metadata.find("checkpoint");
    check<IoError>(format != metadata.end() && format->second == kCheckpointFormat && found != metadata.end(),
                   "{}: {}: is no checkpoint of this version: its format is not {}", op, path, kCheckpointFormat);
    check<IoError>(file.check_sum(), "{}: {}: has no checksum; it is damaged, or not a checkpoint", op, path);
    list = parse(op, path, found->second);
    check<IoError>(list.is_object() && list.contains("parts") && list["parts"].is_object() && list.contains(kValues),
                   "{}: {}: its list of values has no parts", op, path);
  }
};

/// Brings a state into the two places where its values stand.
void append(const char* op, const std::string& prefix, const StateValues& state, StateDict& tensors, json& list) {
  list = json::object();
  for (const auto& [name, value] : state) {
    if (value.is<Tensor>()) tensors.emplace_back(fmt::format("{}.{}", prefix, name), value.get<Tensor>());
    else check<ValueError>(list.emplace(name, to_json(value)).second, "{}: two values of \"{}\" are called \"{}\"", op, prefix, name);
  }
}

}  // namespace

void check_names(const char* op, const CheckpointParts& parts) {
  std::set<std::string> names;
  for (const CheckpointPart& part : parts) {
    const std::string& name = part.name();
    check<ValueError>(!name.empty() && name.find('.') == name.npos && name != kValues && name != kRngState,
                      "{}: a part cannot be called \"{}\": names are not empty, have no dot, and are not {} or {}", op, name, kValues,
                      kRngState);
    check<ValueError>(names.insert(name).second, "{}: two parts are called \"{}\"", op, name);
  }
}

CheckpointContent read_checkpoint(const char* op, const std::string& path) {
  const Opened opened(op, path);
  CheckpointContent content;
  for (const auto& [name, part] : opened.list["parts"].items()) content.parts.emplace(name, values_from(op, path, part, name));
  content.values = values_from(op, path, opened.list[kValues], kValues);
  for (auto& [name, tensor] : opened.file.read_tensors()) {
    if (name == kRngState) {
      content.rng_state = tensor;
      continue;
    }
    const size_t dot = std::min(name.find('.'), name.size());
    const std::string owner = name.substr(0, dot), rest = name.substr(std::min(dot + 1, name.size()));
    const auto part = content.parts.find(owner);
    check<IoError>(owner == kValues || part != content.parts.end(), "{}: {}: tensor \"{}\" belongs to no part", op, path, name);
    (owner == kValues ? content.values : part->second).insert(rest, std::move(tensor));
  }
  check<IoError>(content.rng_state.defined(), "{}: {}: has no {}", op, path, kRngState);
  return content;
}

StateValues read_checkpoint_values(const char* op, const std::string& path) {
  const Opened opened(op, path);
  const std::string prefix = std::string(kValues) + ".";
  StateValues values = values_from(op, path, opened.list[kValues], kValues);
  for (auto& [name, tensor] : opened.file.read_tensors(prefix)) values.insert(name.substr(prefix.size()), std::move(tensor));
  return values;
}

void write_checkpoint(const char* op, const std::string& path, const CheckpointParts& parts, const StateValues& values) {
  check_names(op, parts);
  StateDict tensors;
  json list = {{"parts", json::object()}};
  for (const CheckpointPart& part : parts) append(op, part.name(), part.state(), tensors, list["parts"][part.name()]);
  append(op, kValues, values, tensors, list[kValues]);
  tensors.emplace_back(kRngState, get_rng_state());
  size_t entries = 2 + parts.size() + list[kValues].size();
  for (const json& part : list["parts"]) entries += part.size();
  check<ValueError>(entries <= kMostEntries, "{}: {}: {} numbers and texts, and at most {} are allowed; keep them in tensors", op, path,
                    entries, kMostEntries);
  std::string text;
  try {
    text = list.dump();
  } catch (const json::exception&) {
    fail<ValueError>("{}: {}: a name or a text is not valid UTF-8", op, path);
  }
  write_safetensors(op, path, tensors, {{"format", kCheckpointFormat}, {"checkpoint", std::move(text)}}, WithChecksum::Yes);
}

}  // namespace gradus::io
