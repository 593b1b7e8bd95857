#include "gradus/ops/product.h"

#include <algorithm>

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "kernels/finite.h"
#include "kernels/product.h"
#include "ops/finite.h"
#include "ops/matrix_product.h"

namespace gradus {
namespace {

constexpr Op op("matmul"), mm_op("matmul", "mm"), bmm_op("matmul", "bmm"), mv_op("matmul", "mv"), dot_op("matmul", "dot");

void check_inner(const Tensor& a, const Tensor& b, int64_t k_a, int64_t k_b) {
  op.check<ShapeError>(k_a == k_b, "{} x {}: inner sizes differ ({} and {})", a.shape(), b.shape(), k_a, k_b);
}

}  // namespace

DenseMatrix::DenseMatrix(const Tensor& x) : tensor(x) {
  const Shape& shape = x.impl()->layout.shape;
  rows = shape[shape.size() - 2], cols = shape.back();
  if (fits(kernels::Trans::No) || fits(kernels::Trans::Yes)) return;
  NoGradGuard no_grad;
  tensor = x.detach().contiguous();
  fits(kernels::Trans::No);
}

bool DenseMatrix::fits(kernels::Trans how) {
  const Layout& layout = tensor.impl()->layout;
  const int64_t row = layout.rank() - 2, column = row + 1;
  const bool turned = how == kernels::Trans::Yes;
  const int64_t lines = turned ? cols : rows, length = std::max<int64_t>(turned ? rows : cols, 1);
  const int64_t distance = lines > 1 ? layout.strides[turned ? column : row] : length;
  if ((length > 1 && layout.strides[turned ? row : column] != 1) || distance < length) return false;
  ld = distance;
  trans = how;
  return true;
}

bool gated_is_finite(const Tensor& c, Gates gates) {
  if ((!gates.left && !gates.right) || c.numel() == 0 || !is_floating_point(c.dtype())) return true;
  const int64_t M = c.size(-2), N = c.size(-1), count = c.numel() / (M * N);
  const auto finite = [&]<class T>(const T* matrix) {
    for (int64_t i = 0; i < count; ++i, matrix += M * N)
      if ((gates.left && !kernels::all_finite(N, 1, matrix)) || (gates.right && !kernels::all_finite(M, N, matrix))) return false;
    return true;
  };
  return c.dtype() == DType::Float32 ? finite(elements<float>(c)) : finite(elements<double>(c));
}

namespace {

/// Calls f with the C++ type of a dtype that has products.
template <class F>
void dispatch_numbers(DType dtype, F&& f) {
  op.check<DTypeError>(dtype != DType::Bool, "not defined for bool; convert with .to(gradus::int64)");
  dispatch(op, dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) f.template operator()<T>();
  });
}

/// (…, M, K) x (…, K, N) with equal batches, or without, not recorded and without gates.
Tensor plain_product(const Tensor& a, const Tensor& b) {
  const Shape &a_shape = a.impl()->layout.shape, &b_shape = b.impl()->layout.shape;
  const int64_t M = a_shape[a_shape.size() - 2], N = b_shape.back();
  if (a_shape.size() == 2) {
    Tensor c = op.empty({M, N}, a.dtype());
    const DenseMatrix x(a), y(b);
    dispatch_numbers(a.dtype(),
                     [&]<class T>() { kernels::product<T>(x.view<T>(), y.view<T>(), kernels::MatrixView(c.impl()->data<T>(), M, N)); });
    return c;
  }
  Shape shape = a_shape;
  shape[shape.size() - 1] = N;
  Tensor c = op.empty(shape, a.dtype());
  int64_t count = 1;
  for (int64_t d = 0; d < shape.size() - 2; ++d) count *= shape[d];
  const DenseMatrix x(a), y(b);
  dispatch_numbers(a.dtype(), [&]<class T>() {
    kernels::batched_product<T>(count, x.batch<T>(), y.batch<T>(), kernels::MatrixView(c.impl()->data<T>(), M, N));
  });
  return c;
}

/// c = a b once more, where it is not finite though no term that was asked for says so: as if 0 stood for what is not finite.
Tensor without_unasked(const Tensor& a, const Tensor& b, const Tensor& c, Gates gates) {
  NoGradGuard no_grad;
  const Tensor x = a.detach(), y = b.detach(), x_is_finite = isfinite(x), y_is_finite = isfinite(y);
  const auto counted = [&](const Tensor& flags) { return to(flags, c.dtype()); };
  const auto asking = [&](const Tensor& v, bool is_gate) { return is_gate ? counted(ne(v, 0)) : ones_like(v); };
  // How many terms of each sum are not finite and asked for.
  const Tensor terms = plain_product(asking(x, gates.left), counted(logical_not(y_is_finite))) +
                       plain_product(counted(logical_not(x_is_finite)), asking(y, gates.right));
  const Tensor finite_part = plain_product(where(x_is_finite, x, 0), where(y_is_finite, y, 0));
  return where(logical_or(isfinite(c), gt(terms, 0)), c, finite_part);
}

