#include "gradus/ops/product.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"
#include "gradus/creation.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "kernels/blas.h"
#include "kernels/matrix_vector.h"
#include "kernels/reduce.h"

namespace gradus {
namespace {

using kernels::Trans;

/// A matrix (or a batch of them) as BLAS takes it: rows that lie `stride` apart, as stored or transposed. Copies only what is neither.
struct Operand {
  Tensor tensor;
  Trans trans = Trans::No;
  int64_t stride = 1;

  explicit Operand(const Tensor& x) : tensor(x) {
    if (fits(-2, -1)) return;
    if (fits(-1, -2)) {
      trans = Trans::Yes;
      return;
    }
    NoGradGuard no_grad;
    tensor = x.detach().contiguous();
    fits(-2, -1);
  }

 private:
  bool fits(int64_t row, int64_t column) {
    const int64_t rows = tensor.size(row), columns = tensor.size(column);
    const int64_t distance = rows > 1 ? tensor.stride(row) : std::max<int64_t>(columns, 1);
    if ((columns > 1 && tensor.stride(column) != 1) || distance < std::max<int64_t>(columns, 1)) return false;
    stride = distance;
    return true;
  }
};

void check_inner(const Tensor& a, const Tensor& b, int64_t k_a, int64_t k_b) {
  check<ShapeError>(k_a == k_b, "matmul: {} x {}: inner sizes differ ({} and {})", a.shape(), b.shape(), k_a, k_b);
}

/// Element by element, added up as Sum.
template <class Sum, class T>
void multiply_plainly(int64_t M, int64_t N, int64_t K, const Operand& a, const T* x, const Operand& b, const T* y, T* z) {
  const auto at = [](const Operand& o, const T* p, int64_t i, int64_t j) {
    return static_cast<Sum>(o.trans == Trans::No ? p[i * o.stride + j] : p[j * o.stride + i]);
  };
  for (int64_t i = 0; i < M; ++i)
    for (int64_t j = 0; j < N; ++j) {
      Sum sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += at(a, x, i, k) * at(b, y, k, j);
      z[i * N + j] = static_cast<T>(sum);
    }
}

void multiply(int64_t M, int64_t N, int64_t K, const Operand& a, const int64_t* x, const Operand& b, const int64_t* y, int64_t* z) {
  multiply_plainly<uint64_t>(M, N, K, a, x, b, y, z);
}

/// Products with a single row or column are bound by memory, so they can afford to add up in double.
template <class T>
void multiply(int64_t M, int64_t N, int64_t K, const Operand& a, const T* x, const Operand& b, const T* y, T* z) {
  if constexpr (std::is_same_v<T, float>) {
    if (N == 1)
      return kernels::matrix_vector(a.trans == Trans::Yes, M, K, x, a.stride, kernels::widened(K, y, b.trans == Trans::Yes ? 1 : b.stride),
                                    z);
    if (M == 1)
      return kernels::matrix_vector(b.trans == Trans::No, N, K, y, b.stride, kernels::widened(K, x, a.trans == Trans::Yes ? a.stride : 1),
                                    z);
  }
  kernels::gemm<T>(a.trans, b.trans, M, N, K, 1, x, a.stride, y, b.stride, 0, z, N);
}

/// Calls f with the C++ type of a dtype that has products.
template <class F>
void dispatch_numbers(DType dtype, F&& f) {
  check<DTypeError>(dtype != DType::Bool, "matmul: not defined for bool; convert with .to(gradus::int64)");
  dispatch("matmul", dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) f.template operator()<T>();
  });
}

/// (M, K) x (K, N)
Tensor product(const Tensor& a, const Tensor& b) {
  const int64_t M = a.size(0), K = a.size(1), N = b.size(1);
  Tensor c = new_tensor("matmul", {M, N}, a.dtype());
  const Operand left(a), right(b);
  dispatch_numbers(a.dtype(),
                   [&]<class T>() { multiply(M, N, K, left, left.tensor.data<T>(), right, right.tensor.data<T>(), c.data<T>()); });
  return c;
}

Tensor matrix_product(const Tensor& a, const Tensor& b) {
  check_inner(a, b, a.size(1), b.size(0));
  return record("mm", product(a, b), wrt(a, [b = Saved(b)](const Tensor& dc) { return matrix_product(dc, b->t()); }),
                wrt(b, [a = Saved(a)](const Tensor& dc) { return matrix_product(a->t(), dc); }));
}

/// (K) x (K): a number.
Tensor vector_product(const Tensor& a, const Tensor& b) {
  check_inner(a, b, a.size(0), b.size(0));
  const auto number = [](const Tensor& x, const Tensor& y) {
    NoGradGuard no_grad;
    return product(unsqueeze(x, 0), unsqueeze(y, 1)).view({});
  };
  return record("dot", number(a, b), wrt(a, [b = Saved(b)](const Tensor& dc) { return dc * *b; }),
                wrt(b, [a = Saved(a)](const Tensor& dc) { return dc * *a; }));
}

