#include "kernels/softmax.h"

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "gradus/ops.h"

namespace gradus {
namespace {

/// Runs a kernel on rows along `dim`, which is brought to the end and back.
template <class Kernel>
Tensor along(const char* op, const Tensor& x, int64_t dim, Kernel kernel) {
  NoGradGuard no_grad;
  const Tensor rows = x.dim() == 0 ? x.detach().reshape(1) : transpose(x.detach(), dim, -1).contiguous();
  Tensor y = new_tensor(op, rows.shape(), x.dtype());
  const int64_t n = rows.size(-1);
  if (y.numel() > 0) kernel(rows.numel() / n, n, rows, y);
  return (x.dim() == 0 ? y.reshape({}) : transpose(y, dim, -1).contiguous()).detach();
}

/// x in the dtype asked for.
Tensor checked(const char* op, const Tensor& given, int64_t dim, std::optional<DType> dtype) {
  wrap_dim(op, dim, impl_of(op, given).layout.rank());
  const Tensor x = dtype ? to(given, *dtype) : given;
  check<DTypeError>(is_floating_point(x.dtype()), "{}: takes float32 or float64, got {}; convert with .to(gradus::float32)", op,
                    name(x.dtype()));
  return x;
}

}  // namespace

Tensor softmax(const Tensor& given, int64_t dim, std::optional<DType> dtype) {
  const Tensor x = checked("softmax", given, dim, dtype);
  Tensor y = along("softmax", x, dim, [](int64_t rows, int64_t n, const Tensor& from, const Tensor& to) {
    dispatch_floating("softmax", from.dtype(), [&]<class T>() { kernels::softmax(rows, n, from.data<T>(), to.data<T>()); });
  });
  return record("softmax", y, wrt(x, [dim](const Tensor& dy, const Tensor& out) -> Tensor {
                  if (recording_backward() || out.dim() == 0) {
                    const Tensor weighted = mul(dy, out);
                    return sub(weighted, mul(out, sum(weighted, out.dim() == 0 ? Dims() : Dims(dim), true)));
                  }
                  NoGradGuard no_grad;
                  const Tensor d = transpose(dy, dim, -1).contiguous();
                  return along("softmax", out, dim, [&](int64_t rows, int64_t n, const Tensor& y_rows, const Tensor& to) {
                    dispatch_floating("softmax", to.dtype(),
                                      [&]<class T>() { kernels::softmax_backward(rows, n, y_rows.data<T>(), d.data<T>(), to.data<T>()); });
                  });
                }));
}

Tensor log_softmax(const Tensor& given, int64_t dim, std::optional<DType> dtype) {
  const Tensor x = checked("log_softmax", given, dim, dtype);
  Tensor y = along("log_softmax", x, dim, [](int64_t rows, int64_t n, const Tensor& from, const Tensor& to) {
    dispatch_floating("log_softmax", from.dtype(), [&]<class T>() { kernels::log_softmax(rows, n, from.data<T>(), to.data<T>()); });
  });
  return record("log_softmax", y, wrt(x, [dim](const Tensor& dy, const Tensor& out) -> Tensor {
                  if (recording_backward() || out.dim() == 0)
                    return sub(dy, mul(exp(out), sum(dy, out.dim() == 0 ? Dims() : Dims(dim), true)));
                  NoGradGuard no_grad;
                  const Tensor d = transpose(dy, dim, -1).contiguous();
                  return along("log_softmax", out, dim, [&](int64_t rows, int64_t n, const Tensor& y_rows, const Tensor& to) {
                    dispatch_floating("log_softmax", to.dtype(), [&]<class T>() {
                      kernels::log_softmax_backward(rows, n, y_rows.data<T>(), d.data<T>(), to.data<T>());
                    });
                  });
                }));
}

}  // namespace gradus
