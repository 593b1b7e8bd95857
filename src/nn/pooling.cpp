#include "gradus/nn/pooling.h"

#include "gradus/creation.h"
#include "gradus/ops/convolution.h"
#include "nn/python_text.h"

namespace gradus::nn {
namespace {

/// One number, or a tuple of several.
std::string number_or_tuple(const Dims& d) { return d.size() == 1 ? fmt::format("{}", d[0]) : python_tuple(d); }

std::string details(const Dims& kernel_size, const MaxPoolOptions& o) {
  return fmt::format("kernel_size={}, stride={}, padding={}, dilation={}, ceil_mode={}", number_or_tuple(kernel_size),
                     number_or_tuple(o.stride.empty() ? kernel_size : o.stride), number_or_tuple(o.padding), number_or_tuple(o.dilation),
                     python_bool(o.ceil_mode));
}

template <class Options>
std::string average_details(const Dims& kernel_size, const Options& o, std::string (*text)(const Dims&)) {
  return fmt::format("kernel_size={}, stride={}, padding={}", text(kernel_size), text(o.stride.empty() ? kernel_size : o.stride),
                     text(o.padding));
}

std::string details(const OutputSize2d& size) {
  const auto text = [](std::optional<int64_t> n) { return n ? fmt::format("{}", *n) : std::string("None"); };
  return fmt::format("output_size=({}, {})", text(size[0]), text(size[1]));
}

std::string details(int64_t output_size) { return fmt::format("output_size={}", output_size); }

}  // namespace

MaxPool1d::MaxPool1d(const Dims& kernel_size, const MaxPoolOptions& options)
    : Module("MaxPool1d", details(kernel_size, options)), kernel_size_(kernel_size), options_(options) {}
Tensor MaxPool1d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(max_pool1d(x, kernel_size_, options_.stride, options_.padding, options_.dilation, options_.ceil_mode));
}

MaxPool2d::MaxPool2d(const Dims& kernel_size, const MaxPoolOptions& options)
    : Module("MaxPool2d", details(kernel_size, options)), kernel_size_(kernel_size), options_(options) {}
Tensor MaxPool2d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(max_pool2d(x, kernel_size_, options_.stride, options_.padding, options_.dilation, options_.ceil_mode));
}

AvgPool1d::AvgPool1d(const Dims& kernel_size, const AvgPool1dOptions& options)
    : Module("AvgPool1d", average_details(kernel_size, options, python_tuple)), kernel_size_(kernel_size), options_(options) {}
Tensor AvgPool1d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(avg_pool1d(x, kernel_size_, options_.stride, options_.padding, options_.ceil_mode, options_.count_include_pad));
}

AvgPool2d::AvgPool2d(const Dims& kernel_size, const AvgPool2dOptions& options)
    : Module("AvgPool2d", average_details(kernel_size, options, number_or_tuple)), kernel_size_(kernel_size), options_(options) {}
Tensor AvgPool2d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(avg_pool2d(x, kernel_size_, options_.stride, options_.padding, options_.ceil_mode, options_.count_include_pad,
                               options_.divisor_override));
}

AdaptiveAvgPool1d::AdaptiveAvgPool1d(int64_t output_size) : Module("AdaptiveAvgPool1d", details(output_size)), output_size_(output_size) {}
Tensor AdaptiveAvgPool1d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(adaptive_avg_pool1d(x, output_size_));
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(int64_t output_size)
    : Module("AdaptiveAvgPool2d", details(output_size)), output_size_{output_size, output_size} {}
AdaptiveAvgPool2d::AdaptiveAvgPool2d(const OutputSize2d& output_size)
    : Module("AdaptiveAvgPool2d", details(output_size)), output_size_(output_size) {}
Tensor AdaptiveAvgPool2d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(adaptive_avg_pool2d(x, output_size_));
}

AdaptiveMaxPool1d::AdaptiveMaxPool1d(int64_t output_size) : Module("AdaptiveMaxPool1d", details(output_size)), output_size_(output_size) {}
Tensor AdaptiveMaxPool1d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(adaptive_max_pool1d(x, output_size_));
}

AdaptiveMaxPool2d::AdaptiveMaxPool2d(int64_t output_size)
    : Module("AdaptiveMaxPool2d", details(output_size)), output_size_{output_size, output_size} {}
AdaptiveMaxPool2d::AdaptiveMaxPool2d(const OutputSize2d& output_size)
    : Module("AdaptiveMaxPool2d", details(output_size)), output_size_(output_size) {}
Tensor AdaptiveMaxPool2d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(adaptive_max_pool2d(x, output_size_));
}

}  // namespace gradus::nn
