#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gradus/tensor.h"

/// Comparison with PyTorch's values, by the rules of the parity cases.
namespace gradus::parity {

/// What is known of an expected tensor: PyTorch's value and, for float32, the value in float64 and how far PyTorch was from it.
struct Expected {
  Tensor value;
  Tensor truth = {};
  double error = 0;
};

/// Empty when `ours` is what was expected: same shape and dtype, float64 to 1e-7, float32 to 1.3e-6 and 1e-5 (relative, absolute), or no
/// farther from the truth than PyTorch. Otherwise says what differs.
std::string difference(const Tensor& ours, const Expected& expected);

/// difference, but for the places along dim where `values` of x were found: among equal elements any place will do, no place twice.
std::string place_difference(const Tensor& x, int64_t dim, const Tensor& ours, const Tensor& theirs);

/// Empty when y is x / (1 - p) with about a share p of the elements 0.
std::string dropout_difference(const Tensor& x, const Tensor& y, double p);

}  // namespace gradus::parity
