#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/random.h"

/// What the tests of operations share.
namespace op_test {

using gradus::Shape;
using gradus::Tensor;
using testing::error_of;
using Tensors = std::vector<Tensor>;
using Values = std::vector<double>;
using Ints = std::vector<int64_t>;
using Bools = std::vector<bool>;

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

/// A float64 input that requires a gradient.
inline Tensor input(const Shape& shape) { return gradus::randn(shape, {.dtype = gradus::float64, .requires_grad = true}); }

inline Values values(const Tensor& x) { return x.to_vector<double>(); }
inline Ints ints(const Tensor& x) { return x.to_vector<int64_t>(); }
inline Bools bools(const Tensor& x) {
  REQUIRE(x.dtype() == gradus::boolean);
  return x.to_vector<bool>();
}

/// First and second derivatives of f are right.
void check_gradients(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs);

/// The gradient of sum(y * weights) with respect to x.
Tensor gradient(const Tensor& y, const Tensor& x, const Tensor& weights, bool create_graph = false);

/// Equal numbers; NaN equals NaN.
void check_equal(const Tensor& x, const Tensor& y);

}  // namespace op_test