/// (M, K) x (K)
Tensor matrix_vector(const Tensor& a, const Tensor& b) {
  check_inner(a, b, a.size(1), b.size(0));
  const auto vector = [](const Tensor& x, const Tensor& y) {
    NoGradGuard no_grad;
    return product(x, unsqueeze(y, 1)).view({x.size(0)});
  };
  return record("mv", vector(a, b), wrt(a, [b = Saved(b)](const Tensor& dc) { return unsqueeze(dc, 1) * *b; }),
                wrt(b, [a = Saved(a)](const Tensor& dc) { return matrix_vector(a->t(), dc); }));
}

Shape batch_of(const Tensor& x) {
  Shape shape = x.shape();
  shape.erase(shape.size() - 1);
  shape.erase(shape.size() - 1);
  return shape;
}

/// Batched products with fewer multiplications cost less without the call of BLAS. PyTorch draws the line here too and adds up in the same
/// order, so that such products have the same bits.
constexpr int64_t kSmallProduct = 400;

/// (…, M, K) x (…, K, N) with equal batches.
Tensor batch_product(const Tensor& a, const Tensor& b) {
  const int64_t M = a.size(-2), K = a.size(-1), N = b.size(-1);
  Shape shape = batch_of(a);
  const int64_t count = shape.numel();
  shape.push_back(M);
  shape.push_back(N);
  Tensor c = new_tensor("matmul", shape, a.dtype());
  NoGradGuard no_grad;
  const Tensor left = a.detach().reshape({count, M, K}), right = b.detach().reshape({count, K, N});
  const Operand x(left), y(right);
  dispatch_numbers(a.dtype(), [&]<class T>() {
    const auto one = [&, small = M * N < kSmallProduct && M * N * K < kSmallProduct](int64_t i) {
      const T *from_x = x.tensor.data<T>() + i * x.tensor.stride(0), *from_y = y.tensor.data<T>() + i * y.tensor.stride(0);
      T* to = c.data<T>() + i * M * N;
      if (small && !std::is_same_v<T, int64_t>) multiply_plainly<T>(M, N, K, x, from_x, y, from_y, to);
      else multiply(M, N, K, x, from_x, y, from_y, to);
    };
    if (count > 0) parallel_pieces(count, one);
  });
  return c;
}

Tensor recorded_batch_product(const Tensor& a, const Tensor& b) {
  return record("bmm", batch_product(a, b),
                wrt(a, [b = Saved(b)](const Tensor& dc) { return recorded_batch_product(dc, b->transpose(-2, -1)); }),
                wrt(b, [a = Saved(a)](const Tensor& dc) { return recorded_batch_product(a->transpose(-2, -1), dc); }));
}

Tensor batched(const Tensor& a, const Tensor& b) {
  check_inner(a, b, a.size(-1), b.size(-2));
  // One matrix on the right meets all rows of the left in one product.
  if (b.dim() == 2) {
    Shape shape = a.shape();
    shape[shape.size() - 1] = b.size(1);
    Shape rows = shape;
    rows.erase(rows.size() - 1);
    return reshape(matrix_product(reshape(a, {rows.numel(), a.size(-1)}), b), shape);
  }
  const Shape batch = broadcast_shapes("matmul", batch_of(a), batch_of(b));
  const auto stretched = [&](const Tensor& x) {
    Shape shape = batch;
    shape.push_back(x.size(-2));
    shape.push_back(x.size(-1));
    return x.shape() == shape ? x : expand(x, shape);
  };
  return recorded_batch_product(stretched(a), stretched(b));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  impl_of("matmul", a);
  impl_of("matmul", b);
  check<ShapeError>(a.dim() > 0 && b.dim() > 0, "matmul: {} x {}: both need a dimension; multiply scalars with *", a.shape(), b.shape());
  check<DTypeError>(a.dtype() == b.dtype(), "matmul: {} x {}: dtypes differ; convert one with .to()", name(a.dtype()), name(b.dtype()));
  if (a.dim() == 2 && b.dim() == 2) return matrix_product(a, b);
  if (a.dim() == 1 && b.dim() == 1) return vector_product(a, b);
  if (a.dim() == 2 && b.dim() == 1) return matrix_vector(a, b);
  if (a.dim() == 1) {
    check_inner(a, b, a.size(0), b.size(-2));
    return squeeze(batched(unsqueeze(a, 0), b), -2);
  }
  if (b.dim() == 1) {
    check_inner(a, b, a.size(-1), b.size(0));
    return squeeze(batched(a, unsqueeze(b, 1)), -1);
  }
  return batched(a, b);
}

namespace {

/// The gradients of x (rows, inputs), W (outputs, inputs) and the bias, null where they are not wanted, from dy (rows, outputs) in blocks
/// of rows that stay in the caches: a dy larger than those is read from memory once.
template <class T>
void linear_backward(int64_t rows, int64_t outputs, int64_t inputs, const T* dy, const T* x, const T* weight, T* dx, T* dw, T* db) {
  constexpr int64_t block = 512;
  std::vector<double> totals(db ? static_cast<size_t>(outputs) : 0);
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t n = std::min(block, rows - first);
    const T* d = dy + first * outputs;
    if (dx) kernels::gemm<T>(Trans::No, Trans::No, n, inputs, outputs, 1, d, outputs, weight, inputs, 0, dx + first * inputs, inputs);
    if (dw)
      kernels::gemm<T>(Trans::Yes, Trans::No, outputs, inputs, n, 1, d, outputs, x + first * inputs, inputs, first > 0 ? T(1) : T(0), dw,
                       inputs);
    if (db) kernels::add_columns(n, outputs, d, totals.data());
  }
  if (db) std::transform(totals.begin(), totals.end(), db, [](double v) { return static_cast<T>(v); });
}