/// (…, M, K) x (…, K, N) with equal batches, or without, not recorded.
Tensor product(const Tensor& a, const Tensor& b, Gates gates) {
  const Tensor c = plain_product(a, b);
  return gated_is_finite(c, gates) ? c : without_unasked(a, b, c, gates);
}

/// A matrix, or every matrix of a batch, transposed.
Tensor turned(const Tensor& x) { return x.dim() == 2 ? t(x) : transpose(x, -2, -1); }

/// The same, recorded.
Tensor recorded_product(const Tensor& a, const Tensor& b, Gates gates) {
  return (a.dim() == 2 ? mm_op : bmm_op)
      .record(product(a, b, gates),
              wrt(a,
                  [b = Saved(b), gates](const Tensor& dc) {
                    return recorded_product(dc, turned(*b), {true, gates.right});
                  }),
              wrt(b, [a = Saved(a), gates](const Tensor& dc) {
                return recorded_product(turned(*a), dc, {gates.left, true});
              }));
}

/// A gradient times what it meets, broadcast: 0 where it is 0.
Tensor passed_on(const Tensor& dc, const Tensor& x) {
  const Tensor dx = dc * x;
  return all_finite(x) ? dx : masked_fill(dx, eq(dc, 0), 0);
}

/// (K) x (K): a number.
Tensor vector_product(const Tensor& a, const Tensor& b) {
  check_inner(a, b, a.size(0), b.size(0));
  const auto number = [](const Tensor& x, const Tensor& y) {
    NoGradGuard no_grad;
    return plain_product(unsqueeze(x, 0), unsqueeze(y, 1)).view({});
  };
  return dot_op.record(number(a, b), wrt(a, [b = Saved(b)](const Tensor& dc) { return passed_on(dc, *b); }),
                       wrt(b, [a = Saved(a)](const Tensor& dc) { return passed_on(dc, *a); }));
}

/// (M, K) x (K)
Tensor matrix_vector(const Tensor& a, const Tensor& b, Gates gates) {
  check_inner(a, b, a.size(1), b.size(0));
  const auto vector = [gates](const Tensor& x, const Tensor& y) {
    NoGradGuard no_grad;
    return product(x, unsqueeze(y, 1), gates).view({x.size(0)});
  };
  return mv_op.record(vector(a, b), wrt(a, [b = Saved(b)](const Tensor& dc) { return passed_on(unsqueeze(dc, 1), *b); }),
                      wrt(b, [a = Saved(a), gates](const Tensor& dc) {
                        return matrix_vector(a->t(), dc, {gates.left, true});
                      }));
}

Shape batch_of(const Tensor& x) {
  Shape shape = x.shape();
  shape.erase(shape.size() - 1);
  shape.erase(shape.size() - 1);
  return shape;
}

Tensor batched(const Tensor& a, const Tensor& b, Gates gates) {
  check_inner(a, b, a.size(-1), b.size(-2));
  // One matrix on the right meets all rows of the left in one product.
  if (b.dim() == 2) {
    Shape shape = a.shape();
    shape[shape.size() - 1] = b.size(1);
    Shape rows = shape;
    rows.erase(rows.size() - 1);
    return reshape(recorded_product(reshape(a, {rows.numel(), a.size(-1)}), b, gates), shape);
  }
  const Shape batch = broadcast_shapes(op, batch_of(a), batch_of(b));
  const auto stretched = [&](const Tensor& x) {
    Shape shape = batch;
    shape.push_back(x.size(-2));
    shape.push_back(x.size(-1));
    return x.shape() == shape ? x : expand(x, shape);
  };
  return recorded_product(stretched(a), stretched(b), gates);
}

}  // namespace

Tensor matrix_product(const Tensor& a, const Tensor& b, Gates gates) { return recorded_product(a, b, gates); }

Tensor gated_matmul(const Tensor& a, const Tensor& b, Gates gates) {
  op.takes(a, b);
  op.check<ShapeError>(a.dim() > 0 && b.dim() > 0, "{} x {}: both need a dimension; multiply scalars with *", a.shape(), b.shape());
  op.check<DTypeError>(a.dtype() == b.dtype(), "{} x {}: dtypes differ; convert one with .to()", name(a.dtype()), name(b.dtype()));
  if (a.dim() == 2 && b.dim() == 2) {
    check_inner(a, b, a.size(1), b.size(0));
    return recorded_product(a, b, gates);
  }
  if (a.dim() == 1 && b.dim() == 1) return vector_product(a, b);
  if (a.dim() == 2 && b.dim() == 1) return matrix_vector(a, b, gates);
  if (a.dim() == 1) {
    check_inner(a, b, a.size(0), b.size(-2));
    return squeeze(batched(unsqueeze(a, 0), b, gates), -2);
  }
  if (b.dim() == 1) {
    check_inner(a, b, a.size(-1), b.size(0));
    return squeeze(batched(a, unsqueeze(b, 1), gates), -1);
  }
  return batched(a, b, gates);
}

Tensor matmul(const Tensor& a, const Tensor& b) { return gated_matmul(a, b, {}); }

}  // namespace gradus
