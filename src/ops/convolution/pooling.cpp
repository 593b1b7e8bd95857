#include "gradus/ops/convolution.h"

#include <memory>

#include "autograd/op.h"
#include "core/dispatch.h"
#include "kernels/pooling.h"

namespace gradus {
namespace {

/// The windows of one call, and the shapes that they go between; shared by an operation and its gradients.
struct Pooling {
  Shape x, y;
  kernels::PoolingSizes sizes;
};
using Plan = std::shared_ptr<const Pooling>;

constexpr Op avg_op("avg_pool"), avg_gradient("avg_pool", "avg_pool_gradient"), max_pick("max_pool", "max_pool_pick"),
    max_gradient("max_pool", "max_pool_gradient");

// ---- the operations, as maps between the planes of x and y

Tensor average(const Tensor& x, const Plan& plan);

/// The adjoint of average.
Tensor spread(const Tensor& given, const Plan& plan) {
  const Tensor dy = given.contiguous();
  Tensor dx = avg_gradient.empty(plan->x, dy.dtype());
  dispatch_floating(avg_gradient, dy.dtype(), [&]<class T>() { kernels::spread<T>(plan->sizes, elements<T>(dy), elements<T>(dx)); });
  return avg_gradient.record(dx, wrt(dy, [plan](const Tensor& d) { return average(d, plan); }));
}

Tensor average(const Tensor& given, const Plan& plan) {
  const Tensor x = given.contiguous();
  Tensor y = avg_op.empty(plan->y, x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) kernels::average<T>(plan->sizes, elements<T>(x), elements<T>(y));
  });
  return avg_op.record(y, wrt(x, [plan](const Tensor& dy) { return spread(dy, plan); }));
}

Tensor place(const Tensor& dy, const Tensor& indices, const Plan& plan);

/// x at the indices, of each plane its own.
Tensor pick(const Tensor& given, const Tensor& indices, const Plan& plan) {
  const Tensor x = given.contiguous();
  Tensor y = max_pick.empty(plan->y, x.dtype());
  dispatch_floating(max_pick, x.dtype(),
                    [&]<class T>() { kernels::pick<T>(plan->sizes, elements<T>(x), elements<int64_t>(indices), elements<T>(y)); });
  return max_pick.record(y, wrt(x, [indices, plan](const Tensor& dy) { return place(dy, indices, plan); }));
}

/// The adjoint of pick.
Tensor place(const Tensor& given, const Tensor& indices, const Plan& plan) {
  const Tensor dy = given.contiguous();
  Tensor dx = max_gradient.empty(plan->x, dy.dtype());
  dispatch_floating(max_gradient, dy.dtype(),
                    [&]<class T>() { kernels::place<T>(plan->sizes, elements<T>(dy), elements<int64_t>(indices), elements<T>(dx)); });
  return max_gradient.record(dx, wrt(dy, [indices, plan](const Tensor& d) { return pick(d, indices, plan); }));
}

ValuesIndices largest(Op op, const Tensor& given, const Plan& plan) {
  const Tensor x = given.contiguous();
  Tensor y = op.empty(plan->y, x.dtype()), indices = op.empty(plan->y, DType::Int64);
  dispatch_floating(op, x.dtype(),
                    [&]<class T>() { kernels::max_pool<T>(plan->sizes, elements<T>(x), elements<T>(y), elements<int64_t>(indices)); });
  // The caller may change the indices that he gets, the gradient must not.
  const auto dx = [kept = Saved(indices), plan](const Tensor& dy) { return place(dy, *kept, plan); };
  return {op.record(y, wrt(x, dx)), indices};
}

// ---- windows

/// The numbers of a fixed window along one dimension.
struct Stencil {
  int64_t size, stride, padding, dilation;
  bool ceil_mode;
};

