#include "gradus/ops/convolution.h"

#include <algorithm>

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/ops/elementwise.h"
#include "kernels/convolution.h"
#include "kernels/finite.h"

namespace gradus {

Padding::Padding(const std::string& mode) : mode_(mode) {
  check<ValueError>(mode == "same" || mode == "valid", "Padding: \"{}\" is not a number, \"same\" or \"valid\"", mode);
}

namespace {

constexpr Op conv("conv", "convolution"), conv_input_gradient("conv", "convolution_input_gradient"),
    conv_weight_gradient("conv", "convolution_weight_gradient");

/// The shapes of one convolution, and the sizes that its kernels want. Its three products are linear in each operand, and each other's
/// gradients, so that they can be differentiated any number of times.
struct Convolution {
  Shape x, weight, y;
  kernels::ConvolutionSizes sizes;
};

Tensor input_gradient(const Tensor& dy, const Tensor& weight, const Convolution& c);
Tensor weight_gradient(const Tensor& x, const Tensor& dy, const Convolution& c);

/// The result's dimensions but the channels', which the bias's gradient sums over.
Dims all_but_channels(const Shape& y) {
  Dims dims = 0;
  for (int64_t d = 2; d < y.size(); ++d) dims.push_back(d);
  return dims;
}

/// Bias may be undefined.
Tensor convolve(const Tensor& given, const Tensor& kernel, const Tensor& bias, const Convolution& c) {
  const Tensor x = given.contiguous(), weight = kernel.contiguous(), b = bias.defined() ? bias.detach().contiguous() : bias;
  Tensor y = conv.empty(c.y, x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>)
      kernels::convolution<T>(c.sizes, elements<T>(x), elements<T>(weight), b.defined() ? elements<T>(b) : nullptr, elements<T>(y));
  });
  const auto dx = [weight = Saved(weight), c](const Tensor& dy) { return input_gradient(dy, *weight, c); };
  const auto dweight = [x = Saved(x), c](const Tensor& dy) { return weight_gradient(*x, dy, c); };
  if (!bias.defined()) return conv.record(y, wrt(x, dx), wrt(weight, dweight));
  return conv.record(y, wrt(x, dx), wrt(weight, dweight), wrt(bias, [c](const Tensor& dy) { return dy.sum(all_but_channels(c.y)); }));
}

Tensor input_gradient(const Tensor& given, const Tensor& kernel, const Convolution& c) {
  const Tensor dy = given.contiguous(), weight = kernel.contiguous();
  Tensor dx = conv_input_gradient.empty(c.x, dy.dtype());
  dispatch_floating(conv_input_gradient, dy.dtype(), [&]<class T>() {
    kernels::convolution_input_gradient<T>(c.sizes, elements<T>(dy), elements<T>(weight), elements<T>(dx));
  });
  return conv_input_gradient.record(dx, wrt(dy, [weight = Saved(weight), c](const Tensor& d) { return convolve(d, *weight, {}, c); }),
                                    wrt(weight, [dy = Saved(dy), c](const Tensor& d) { return weight_gradient(d, *dy, c); }));
}

/// The weight gradient, x and dy being dense; not recorded.
Tensor plain_weight_gradient(const Tensor& x, const Tensor& dy, const Convolution& c) {
  Tensor dweight = conv_weight_gradient.empty(c.weight, x.dtype());
  dispatch_floating(conv_weight_gradient, x.dtype(), [&]<class T>() {
    kernels::convolution_weight_gradient<T>(c.sizes, elements<T>(x), elements<T>(dy), elements<T>(dweight));
  });
  return dweight;
}

/// The same once more where an x that is not finite met gradients of 0 alone, which asked for nothing: as if 0 stood for it.
Tensor without_unasked(const Tensor& x, const Tensor& dy, const Tensor& dweight, const Convolution& c) {
  NoGradGuard no_grad;
  const Tensor finite = isfinite(x.detach());
  const Tensor terms = plain_weight_gradient(logical_not(finite).to(x.dtype()), ne(dy.detach(), 0).to(x.dtype()), c);
  const Tensor finite_part = plain_weight_gradient(where(finite, x.detach(), 0), dy, c);
  return where(logical_or(isfinite(dweight), gt(terms, 0)), dweight, finite_part);
}

/// Whether the gradient shows that x is finite: an element that is not spoils what it meets in every output of its group.
bool shows_finite(const Tensor& dweight, const Convolution& c) {
  const int64_t window = c.sizes.window(), step = c.sizes.out_channels * window;
  return dispatch_floating(conv_weight_gradient, dweight.dtype(), [&]<class T>() {
    for (int64_t group = 0; group < c.sizes.groups; ++group)
      if (!kernels::all_finite(window, 1, elements<T>(dweight) + group * step)) return false;
    return true;
  });
}

