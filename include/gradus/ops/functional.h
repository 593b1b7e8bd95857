#pragma once

#include <optional>
#include <string_view>

#include "gradus/tensor.h"

/// Functions of PyTorch's torch.nn.functional that are put together from others.
namespace gradus {

/// a * sigmoid(b), the gated linear unit, where a and b are the first and the second half of x along dim (Dauphin et al. 2017).
/// Throws ShapeError when that size is odd or x is a scalar.
GRADUS_API Tensor glu(const Tensor& x, int64_t dim = -1);
/// softmax(-x) along dim. With dtype, elements are converted first.
GRADUS_API Tensor softmin(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// x / max(||x||_p, eps), the norm taken along dims.
GRADUS_API Tensor normalize(const Tensor& x, double p = 2, const Dims& dims = {1}, double eps = 1e-12);
/// The sum along dim of x * y / (max(||x||, eps) max(||y||, eps)): the cosine of the angle between them, in [-1, 1]. x and y broadcast.
/// At norms below eps the gradient is PyTorch's, which takes the bound for a norm. Throws DTypeError when both are integers.
GRADUS_API Tensor cosine_similarity(const Tensor& x, const Tensor& y, int64_t dim = 1, double eps = 1e-8);
/// x with `value` put around it: pads are (before, after) of the last dimension, then of the one before it, and so on; a negative one
/// takes elements away. Throws ValueError unless mode is "constant", ShapeError for an odd or too long list, or where nothing would be left
/// to take away.
GRADUS_API Tensor pad(const Tensor& x, const Dims& pads, std::string_view mode = "constant", Scalar value = 0);

}  // namespace gradus
