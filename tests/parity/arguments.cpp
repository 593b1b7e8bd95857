#include "parity/arguments.h"

#include <limits>

#include "gradus/creation.h"

namespace gradus::parity {
namespace {

std::vector<std::string> names_in(std::string_view signature) {
  std::vector<std::string> names(1);
  for (char c : signature) {
    if (c == ',') names.emplace_back();
    else if (c != ' ') names.back() += c;
  }
  return names;
}

[[noreturn]] void no_such_call(const char* name, const char* expected, const json& value) {
  throw NoSuchCall(std::string("argument ") + name + " must be " + expected + ", not " + value.dump());
}

}  // namespace

const json* list_of(const json& value) {
  if (value.is_array()) return &value;
  if (value.is_object() && value.contains("$tuple")) return &value["$tuple"];
  return nullptr;
}

double real_of(const json& value) {
  if (value.is_object() && value.contains("$float")) {
    const std::string text = value["$float"];
    if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
    return text == "inf" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  }
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (!value.is_number()) throw NoSuchCall("not a number: " + value.dump());
  return value.get<double>();
}

Scalar number_of(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>();
  return real_of(value);
}

DType dtype_named(const std::string& name) {
  if (name == "float32") return DType::Float32;
  if (name == "float64") return DType::Float64;
  if (name == "int64") return DType::Int64;
  if (name == "bool") return DType::Bool;
  throw NoSuchCall("dtype " + name);
}

Arguments::Arguments(std::string_view signature, const std::vector<json>& positional, const json& keywords,
                     const std::vector<Tensor>& tensors)
    : tensors_(tensors) {
  const std::vector<std::string> names = names_in(signature);
  size_t next = 0;
  for (size_t i = 0; i < positional.size(); ++i, ++next) {
    if (next >= names.size() || names[next] == "*") throw NoSuchCall("too many positional arguments");
    if (!names[next].starts_with("...")) {
      values_[names[next]] = positional[i];
      continue;
    }
    const bool one_list = list_of(positional[i]) != nullptr || positional[i].is_null();
    json rest = json::array();
    while (!one_list && i < positional.size()) rest.push_back(positional[i++]);
    values_[names[next].substr(3)] = one_list ? positional[i] : rest;
  }
  for (const auto& [key, value] : keywords.items()) {
    bool known = false;
    for (const std::string& name : names) known = known || name == key || name == "..." + key;
    if (!known) throw NoSuchCall("argument " + key);
    values_[key] = value;
  }
}

const json& Arguments::value(const char* name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw NoSuchCall(std::string("argument ") + name + " is missing");
  return found->second;
}

bool Arguments::has(const char* name) const {
  const auto found = values_.find(name);
  return found != values_.end() && !found->second.is_null();
}
bool Arguments::is_tensor(const char* name) const { return has(name) && value(name).is_object() && value(name).contains("$t"); }
bool Arguments::is_text(const char* name) const { return has(name) && value(name).is_string(); }
bool Arguments::is_list(const char* name) const { return has(name) && list_of(value(name)) != nullptr; }
const json& Arguments::raw(const char* name) const { return value(name); }

Tensor Arguments::as_tensor(const json& v, const char* name) const {
  if (!v.is_object() || !v.contains("$t")) no_such_call(name, "a tensor", v);
  return tensors_.at(v["$t"].get<size_t>());
}
Tensor Arguments::tensor(const char* name) const { return as_tensor(value(name), name); }
Tensor Arguments::optional_tensor(const char* name) const { return has(name) ? tensor(name) : Tensor(); }

std::vector<Tensor> Arguments::tensors(const char* name) const {
  const json* list = list_of(value(name));
  if (!list) no_such_call(name, "a list of tensors", value(name));
  std::vector<Tensor> result;
  for (const json& v : *list) result.push_back(as_tensor(v, name));
  return result;
}

Scalar Arguments::number(const char* name) const { return number_of(value(name)); }
std::optional<Scalar> Arguments::optional_number(const char* name) const { return has(name) ? std::optional(number(name)) : std::nullopt; }
double Arguments::real(const char* name, double otherwise) const { return has(name) ? real_of(value(name)) : otherwise; }

int64_t Arguments::integer(const char* name) const {
  if (is_tensor(name)) return tensor(name).item<int64_t>();
  if (!value(name).is_number_integer()) no_such_call(name, "an integer", value(name));
  return value(name).get<int64_t>();
}
int64_t Arguments::integer(const char* name, int64_t otherwise) const { return has(name) ? integer(name) : otherwise; }
std::optional<int64_t> Arguments::optional_integer(const char* name) const {
  return has(name) ? std::optional(integer(name)) : std::nullopt;
}
bool Arguments::flag(const char* name, bool otherwise) const { return has(name) ? real_of(value(name)) != 0 : otherwise; }
std::string Arguments::text(const char* name, const std::string& otherwise) const {
  if (!has(name)) return otherwise;
  if (!value(name).is_string()) no_such_call(name, "a text", value(name));
  return value(name).get<std::string>();
}

Dims Arguments::dims(const char* name) const {
  if (!has(name)) return {};
  Dims result;
  if (const json* list = list_of(value(name))) {
    for (const json& v : *list) {
      if (!v.is_number_integer()) no_such_call(name, "a list of integers", value(name));
      result.push_back(v.get<int64_t>());
    }
    return result;
  }
  return integer(name);
}

std::optional<DType> Arguments::dtype(const char* name) const {
  if (!has(name)) return {};
  return dtype_named(value(name).at("$dtype").get<std::string>());
}

}  // namespace gradus::parity
