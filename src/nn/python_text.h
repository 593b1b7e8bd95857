#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "core/joined.h"
#include "gradus/shape.h"

/// Values as Python writes them, for modules that print as PyTorch's do.
namespace gradus::nn {

inline const char* python_bool(bool value) { return value ? "True" : "False"; }

/// "(3,)", "(2, 3)"
inline std::string python_tuple(const Shape& shape) { return "(" + joined(shape, ", ") + (shape.size() == 1 ? ",)" : ")"); }

/// "0.1", "1.0", "1e-05"
inline std::string python_float(double value) {
  const std::string text = fmt::format("{}", value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

/// What a layer with the weight and bias of a Linear prints of itself.
inline std::string linear_details(int64_t in_features, int64_t out_features, bool with_bias) {
  return fmt::format("in_features={}, out_features={}, bias={}", in_features, out_features, python_bool(with_bias));
}

}  // namespace gradus::nn
