#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "gradus/tensor.h"

/// Calls as PyTorch writes them, brought to calls of gradus: an encoded argument list is bound to the names of a signature, and read by
/// name and type.
namespace gradus::parity {

using nlohmann::json;

/// A call that gradus does not have in that form: a C++ compiler would refuse it.
struct NoSuchCall : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Arguments {
 public:
  /// Binds positional and keyword arguments to the names of `signature`, "input, dim, *, keepdim": names after "*" are given by keyword;
  /// "...dims" takes all further positional arguments, or the one list. Throws NoSuchCall for one that has no place.
  Arguments(std::string_view signature, const std::vector<json>& positional, const json& keywords, const std::vector<Tensor>& tensors);

  /// Whether the argument was given and is not None.
  bool has(const char* name) const;
  /// Whether the argument was given, be it as None.
  bool given(const char* name) const { return values_.contains(name); }
  bool is_tensor(const char* name) const;
  bool is_text(const char* name) const;
  bool is_list(const char* name) const;

  Tensor tensor(const char* name) const;
  /// Undefined where it was not given.
  Tensor optional_tensor(const char* name) const;
  std::vector<Tensor> tensors(const char* name) const;
  Scalar number(const char* name) const;
  std::optional<Scalar> optional_number(const char* name) const;
  double real(const char* name, double otherwise) const;
  int64_t integer(const char* name) const;
  int64_t integer(const char* name, int64_t otherwise) const;
  std::optional<int64_t> optional_integer(const char* name) const;
  bool flag(const char* name, bool otherwise) const;
  std::string text(const char* name, const std::string& otherwise) const;
  /// A list of integers, or one integer; empty where it was not given.
  Dims dims(const char* name) const;
  Dims dims(const char* name, const Dims& otherwise) const { return has(name) ? dims(name) : otherwise; }
  std::optional<DType> dtype(const char* name) const;
  /// The tensors of the case, by number.
  const std::vector<Tensor>& all_tensors() const { return tensors_; }
  /// The encoded form.
  const json& raw(const char* name) const;

 private:
  const json& value(const char* name) const;
  Tensor as_tensor(const json& value, const char* name) const;

  std::map<std::string, json, std::less<>> values_;
  const std::vector<Tensor>& tensors_;
};

/// The list in {"$tuple": […]} or […]. Null when it is none.
const json* list_of(const json& value);
/// A number, also {"$float": "inf"}.
double real_of(const json& value);
Scalar number_of(const json& value);
DType dtype_named(const std::string& name);

}  // namespace gradus::parity