/// The windows of a dimension of n elements; without padding in them unless `padded_shares`, where their shares count it.
std::vector<kernels::Window> fixed_windows(Op op, int64_t n, const Stencil& s, bool padded_shares) {
  const int64_t reach = s.dilation * (s.size - 1) + 1, room = n + 2 * s.padding - reach;
  int64_t count = room < 0 && !s.ceil_mode ? 0 : (room + (s.ceil_mode ? s.stride - 1 : 0)) / s.stride + 1;
  if (s.ceil_mode && (count - 1) * s.stride >= n + s.padding) --count;
  op.check<ShapeError>(count > 0 && room + (s.ceil_mode ? s.stride - 1 : 0) >= 0,
                       "a window that reaches over {} elements has no place in {} with {} of padding at both ends", reach, n, s.padding);
  std::vector<kernels::Window> windows;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = i * s.stride - s.padding, missing = first < 0 ? (-first + s.dilation - 1) / s.dilation : 0;
    const int64_t begin = first + missing * s.dilation, end = std::min(first + reach, n);
    op.check<ShapeError>(begin < end, "a window of {} elements, {} apart, begins before {} elements and meets none of them", s.size,
                         s.dilation, n);
    windows.push_back({begin, end, s.dilation, padded_shares ? std::min(first + reach, n + s.padding) - first : end - begin});
  }
  return windows;
}

std::vector<kernels::Window> adaptive_windows(int64_t n, int64_t outputs) {
  std::vector<kernels::Window> windows;
  for (int64_t i = 0; i < outputs; ++i) {
    const int64_t begin = i * n / outputs, end = ((i + 1) * n + outputs - 1) / outputs;
    windows.push_back({begin, end, 1, end - begin});
  }
  return windows;
}

/// Checks x, and makes the plan from windows(d, n), those of dimension d of the pooled ones, of n elements.
template <class Windows>
Plan plan_of(Op op, const Tensor& x, int64_t dims, Windows windows) {
  const Shape& shape = impl_of(op, x).layout.shape;
  op.check<ShapeError>(shape.size() == dims + 1 || shape.size() == dims + 2,
                       "x has shape {}, expected {} dimensions, or {} without a batch", shape, dims + 2, dims + 1);
  for (int64_t d = shape.size() == dims + 2 ? 1 : 0; d < shape.size(); ++d)
    op.check<ShapeError>(shape[d] > 0, "x has shape {}; only its batch may be empty", shape);
  const int64_t first = shape.size() - dims;
  auto plan = std::make_shared<Pooling>(Pooling{shape, shape, {1, 1, shape.back(), {{0, 1, 1, 1}}, {}}});
  for (int64_t d = 0; d < first; ++d) plan->sizes.planes *= shape[d];
  if (dims == 2) {
    plan->sizes.height = shape[first];
    plan->sizes.rows = windows(0, shape[first]);
    plan->y[first] = static_cast<int64_t>(plan->sizes.rows.size());
  }
  plan->sizes.columns = windows(dims - 1, shape.back());
  plan->y[shape.size() - 1] = static_cast<int64_t>(plan->sizes.columns.size());
  return plan;
}

/// The arguments of a fixed window, checked, for each dimension.
std::vector<Stencil> stencils(Op op, int64_t dims, const Dims& size, const Dims& stride, const Dims& padding, const Dims& dilation,
                              bool ceil_mode) {
  constexpr int64_t most = 1 << 30;
  std::vector<Stencil> all;
  for (int64_t d = 0; d < dims; ++d) {
    const auto at = [&](const char* name, const Dims& given, int64_t least) {
      op.check<ShapeError>(given.size() == 1 || given.size() == dims, "{} {} is not one number or {}", name, given, dims);
      const int64_t n = given[given.size() == 1 ? 0 : d];
      op.check<ValueError>(n >= least && n <= most, "{} is {}; give {} to {}", name, n, least, most);
      return n;
    };
    const int64_t window = at("kernel_size", size, 1);
    all.push_back(
        {window, stride.empty() ? window : at("stride", stride, 1), at("padding", padding, 0), at("dilation", dilation, 1), ceil_mode});
    op.check<ValueError>(all.back().padding <= window / 2, "padding {} is more than half of the kernel_size {}", all.back().padding,
                         window);
  }
  return all;
}

ValuesIndices max_pool(Op op, int64_t dims, const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                       const Dims& dilation, bool ceil_mode) {
  const std::vector<Stencil> stencil = stencils(op, dims, kernel_size, stride, padding, dilation, ceil_mode);
  return largest(op, x,
                 plan_of(op, x, dims, [&](int64_t d, int64_t n) { return fixed_windows(op, n, stencil[static_cast<size_t>(d)], false); }));
}

