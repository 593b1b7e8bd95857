#include "gradus/ops/activation.h"

#include "kernels/softmax.h"

#include <algorithm>
#include <vector>

#include "autograd/op.h"
#include "core/array.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "gradus/ops/elementwise.h"
#include "kernels/strided.h"
#include "ops/elementwise.h"
#include "ops/finite.h"

namespace gradus {
namespace {

constexpr Op softmax_op("softmax"), masked_softmax_op("masked_softmax"), log_softmax_op("log_softmax");

/// Runs a kernel on rows along `dim`, which is brought to the end and back.
template <class Kernel>
Tensor along(Op op, const Tensor& x, int64_t dim, Kernel kernel) {
  NoGradGuard no_grad;
  const Tensor rows = x.dim() == 0 ? x.detach().reshape(1) : x.detach().transpose(dim, -1).contiguous();
  Tensor y = op.empty(rows.shape(), x.dtype());
  const int64_t n = rows.size(-1);
  if (y.numel() > 0) kernel(rows.numel() / n, n, rows, y);
  return (x.dim() == 0 ? y.reshape({}) : y.transpose(dim, -1).contiguous()).detach();
}

/// x in the dtype asked for.
Tensor checked(Op op, const Tensor& given, int64_t dim, std::optional<DType> dtype) {
  wrap_dim(op, dim, impl_of(op, given).layout.rank());
  const Tensor x = dtype ? given.to(*dtype) : given;
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}; convert with .to(gradus::float32)",
                       name(x.dtype()));
  return x;
}

/// y, with 0 in rows along dim of which dy asks nothing: they may be NaN.
Tensor where_asked(const Tensor& y, const Tensor& dy, int64_t dim) {
  Tensor unasked;
  {
    NoGradGuard no_grad;
    unasked = logical_and(isnan(y), logical_not(ne(dy, 0).any(y.dim() == 0 ? Dims() : Dims(dim), true)));
  }
  return masked_fill(y, unasked, 0);
}

/// softmax_pullback out of public operations. Weights of 0 and rows of gradients of 0 ask for nothing, whatever they meet, here and in the
/// derivatives of this.
Tensor composed_gradient(const Tensor& dy, const Tensor& y, const Dims& dims) {
  const Tensor weighted = mul(dy, y), total = weighted.sum(dims, true), none = eq(y, 0);
  if (all_finite(total) && !none.any().item<bool>()) return sub(weighted, mul(y, total));
  const Tensor d = masked_fill(dy, none, 0), idle = eq(ne(d, 0).sum(dims, true), 0), asked = masked_fill(y, idle, 0);
  const Tensor gated = mul(d, asked);
  return masked_fill(sub(gated, mul(asked, gated.sum(dims, true))), none, 0);
}

/// dy and the softmax y along dim to dx = y * (dy - sum(dy * y)).
auto softmax_pullback(int64_t dim) {
  return [dim](const Tensor& dy, const Tensor& out) -> Tensor {
    if (recording_backward() || out.dim() == 0) return composed_gradient(dy, out, out.dim() == 0 ? Dims() : Dims(dim));
    NoGradGuard no_grad;
    const Tensor d = dy.transpose(dim, -1).contiguous();
    return along(softmax_op, out, dim, [&](int64_t rows, int64_t n, const Tensor& y_rows, const Tensor& to) {
      dispatch_floating(softmax_op, to.dtype(),
                        [&]<class T>() { kernels::softmax_backward(rows, n, elements<T>(y_rows), elements<T>(d), elements<T>(to)); });
    });
  };
}

/// mask in the shape of `rows`, x with dim brought to the end; each of its rows lies dense.
Tensor mask_rows(const Tensor& mask, const Tensor& x, const Tensor& rows, int64_t dim) {
  NoGradGuard no_grad;
  const Tensor wide = mask.detach().expand(x.shape()), last = x.dim() == 0 ? wide.reshape(1) : wide.transpose(dim, -1);
  return rows.size(-1) > 1 && last.stride(-1) != 1 ? last.contiguous() : last;
}

