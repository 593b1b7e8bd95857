#include "io/pickle_text.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace gradus::io {
namespace {

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// As many digits as tell it from its neighbours, and a point, so that it stays a float.
std::string json_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

void append_items(const StateDictPickle& pickle, const PickleValue& v, size_t most, std::string& out, int depth) {
  const bool is_dict = v.is(PickleValue::Kind::Dict);
  const auto& items = pickle.items(v);
  out += is_dict ? '{' : '[';
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += is_dict && i % 2 == 1 ? ": " : ", ";
    if (is_dict && i % 2 == 0 && !items[i].is(PickleValue::Kind::Text)) {
      std::string key;
      append_json(pickle, items[i], most, key, depth + 1);
      out += json_string(key);
    } else {
      append_json(pickle, items[i], most, out, depth + 1);
    }
  }
  out += is_dict ? '}' : ']';
}

}  // namespace

void append_json(const StateDictPickle& pickle, const PickleValue& v, size_t most, std::string& out, int depth) {
  using Kind = PickleValue::Kind;
  const InputFile& file = pickle.file();
  file.check(depth <= kMostPickleDepth, "holds lists or dicts that are nested more than {} deep, or in themselves", kMostPickleDepth);
  switch (v.kind) {
    case Kind::None: out += "null"; break;
    case Kind::Boolean: out += v.payload != 0 ? "true" : "false"; break;
    case Kind::Integer: out += fmt::to_string(v.integer()); break;
    case Kind::Unsigned: out += fmt::to_string(v.payload); break;
    case Kind::Real: out += json_number(v.real()); break;
    case Kind::Text:
      file.check(v.length <= most, "holds more text than {} bytes", most);
      out += json_string(pickle.text(v));
      break;
    case Kind::Name: out += json_string(StateDictPickle::name_text(v)); break;
    case Kind::List:
    case Kind::Tuple:
    case Kind::Dict: append_items(pickle, v, most, out, depth); break;
    case Kind::Storage:
    case Kind::Tensor: file.fail("holds a tensor or a storage where none is read: in a key, or outside of any tensor");
  }
  file.check(out.size() <= most,
             "holds values that would take more than {} bytes as text; save the tensors alone: "
             "torch.save(model.state_dict(), path)",
             most);
}

}  // namespace gradus::io