Tensor avg_pool(Op op, int64_t dims, const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding, bool ceil_mode,
                bool count_include_pad, std::optional<int64_t> divisor) {
  const std::vector<Stencil> stencil = stencils(op, dims, kernel_size, stride, padding, 1, ceil_mode);
  op.check<ValueError>(divisor.value_or(1) != 0, "divisor_override is 0");
  const Plan plan = plan_of(op, x, dims, [&](int64_t d, int64_t n) {
    std::vector<kernels::Window> windows = fixed_windows(op, n, stencil[static_cast<size_t>(d)], count_include_pad);
    if (divisor)
      for (kernels::Window& window : windows) window.share = d == 0 ? *divisor : 1;
    return windows;
  });
  op.check<DTypeError>(x.dtype() != DType::Bool, "not defined for bool; convert with .to(gradus::float32)");
  return average(x, plan);
}

constexpr const char* max_node = "max_pool_with_indices";

/// The windows of adaptive pooling.
constexpr int64_t most_outputs = 1 << 24;  // each has a window in memory
Plan adaptive_plan(Op op, const Tensor& x, int64_t dims, const OutputSize2d& output_size) {
  return plan_of(op, x, dims, [&](int64_t d, int64_t n) {
    const int64_t outputs = output_size[static_cast<size_t>(d)].value_or(n);
    op.check<ValueError>(outputs >= 0, "output_size is {}, but must not be negative", outputs);
    op.check<ValueError>(outputs <= most_outputs, "output_size is {}; give at most {}", outputs, most_outputs);
    return adaptive_windows(n, outputs);
  });
}

ValuesIndices adaptive_max(Op op, const Tensor& x, int64_t dims, const OutputSize2d& output_size) {
  return largest(op, x, adaptive_plan(op, x, dims, output_size));
}

Tensor adaptive_average(Op op, const Tensor& x, int64_t dims, const OutputSize2d& output_size) {
  const Plan plan = adaptive_plan(op, x, dims, output_size);
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}; convert with .to(gradus::float32)",
                       name(x.dtype()));
  return average(x, plan);
}

}  // namespace

// ---- the public functions

ValuesIndices max_pool1d_with_indices(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                                      const Dims& dilation, bool ceil_mode) {
  return max_pool(Op("max_pool1d", max_node), 1, x, kernel_size, stride, padding, dilation, ceil_mode);
}

ValuesIndices max_pool2d_with_indices(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
                                      const Dims& dilation, bool ceil_mode) {
  return max_pool(Op("max_pool2d", max_node), 2, x, kernel_size, stride, padding, dilation, ceil_mode);
}

Tensor max_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding, const Dims& dilation, bool ceil_mode) {
  return max_pool1d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode).values;
}

Tensor max_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding, const Dims& dilation, bool ceil_mode) {
  return max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode).values;
}

Tensor avg_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding, bool ceil_mode,
                  bool count_include_pad) {
  return avg_pool(Op("avg_pool1d"), 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, {});
}

Tensor avg_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride, const Dims& padding, bool ceil_mode, bool count_include_pad,
                  std::optional<int64_t> divisor_override) {
  return avg_pool(Op("avg_pool2d"), 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
}

Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output_size) {
  return adaptive_average(Op("adaptive_avg_pool1d"), x, 1, {output_size, {}});
}

Tensor adaptive_avg_pool2d(const Tensor& x, const OutputSize2d& output_size) {
  return adaptive_average(Op("adaptive_avg_pool2d"), x, 2, output_size);
}

Tensor adaptive_avg_pool2d(const Tensor& x, int64_t output_size) { return adaptive_avg_pool2d(x, OutputSize2d{output_size, output_size}); }

ValuesIndices adaptive_max_pool1d_with_indices(const Tensor& x, int64_t output_size) {
  return adaptive_max(Op("adaptive_max_pool1d", max_node), x, 1, {output_size, {}});
}

ValuesIndices adaptive_max_pool2d_with_indices(const Tensor& x, const OutputSize2d& output_size) {
  return adaptive_max(Op("adaptive_max_pool2d", max_node), x, 2, output_size);
}

Tensor adaptive_max_pool1d(const Tensor& x, int64_t output_size) { return adaptive_max_pool1d_with_indices(x, output_size).values; }

Tensor adaptive_max_pool2d(const Tensor& x, const OutputSize2d& output_size) {
  return adaptive_max_pool2d_with_indices(x, output_size).values;
}

Tensor adaptive_max_pool2d(const Tensor& x, int64_t output_size) { return adaptive_max_pool2d(x, OutputSize2d{output_size, output_size}); }

}  // namespace gradus