Tensor weight_gradient(const Tensor& given, const Tensor& given_dy, const Convolution& c) {
  const Tensor x = given.contiguous(), dy = given_dy.contiguous();
  Tensor dweight = plain_weight_gradient(x, dy, c);
  if (!shows_finite(dweight, c)) dweight = without_unasked(x, dy, dweight, c);
  return conv_weight_gradient.record(dweight, wrt(x, [dy = Saved(dy), c](const Tensor& d) { return input_gradient(*dy, d, c); }),
                                     wrt(dy, [x = Saved(x), c](const Tensor& d) { return convolve(*x, d, {}, c); }));
}

/// One number a dimension: as given, or the one number for all.
Dims each(Op op, const char* name, const Dims& given, int64_t dims, int64_t least) {
  op.check<ShapeError>(given.size() == 1 || given.size() == dims, "{} {} is not one number or {}", name, given, dims);
  constexpr int64_t most = 1 << 30;
  for (int64_t n : given) op.check<ValueError>(n >= least && n <= most, "{} is {}; give {} to {}", name, n, least, most);
  return given.size() == dims ? given : Dims::filled(dims, given[0]);
}

void check_operands(Op op, const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t groups) {
  const Shape &in = x.shape(), &w = weight.shape();
  op.check<ShapeError>(w[0] > 0 && w[0] % groups == 0, "weight of shape {} has {} outputs, which do not divide into {} groups", w, w[0],
                       groups);
  op.check<ShapeError>(in[1] == w[1] * groups, "weight of shape {} takes {} channels in {} groups, but x has {}: shape {}", w,
                       w[1] * groups, groups, in[1], in);
  op.check<DTypeError>(x.dtype() == weight.dtype() && x.dtype() != DType::Bool, "x is {} and weight {}; they must agree, and be no bool",
                       name(x.dtype()), name(weight.dtype()));
  if (!bias.defined()) return;
  op.check<ShapeError>(bias.shape() == Shape(w[0]), "bias has shape {}, expected [{}], one number an output", bias.shape(), w[0]);
  op.check<DTypeError>(bias.dtype() == x.dtype(), "x is {} and bias {}; they must agree", name(x.dtype()), name(bias.dtype()));
}

/// The convolution over the last `dims` dimensions of x, which has a batch.
Tensor batched(Op op, int64_t dims, const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& given_stride,
               const Padding& padding, const Dims& given_dilation, int64_t groups) {
  op.check<ValueError>(groups > 0, "groups is {}, but must be positive", groups);
  check_operands(op, x, weight, bias, groups);
  const Dims stride = each(op, "stride", given_stride, dims, 1), dilation = each(op, "dilation", given_dilation, dims, 1);
  const Dims zeros = each(op, "padding", padding.sizes(), dims, 0);
  Convolution c{x.shape(), weight.shape(), {x.size(0), weight.size(0)}, {}};
  c.sizes = {x.size(0), groups, weight.size(1), weight.size(0) / groups, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}};
  for (int64_t d = 0; d < dims; ++d) {
    const auto at = static_cast<size_t>(2 - dims + d);
    const int64_t in = x.size(2 + d), kernel = weight.size(2 + d), reach = dilation[d] * (kernel - 1) + 1;
    op.check<ShapeError>(kernel > 0, "weight of shape {} has a kernel without elements", weight.shape());
    op.check<ValueError>(!padding.is_same() || stride[d] == 1, "padding \"same\" needs a stride of 1, got {}", stride[d]);
    const int64_t before = padding.is_same() ? (reach - 1) / 2 : zeros[d], padded = in + (padding.is_same() ? reach - 1 : 2 * before);
    op.check<ShapeError>(in > 0 && reach <= padded, "the kernel reaches over {} elements, but dimension {} of x {} has {} with its padding",
                         reach, 2 + d, x.shape(), padded);
    const int64_t out = (padded - reach) / stride[d] + 1;
    c.y.push_back(out);
    c.sizes.in[at] = in, c.sizes.kernel[at] = kernel, c.sizes.out[at] = out;
    c.sizes.stride[at] = stride[d], c.sizes.dilation[at] = dilation[d], c.sizes.padding[at] = before;
  }
  return convolve(x, weight, bias, c);
}

Tensor convolution(Op op, int64_t dims, const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride,
                   const Padding& padding, const Dims& dilation, int64_t groups) {
  op.takes(x, weight);
  const int64_t rank = x.dim();
  op.check<ShapeError>(weight.dim() == dims + 2, "weight has shape {}, expected {} dimensions: (outputs, channels, …)", weight.shape(),
                       dims + 2);
  op.check<ShapeError>(rank == dims + 1 || rank == dims + 2, "x has shape {}, expected {} dimensions, or {} without a batch", x.shape(),
                       dims + 2, dims + 1);
  if (rank == dims + 2) return batched(op, dims, x, weight, bias, stride, padding, dilation, groups);
  return batched(op, dims, x.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride, const Padding& padding, const Dims& dilation,
              int64_t groups) {
  return convolution(Op("conv1d"), 1, x, weight, bias, stride, padding, dilation, groups);
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride, const Padding& padding, const Dims& dilation,
              int64_t groups) {
  return convolution(Op("conv2d"), 2, x, weight, bias, stride, padding, dilation, groups);
}

}  // namespace gradus
