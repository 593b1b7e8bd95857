#include "gradus/nn/convolution.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/nn/init.h"
#include "gradus/ops/convolution.h"
#include "gradus/ops/shape.h"
#include "nn/python_text.h"

namespace gradus::nn {
namespace {

const char* mode_name(PaddingMode mode) {
  switch (mode) {
    case PaddingMode::Zeros: return "zeros";
    case PaddingMode::Reflect: return "reflect";
    case PaddingMode::Replicate: return "replicate";
    case PaddingMode::Circular: break;
  }
  return "circular";
}

/// One number a dimension.
Dims each(const char* module, const char* what, const Dims& given, int64_t dims, int64_t least) {
  check<ValueError>(given.size() == 1 || given.size() == dims, "{}: {} {} is not one number or {}", module, what, given, dims);
  for (int64_t n : given) check<ValueError>(n >= least, "{}: {} is {}, but must be at least {}", module, what, n, least);
  return given.size() == dims ? given : Dims::filled(dims, given[0]);
}

std::string details(int64_t dims, int64_t in, int64_t out, const Dims& kernel_size, const ConvOptions& o) {
  const auto tuple = [dims](const Dims& d) { return python_tuple(d.size() == 1 ? Dims::filled(dims, d[0]) : d); };
  const auto all = [](const Dims& d, int64_t value) { return std::all_of(d.begin(), d.end(), [value](int64_t n) { return n == value; }); };
  std::string text = fmt::format("{}, {}, kernel_size={}, stride={}", in, out, tuple(kernel_size), tuple(o.stride));
  if (!o.padding.mode().empty()) text += ", padding=" + o.padding.mode();
  else if (!all(o.padding.sizes(), 0)) text += ", padding=" + tuple(o.padding.sizes());
  if (!all(o.dilation, 1)) text += ", dilation=" + tuple(o.dilation);
  if (o.groups != 1) text += fmt::format(", groups={}", o.groups);
  if (!o.bias) text += ", bias=False";
  if (o.padding_mode != PaddingMode::Zeros) text += fmt::format(", padding_mode={}", mode_name(o.padding_mode));
  return text;
}

/// The padding as gradus::pad takes it: before and after the last dimension, then the one before it.
Dims pads_of(const Dims& kernel_size, const Dims& zeros, const ConvOptions& o) {
  Dims pads;
  for (int64_t d = kernel_size.size() - 1; d >= 0; --d) {
    const int64_t total = o.dilation[d] * (kernel_size[d] - 1), before = o.padding.is_same() ? total / 2 : zeros[d];
    pads.push_back(before);
    pads.push_back(o.padding.is_same() ? total - before : before);
  }
  return pads;
}

}  // namespace

namespace detail {

Convolution::Convolution(const char* name, int64_t dims, int64_t in_channels, int64_t out_channels, const Dims& kernel_size,
                         const ConvOptions& options)
    : Module(name, details(dims, in_channels, out_channels, kernel_size, options)), options_(options) {
  const Dims kernel = each(name, "kernel_size", kernel_size, dims, 1);
  options_.stride = each(name, "stride", options.stride, dims, 1);
  options_.dilation = each(name, "dilation", options.dilation, dims, 1);
  const Dims zeros = each(name, "padding", options.padding.sizes(), dims, 0);
  check<ValueError>(in_channels > 0 && out_channels > 0, "{}: {} input and {} output channels; there must be at least 1 of each", name,
                    in_channels, out_channels);
  check<ValueError>(options.groups > 0 && in_channels % options.groups == 0 && out_channels % options.groups == 0,
                    "{}: {} input and {} output channels do not divide into {} groups", name, in_channels, out_channels, options.groups);
  for (int64_t step : options_.stride)
    check<ValueError>(!options.padding.is_same() || step == 1, "{}: padding \"same\" needs a stride of 1, got {}", name, step);
  if (options.padding.mode().empty()) options_.padding = zeros;
  if (options.padding_mode != PaddingMode::Zeros) {
    pads_ = pads_of(kernel, zeros, options_);
    options_.padding = 0;
  }
  Shape shape{out_channels, in_channels / options.groups};
  for (int64_t size : kernel) shape.push_back(size);
  weight = register_parameter("weight", init::kaiming_uniform_(empty(shape), std::sqrt(5.0)));
  if (!options.bias) return;
  const int64_t fan_in = shape.numel() / out_channels;
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  bias = register_parameter("bias", init::uniform_(empty(out_channels), -bound, bound));
}

Tensor Convolution::padded(const Tensor& x) const {
  return options_.padding_mode == PaddingMode::Zeros ? x : pad(x, pads_, mode_name(options_.padding_mode));
}

}  // namespace detail

Conv1d::Conv1d(int64_t in_channels, int64_t out_channels, const Dims& kernel_size, const ConvOptions& options)
    : Convolution("Conv1d", 1, in_channels, out_channels, kernel_size, options) {}

Tensor Conv1d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(conv1d(padded(x), weight, bias, options_.stride, options_.padding, options_.dilation, options_.groups));
}

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, const Dims& kernel_size, const ConvOptions& options)
    : Convolution("Conv2d", 2, in_channels, out_channels, kernel_size, options) {}

Tensor Conv2d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(conv2d(padded(x), weight, bias, options_.stride, options_.padding, options_.dilation, options_.groups));
}

}  // namespace gradus::nn
