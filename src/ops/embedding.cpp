#include <algorithm>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/layout.h"
#include "gradus/ops.h"
#include "kernels/embedding.h"
#include "ops/index_check.h"

namespace gradus {

namespace {

/// The adjoint of the lookup: dy (..., E) added into the rows of zeros (V, E), those of padding_idx left out.
Tensor embedding_gradient(const Tensor& dy, const Tensor& indices, int64_t rows, std::optional<int64_t> padding_idx) {
  const int64_t width = dy.size(-1);
  Tensor dw = zeros({rows, width}, {.dtype = dy.dtype()});
  const Tensor dense = dy.detach().contiguous();
  dispatch_floating("embedding", dy.dtype(), [&]<class T>() {
    kernels::add_rows<T>(indices.numel(), width, indices.data<int64_t>(), dense.data<T>(), 1, dw.data<T>(), padding_idx.value_or(-1));
  });
  return record("embedding_gradient", dw, wrt(dy, [indices = Saved(indices), padding_idx](const Tensor& d) {
                  const Tensor picked = embedding(*indices, d);
                  return padding_idx ? masked_fill(picked, unsqueeze(eq(*indices, *padding_idx), -1), 0) : picked;
                }));
}

}  // namespace

Tensor embedding(const Tensor& indices, const Tensor& weight, std::optional<int64_t> padding_idx) {
  impl_of("embedding", indices);
  check<ShapeError>(impl_of("embedding", weight).layout.rank() == 2, "embedding: weight has shape {}, expected (rows, features)",
                    weight.shape());
  check_index_dtype("embedding", indices);
  const int64_t rows = weight.size(0), width = weight.size(1);
  if (padding_idx) {
    check<IndexError>(*padding_idx >= -rows && *padding_idx < rows, "embedding: padding_idx {} is out of range for {} rows", *padding_idx,
                      rows);
    if (*padding_idx < 0) *padding_idx += rows;
  }
  const Tensor at = indices.contiguous();
  check_indices("embedding", at, 0, rows, "rows");
  const Tensor table = weight.detach().contiguous();
  Shape shape = indices.shape();
  shape.push_back(width);
  Tensor y = new_tensor("embedding", shape, weight.dtype());
  dispatch("embedding", weight.dtype(),
           [&]<class T>() { kernels::take_rows(at.numel(), width, at.data<int64_t>(), table.data<T>(), y.data<T>()); });
  return record("embedding", y, wrt(weight, [at = Saved(at), rows, padding_idx](const Tensor& dy) {
                  return embedding_gradient(dy, *at, rows, padding_idx);
                }));
}

Tensor one_hot(const Tensor& indices, int64_t num_classes) {
  impl_of("one_hot", indices);
  check_index_dtype("one_hot", indices);
  check<ValueError>(num_classes >= -1, "one_hot: {} classes; give how many there are, or -1", num_classes);
  const Tensor at = indices.contiguous();
  if (num_classes == -1) {
    check<ValueError>(at.numel() > 0, "one_hot: without an index, say how many classes there are");
    num_classes = max(at).item<int64_t>() + 1;
  }
  check_indices("one_hot", at, 0, std::max<int64_t>(num_classes, 0), "classes");
  Shape shape = indices.shape();
  shape.push_back(num_classes);
  Tensor y = zeros(shape, {.dtype = DType::Int64});
  int64_t* row = y.data<int64_t>();
  const int64_t* hot = at.data<int64_t>();
  for (int64_t i = 0, n = at.numel(); i < n; ++i, row += num_classes) row[hot[i]] = 1;
  return y;
}

}  // namespace gradus
