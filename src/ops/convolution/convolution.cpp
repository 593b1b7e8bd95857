#include "gradus/ops/convolution.h"

#include <algorithm>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "kernels/convolution.h"

namespace gradus {

Padding::Padding(const std::string& mode) : mode_(mode) {
  check<ValueError>(mode == "same" || mode == "valid", "Padding: \"{}\" is not a number, \"same\" or \"valid\"", mode);
}

namespace {

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
  Tensor y = new_tensor("conv", c.y, x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>)
      kernels::convolution<T>(c.sizes, x.data<T>(), weight.data<T>(), b.defined() ? b.data<T>() : nullptr, y.data<T>());
  });
  const auto dx = [weight = Saved(weight), c](const Tensor& dy) { return input_gradient(dy, *weight, c); };
  const auto dweight = [x = Saved(x), c](const Tensor& dy) { return weight_gradient(*x, dy, c); };
  if (!bias.defined()) return record("convolution", y, wrt(x, dx), wrt(weight, dweight));
  return record("convolution", y, wrt(x, dx), wrt(weight, dweight),
                wrt(bias, [c](const Tensor& dy) { return sum(dy, all_but_channels(c.y)); }));
}

Tensor input_gradient(const Tensor& given, const Tensor& kernel, const Convolution& c) {
  const Tensor dy = given.contiguous(), weight = kernel.contiguous();
  Tensor dx = new_tensor("conv", c.x, dy.dtype());
  dispatch_floating("conv", dy.dtype(),
                    [&]<class T>() { kernels::convolution_input_gradient<T>(c.sizes, dy.data<T>(), weight.data<T>(), dx.data<T>()); });
  return record("convolution_input_gradient", dx,
                wrt(dy, [weight = Saved(weight), c](const Tensor& d) { return convolve(d, *weight, {}, c); }),
                wrt(weight, [dy = Saved(dy), c](const Tensor& d) { return weight_gradient(d, *dy, c); }));
}

Tensor weight_gradient(const Tensor& given, const Tensor& given_dy, const Convolution& c) {
  const Tensor x = given.contiguous(), dy = given_dy.contiguous();
  Tensor dweight = new_tensor("conv", c.weight, x.dtype());
  dispatch_floating("conv", x.dtype(),
                    [&]<class T>() { kernels::convolution_weight_gradient<T>(c.sizes, x.data<T>(), dy.data<T>(), dweight.data<T>()); });
  return record("convolution_weight_gradient", dweight, wrt(x, [dy = Saved(dy), c](const Tensor& d) { return input_gradient(*dy, d, c); }),
                wrt(dy, [x = Saved(x), c](const Tensor& d) { return convolve(*x, d, {}, c); }));
}

/// One number a dimension: as given, or the one number for all.
Dims each(const char* op, const char* name, const Dims& given, int64_t dims, int64_t least) {
  check<ShapeError>(given.size() == 1 || given.size() == dims, "{}: {} {} is not one number or {}", op, name, given, dims);
  constexpr int64_t most = 1 << 30;
  for (int64_t n : given) check<ValueError>(n >= least && n <= most, "{}: {} is {}; give {} to {}", op, name, n, least, most);
  return given.size() == dims ? given : Dims::filled(dims, given[0]);
}

void check_operands(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t groups) {
  const Shape &in = x.shape(), &w = weight.shape();
  check<ShapeError>(w[0] > 0 && w[0] % groups == 0, "{}: weight of shape {} has {} outputs, which do not divide into {} groups", op, w,
                    w[0], groups);
  check<ShapeError>(in[1] == w[1] * groups, "{}: weight of shape {} takes {} channels in {} groups, but x has {}: shape {}", op, w,
                    w[1] * groups, groups, in[1], in);
  check<DTypeError>(x.dtype() == weight.dtype() && x.dtype() != DType::Bool, "{}: x is {} and weight {}; they must agree, and be no bool",
                    op, name(x.dtype()), name(weight.dtype()));
  if (!bias.defined()) return;
  check<ShapeError>(bias.shape() == Shape(w[0]), "{}: bias has shape {}, expected [{}], one number an output", op, bias.shape(), w[0]);
  check<DTypeError>(bias.dtype() == x.dtype(), "{}: x is {} and bias {}; they must agree", op, name(x.dtype()), name(bias.dtype()));
}

/// The convolution over the last `dims` dimensions of x, which has a batch.
Tensor batched(const char* op, int64_t dims, const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& given_stride,
               const Padding& padding, const Dims& given_dilation, int64_t groups) {
  check<ValueError>(groups > 0, "{}: groups is {}, but must be positive", op, groups);
  check_operands(op, x, weight, bias, groups);
  const Dims stride = each(op, "stride", given_stride, dims, 1), dilation = each(op, "dilation", given_dilation, dims, 1);
  const Dims zeros = each(op, "padding", padding.sizes(), dims, 0);
  Convolution c{x.shape(), weight.shape(), {x.size(0), weight.size(0)}, {}};
  c.sizes = {x.size(0), groups, weight.size(1), weight.size(0) / groups, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}};
  for (int64_t d = 0; d < dims; ++d) {
    const auto at = static_cast<size_t>(2 - dims + d);
    const int64_t in = x.size(2 + d), kernel = weight.size(2 + d), reach = dilation[d] * (kernel - 1) + 1;
    check<ShapeError>(kernel > 0, "{}: weight of shape {} has a kernel without elements", op, weight.shape());
    check<ValueError>(!padding.is_same() || stride[d] == 1, "{}: padding \"same\" needs a stride of 1, got {}", op, stride[d]);
    const int64_t before = padding.is_same() ? (reach - 1) / 2 : zeros[d], padded = in + (padding.is_same() ? reach - 1 : 2 * before);
    check<ShapeError>(in > 0 && reach <= padded,
                      "{}: the kernel reaches over {} elements, but dimension {} of x {} has {} with its padding", op, reach, 2 + d,
                      x.shape(), padded);
    const int64_t out = (padded - reach) / stride[d] + 1;
    c.y.push_back(out);
    c.sizes.in[at] = in, c.sizes.kernel[at] = kernel, c.sizes.out[at] = out;
    c.sizes.stride[at] = stride[d], c.sizes.dilation[at] = dilation[d], c.sizes.padding[at] = before;
  }
  return convolve(x, weight, bias, c);
}

Tensor convolution(const char* op, int64_t dims, const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride,
                   const Padding& padding, const Dims& dilation, int64_t groups) {
  const int64_t rank = impl_of(op, x).layout.rank();
  check<ShapeError>(impl_of(op, weight).layout.rank() == dims + 2,
                    "{}: weight has shape {}, expected {} dimensions: (outputs, channels, …)", op, weight.shape(), dims + 2);
  check<ShapeError>(rank == dims + 1 || rank == dims + 2, "{}: x has shape {}, expected {} dimensions, or {} without a batch", op,
                    x.shape(), dims + 2, dims + 1);
  if (rank == dims + 2) return batched(op, dims, x, weight, bias, stride, padding, dilation, groups);
  return squeeze(batched(op, dims, unsqueeze(x, 0), weight, bias, stride, padding, dilation, groups), 0);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride, const Padding& padding, const Dims& dilation,
              int64_t groups) {
  return convolution("conv1d", 1, x, weight, bias, stride, padding, dilation, groups);
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride, const Padding& padding, const Dims& dilation,
              int64_t groups) {
  return convolution("conv2d", 2, x, weight, bias, stride, padding, dilation, groups);
}

}  // namespace gradus
