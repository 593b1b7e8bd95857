#include "autograd/row_sparse.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "autograd/tensor_impl.h"
#include "core/array.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "kernels/embedding.h"

namespace gradus {

Tensor Tensor::coalesce() const {
  NoGradGuard no_grad;
  const RowSparse& rows = rows_of("coalesce", *this);
  if (rows.coalesced) return *this;
  const int64_t n = rows.indices.numel(), *index = elements<int64_t>(rows.indices);
  if (std::adjacent_find(index, index + n, std::greater_equal<>()) == index + n)
    return row_sparse({rows.indices, rows.values, true}, this->shape());
  Array<int64_t> order(static_cast<size_t>(n)), group(static_cast<size_t>(n));
  std::vector<int64_t> unique;
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [index](int64_t a, int64_t b) { return index[a] < index[b]; });
  for (int64_t i : order) {
    if (unique.empty() || unique.back() != index[i]) unique.push_back(index[i]);
    group[static_cast<size_t>(i)] = static_cast<int64_t>(unique.size()) - 1;
  }
  const auto count = static_cast<int64_t>(unique.size()), width = n == 0 ? 0 : rows.values.numel() / n;
  Shape shape = rows.values.shape();
  shape[0] = count;
  const Tensor sums = new_tensor("coalesce", shape, dtype()), dense = rows.values.contiguous();
  dispatch_floating("coalesce", dtype(), [&]<class T>() {
    kernels::sum_rows<T>({n, group.data(), nullptr, nullptr}, elements<T>(dense), count, width, elements<T>(sums));
  });
  return row_sparse({from_vector(unique, Shape(count)), sums, true}, this->shape());
}

Tensor Tensor::to_dense() const {
  if (!is_sparse()) return *this;
  NoGradGuard no_grad;
  const RowSparse& rows = rows_of("to_dense", *this);
  const Tensor y = new_tensor("to_dense", shape(), dtype()), dense = rows.values.contiguous();
  const int64_t width = size(0) == 0 ? 0 : numel() / size(0);
  dispatch_floating("to_dense", dtype(), [&]<class T>() {
    kernels::sum_rows<T>({rows.indices.numel(), elements<int64_t>(rows.indices), nullptr, nullptr}, elements<T>(dense), size(0), width,
                         elements<T>(y));
  });
  return y;
}

Tensor sparse_coo_tensor(const Tensor& indices, const Tensor& values, const Shape& size) {
  const char* op = "sparse_coo_tensor";
  check<DTypeError>(indices.dtype() == DType::Int64, "{}: indices must be int64, got {}", op, name(indices.dtype()));
  check<DTypeError>(is_floating_point(values.dtype()), "{}: values must be float32 or float64, got {}", op, name(values.dtype()));
  const bool row = indices.dim() == 2 && indices.size(0) == 1;
  check<ShapeError>(indices.dim() == 1 || row, "{}: indices have shape {}, expected (1, rows): only rows can be left out", op,
                    indices.shape());
  Shape expected = size;
  check<ShapeError>(!size.empty(), "{}: a scalar has no rows", op);
  expected[0] = indices.numel();
  check<ShapeError>(values.shape() == expected, "{}: values have shape {}, expected {} for {} rows of {}", op, values.shape(), expected,
                    indices.numel(), size);
  const Tensor at = indices.reshape(-1).clone();
  for (int64_t i = 0; i < at.numel(); ++i) {
    const int64_t index = elements<int64_t>(at)[i];
    check<IndexError>(index >= 0 && index < size[0], "{}: index {} at [{}] is out of range for {} rows", op, index, i, size[0]);
  }
  return row_sparse({at, values.detach(), false}, size);
}

}  // namespace gradus