/// The pullback of y = x W^T + b, which keeps only what it needs.
struct LinearPullback {
  bool wants_x, wants_weight, wants_bias;
  Saved x, weight;

  LinearPullback(const Tensor& x_, const Tensor& weight_, const Tensor& bias)
      : wants_x(x_.requires_grad()),
        wants_weight(weight_.requires_grad()),
        wants_bias(bias.defined() && bias.requires_grad()),
        x(wants_weight ? Saved(x_) : Saved()),
        weight(wants_x ? Saved(weight_) : Saved()) {}

  void operator()(std::span<Tensor> dys, std::span<Tensor> dx) const {
    constexpr int64_t large = 1 << 20;  // 4 MB of float32
    const Tensor& dy = dys[0];
    if (!recording_backward() && dy.numel() >= large && dy.size(1) > 1) return by_blocks(dy.contiguous(), dx);
    if (wants_x) dx[0] = matrix_product(dy, *weight);
    if (wants_weight) dx[1] = matrix_product(t(dy), *x);
    if (wants_bias) dx[2] = sum(dy, {0});
  }

 private:
  void by_blocks(const Tensor& dy, std::span<Tensor> dx) const {
    const int64_t rows = dy.size(0), outputs = dy.size(1), inputs = (wants_x ? (*weight).size(1) : wants_weight ? (*x).size(1) : 1);
    const auto wanted = [&](bool wants, size_t i, const Shape& shape) {
      if (wants) dx[i] = new_tensor("linear", shape, dy.dtype());
      return dx[i];
    };
    const Tensor dense_x = wants_weight ? x->contiguous() : Tensor(), dense_weight = wants_x ? weight->contiguous() : Tensor();
    const Tensor gx = wanted(wants_x, 0, {rows, inputs}), gw = wanted(wants_weight, 1, {outputs, inputs}),
                 gb = wanted(wants_bias, 2, {outputs});
    dispatch_floating("linear", dy.dtype(), [&]<class T>() {
      const auto data = [](const Tensor& t) -> T* { return t.defined() ? t.data<T>() : nullptr; };
      linear_backward<T>(rows, outputs, inputs, data(dy), data(dense_x), data(dense_weight), data(gx), data(gw), data(gb));
    });
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  impl_of("linear", x);
  check<ShapeError>(impl_of("linear", weight).layout.rank() == 2, "linear: weight has shape {}, expected (outputs, inputs)",
                    weight.shape());
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  check<ShapeError>(x.dim() > 0 && x.size(-1) == inputs, "linear: x has shape {}, but weight {} takes {} features in the last dimension",
                    x.shape(), weight.shape(), inputs);
  check<DTypeError>(x.dtype() == weight.dtype(), "linear: x is {} and weight {}; convert one with .to()", name(x.dtype()),
                    name(weight.dtype()));
  if (bias.defined()) {
    check<ShapeError>(bias.shape() == Shape(outputs), "linear: bias has shape {}, expected [{}]", bias.shape(), outputs);
    check<DTypeError>(bias.dtype() == x.dtype(), "linear: x is {} and bias {}; they must agree", name(x.dtype()), name(bias.dtype()));
  }
  Shape shape = x.shape();
  shape[shape.size() - 1] = outputs;
  const int64_t rows = shape.numel() / std::max<int64_t>(outputs, 1);
  if (outputs == 0 || inputs == 0 || !is_floating_point(x.dtype())) {
    Tensor y = matmul(x, t(weight));
    return bias.defined() ? y + bias : y;
  }
  const Tensor flat = reshape(x, {rows, inputs});
  Tensor y = new_tensor("linear", {rows, outputs}, x.dtype());
  {
    NoGradGuard no_grad;
    const Operand left(flat), right(weight.detach());
    const Trans turned = right.trans == Trans::No ? Trans::Yes : Trans::No;
    dispatch_floating("linear", x.dtype(), [&]<class T>() {
      const T *a = left.tensor.data<T>(), *b = right.tensor.data<T>();
      if (bias.defined())
        kernels::gemm_and_row<T>(left.trans, turned, rows, outputs, inputs, a, left.stride, b, right.stride,
                                 bias.detach().contiguous().data<T>(), y.data<T>(), outputs);
      else kernels::gemm<T>(left.trans, turned, rows, outputs, inputs, 1, a, left.stride, b, right.stride, 0, y.data<T>(), outputs);
    });
  }
  record_joint(bias.defined() ? "addmm" : "mm", std::span(&y, 1), std::array{flat, weight, bias}, LinearPullback(flat, weight, bias));
  return x.dim() == 2 ? y : view(y, shape);
}

}  // namespace gradus
