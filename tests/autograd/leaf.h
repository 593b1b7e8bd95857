#pragma once

#include <cstdint>
#include <vector>

#include "gradus/creation.h"
#include "gradus/tensor.h"

/// What the tests of autograd share.
namespace autograd_test {

using Values = std::vector<double>;

/// A vector in float64 that requires a gradient.
inline gradus::Tensor leaf(const Values& values) {
  return gradus::from_vector(values, {static_cast<int64_t>(values.size())}, {.requires_grad = true});
}

inline Values grad_of(const gradus::Tensor& x) { return x.grad().to_vector<double>(); }

}  // namespace autograd_test
