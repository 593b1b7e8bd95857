#include "gradus/ops/product.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/dispatch.h"
#include "gradus/creation.h"
#include "kernels/blas.h"
#include "kernels/linear.h"
#include "ops/keeper.h"
#include "ops/matrix_product.h"

namespace gradus {
namespace {

constexpr Op op("linear", "mm"), with_bias("linear", "addmm");

/// The pullback of y = x W^T + b, which keeps only what it needs: x for the gradient of W, and W for that of x.
struct LinearPullback {
  Saved x, weight;

  LinearPullback(const Tensor& x_, const Tensor& weight_)
      : x(weight_.requires_grad() ? Saved(x_) : Saved()), weight(x_.requires_grad() ? Saved(weight_) : Saved()) {}

  void operator()(std::span<Tensor> dys, InputGradients dx) const {
    constexpr int64_t large = 1 << 20;  // elements: 4 MB of float32, more than a second-level cache holds
    const Tensor& dy = dys[0];
    if (!recording_backward() && dy.numel() >= large && dy.size(1) > 1 && by_blocks(dy.contiguous(), dx)) return;
    if (dx.needs(0)) dx[0] = matrix_product(dy, *weight, {true, false});
    if (dx.needs(1)) dx[1] = matrix_product(dy.t(), *x, {true, false});
    if (dx.needs(2)) dx[2] = dy.sum({0});
  }

 private:
  /// False where the gates of a product have something to do.
  bool by_blocks(const Tensor& dy, InputGradients dx) const {
    const Tensor dense_x = dx.needs(1) ? x->contiguous() : Tensor(), dense_weight = dx.needs(0) ? weight->contiguous() : Tensor();
    const int64_t rows = dy.size(0), outputs = dy.size(1), inputs = dx.needs(0) ? dense_weight.size(1) : dx.needs(1) ? dense_x.size(1) : 1;
    if (dx.needs(0)) dx[0] = op.empty({rows, inputs}, dy.dtype());
    if (dx.needs(1)) dx[1] = op.empty({outputs, inputs}, dy.dtype());
    if (dx.needs(2)) dx[2] = op.empty(Shape(outputs), dy.dtype());
    dispatch_floating(op, dy.dtype(), [&]<class T>() {
      const auto data = [](const Tensor& t) -> T* { return t.defined() ? elements<T>(t) : nullptr; };
      kernels::linear_backward<T>(rows, outputs, inputs, data(dy), data(dense_x), data(dense_weight), data(dx[0]), data(dx[1]),
                                  data(dx[2]));
    });
    return (!dx.needs(0) || gated_is_finite(dx[0], {true, false})) && (!dx.needs(1) || gated_is_finite(dx[1], {true, false}));
  }
};

void check_operands(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  op.takes(x, weight);
  op.check<ShapeError>(weight.dim() == 2, "weight has shape {}, expected (outputs, inputs)", weight.shape());
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  op.check<ShapeError>(x.dim() > 0 && x.size(-1) == inputs, "x has shape {}, but weight {} takes {} features in the last dimension",
                       x.shape(), weight.shape(), inputs);
  op.check<DTypeError>(x.dtype() == weight.dtype(), "x is {} and weight {}; convert one with .to()", name(x.dtype()), name(weight.dtype()));
  if (!bias.defined()) return;
  op.check<ShapeError>(bias.shape() == Shape(outputs), "bias has shape {}, expected [{}]", bias.shape(), outputs);
  op.check<DTypeError>(bias.dtype() == x.dtype(), "x is {} and bias {}; they must agree", name(x.dtype()), name(bias.dtype()));
}

/// x (rows, inputs) W^T + b, b undefined for none, not recorded.
Tensor product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const int64_t rows = x.size(0), outputs = weight.size(0);
  const DenseMatrix left(x.detach()), right(weight.detach());
  const kernels::Keeper keeper = keeper_of(right.tensor);
  NoGradGuard no_grad;
  Tensor y = op.empty({rows, outputs}, x.dtype());
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    const auto a = left.view<T>(), b = right.view<T>().transposed();
    const kernels::MatrixView c(elements<T>(y), rows, outputs);
    if (bias.defined()) kernels::gemm_and_row(a, b, elements<T>(bias.detach().contiguous()), c, keeper);
    else kernels::gemm(a, b, c, kernels::Output::Overwrite, keeper);
  });
  return y;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_operands(x, weight, bias);
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  if (outputs == 0 || inputs == 0 || !is_floating_point(x.dtype())) {
    Tensor y = matmul(x, weight.t());
    return bias.defined() ? y + bias : y;
  }
  Shape shape = x.shape();
  shape[shape.size() - 1] = outputs;
  const Tensor flat = x.reshape({shape.numel() / outputs, inputs}), y = product(flat, weight, bias);
  (bias.defined() ? with_bias : op).record_joint(std::span(&y, 1), std::array{flat, weight, bias}, [&] {
    return LinearPullback(flat, weight);
  });
  return x.dim() == 2 ? y : y.view(shape);
}

}  // namespace gradus