/// The place in its storage at which each row of x starts.
Array<int64_t> row_places(const Tensor& x) {
  Layout starts = x.impl()->layout;
  starts.shape[starts.rank() - 1] = std::min<int64_t>(starts.shape.back(), 1);
  const kernels::Walk<1> walk({&starts});
  Array<int64_t> places;
  places.reserve(static_cast<size_t>(starts.shape.numel()));
  walk.for_each_row([&](const auto& place) {
    for (int64_t i = 0; i < walk.row_length(); ++i) places.push_back(place[0] + i * walk.row_strides()[0]);
  });
  return places;
}

}  // namespace

Tensor softmax(const Tensor& given, int64_t dim, std::optional<DType> dtype) {
  const Tensor x = checked(softmax_op, given, dim, dtype);
  Tensor y = along(softmax_op, x, dim, [](int64_t rows, int64_t n, const Tensor& from, const Tensor& to) {
    dispatch_floating(softmax_op, from.dtype(), [&]<class T>() { kernels::softmax(rows, n, elements<T>(from), elements<T>(to)); });
  });
  return softmax_op.record(y, wrt(x, softmax_pullback(dim)));
}

Tensor masked_softmax(const Tensor& given, const Tensor& mask, int64_t dim) {
  const Tensor x = checked(masked_softmax_op, given, dim, {});
  masked_softmax_op.takes(mask);
  masked_softmax_op.check<DTypeError>(mask.dtype() == DType::Bool || mask.dtype() == x.dtype(),
                                      "the mask is {}; give bool, true where an element counts, or {}, which is added", name(mask.dtype()),
                                      name(x.dtype()));
  masked_softmax_op.check<ShapeError>(mask.dim() <= x.dim() && broadcast_shapes(masked_softmax_op, mask.shape(), x.shape()) == x.shape(),
                                      "a mask of shape {} does not broadcast to {}", mask.shape(), x.shape());
  Tensor y = along(masked_softmax_op, x, dim, [&](int64_t rows, int64_t n, const Tensor& from, const Tensor& to) {
    const Tensor let = mask_rows(mask, x, from, dim);
    const Array<int64_t> places = row_places(let);
    dispatch_floating(masked_softmax_op, from.dtype(), [&]<class T>() {
      const auto run = [&]<class M>() {
        const M* storage = storage_of<M>(let);
        kernels::masked_softmax(rows, n, elements<T>(from), storage, places.data(), elements<T>(to));
      };
      if (mask.dtype() == DType::Bool) run.template operator()<bool>();
      else run.template operator()<T>();
    });
  });
  return masked_softmax_op.record(y, wrt(x, softmax_pullback(dim)), wrt(mask, softmax_pullback(dim)));
}

Tensor log_softmax(const Tensor& given, int64_t dim, std::optional<DType> dtype) {
  const Tensor x = checked(log_softmax_op, given, dim, dtype);
  Tensor y = along(log_softmax_op, x, dim, [](int64_t rows, int64_t n, const Tensor& from, const Tensor& to) {
    dispatch_floating(log_softmax_op, from.dtype(), [&]<class T>() { kernels::log_softmax(rows, n, elements<T>(from), elements<T>(to)); });
  });
  return log_softmax_op.record(y, wrt(x, [dim](const Tensor& dy, const Tensor& out) -> Tensor {
                                 if (recording_backward() || out.dim() == 0)
                                   return sub(dy, mul(exp(where_asked(out, dy, dim)), dy.sum(out.dim() == 0 ? Dims() : Dims(dim), true)));
                                 NoGradGuard no_grad;
                                 const Tensor d = dy.transpose(dim, -1).contiguous();
                                 return along(
                                     log_softmax_op, out, dim, [&](int64_t rows, int64_t n, const Tensor& y_rows, const Tensor& to) {
                                       dispatch_floating(log_softmax_op, to.dtype(), [&]<class T>() {
                                         kernels::log_softmax_backward(rows, n, elements<T>(y_rows), elements<T>(d), elements<T>(to));
                                       });
                                     });
                               }));
}

Tensor softmin(const Tensor& x, int64_t dim, std::optional<DType> dtype) { return softmax(neg(x), dim, dtype); }

}  // namespace gradus
