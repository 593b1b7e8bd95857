#pragma once

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "error_of.h"
#include "gradus/dtype.h"
#include "gradus/io.h"
#include "gradus/nn/module.h"
#include "source_root.h"

/// What the tests of modules share.
namespace nn_test {

using gradus::Shape;
using gradus::Tensor;
using testing::error_of;
namespace nn = gradus::nn;
using Values = std::vector<double>;

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline Values values(const Tensor& x) { return x.to_vector<double>(); }

std::vector<std::string> names(const nn::StateDict& entries);

/// PyTorch's values, by the name of the file in tests/golden.
const gradus::io::NamedTensors& golden(const char* file);

/// Both have the shape and dtype, and no element is further off than tolerance * (1 + |theirs|).
void check_close(const Tensor& ours, const Tensor& theirs, double tolerance);
void check_same(const Tensor& ours, const Tensor& theirs);

}  // namespace nn_test
