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
/// y_o = sum over i, j of x1_i W_oij x2_j, plus bias_o: x1 (..., I), x2 (..., J), weight (O, I, J), bias (O) or undefined, y (..., O). The
/// dimensions in front must be equal (ShapeError).
GRADUS_API Tensor bilinear(const Tensor& x1, const Tensor& x2, const Tensor& weight, const Tensor& bias = {});
/// x with more elements put around it: pads are (before, after) of the last dimension, then of the one before it, and so on; a negative one
/// takes elements away. Mode "constant" puts `value` there; of x's own elements "reflect" puts those beyond the first and the last one in
/// mirror order, "replicate" the first and the last one, "circular" those of the other end. These three pad the dimensions behind the
/// channels, all of them. Throws ValueError on another mode, ShapeError for a list that does not fit or where x has too few elements.
GRADUS_API Tensor pad(const Tensor& x, const Dims& pads, std::string_view mode = "constant", Scalar value = 0);

}  // namespace gradus
