#include "gradus/ops/indexing.h"

#include <algorithm>

#include "autograd/op.h"
#include "core/check.h"
#include "core/checked.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "kernels/embedding.h"
#include "ops/index_check.h"
#include "ops/indexing/row_terms.h"

namespace gradus {

namespace {

/// Row i of the result adds to row at[i] of the weight, but for those of padding_idx.
RowTerms lookup_terms(const Tensor& at, std::optional<int64_t> padding_idx, bool by_frequency, DType dtype) {
  RowTerms terms{at.reshape({at.numel()}), {}, {}, at.numel()};
  if (padding_idx) {
    terms.from = nonzero(terms.to.ne(*padding_idx)).reshape({-1});
    terms.to = index_select(terms.to, 0, terms.from);
    terms.n = terms.to.numel();
  }
  if (by_frequency) terms.scale = inverse_frequency(terms.to, dtype);
  return terms;
}

}  // namespace

Tensor embedding(const Tensor& indices, const Tensor& weight, const EmbeddingOptions& options) {
  constexpr Op op("embedding");
  op.takes(indices);
  check_table(op, weight);
  check_index_dtype(op, indices);
  const int64_t rows = weight.size(0), width = weight.size(1);
  const std::optional<int64_t> padding_idx = checked_padding(op, options.padding_idx, rows);
  const Tensor at = indices.contiguous();
  check_indices(op, at, 0, rows, "rows");
  if (options.max_norm) renormalize(op, weight, at, *options.max_norm, options.norm_type);
  const Tensor table = weight.detach().contiguous();
  Shape shape = indices.shape();
  shape.push_back(width);
  Tensor y = op.empty(shape, weight.dtype());
  dispatch(op, weight.dtype(),
           [&]<class T>() { kernels::take_rows(at.numel(), width, elements<int64_t>(at), elements<T>(table), elements<T>(y)); });
  return op.record(y, wrt(weight, [at = Saved(at), rows, width, padding_idx, options](const Tensor& dy) {
                     const RowTerms terms = lookup_terms(*at, padding_idx, options.scale_grad_by_freq, dy.dtype());
                     return table_gradient(dy.reshape({at->numel(), width}), terms, rows, options.sparse);
                   }));
}

Tensor one_hot(const Tensor& indices, int64_t num_classes) {
  constexpr Op op("one_hot");
  op.takes(indices);
  check_index_dtype(op, indices);
  op.check<ValueError>(num_classes >= -1, "{} classes; give how many there are, or -1", num_classes);
  const Tensor at = indices.contiguous();
  if (num_classes == -1) {
    op.check<ValueError>(at.numel() > 0, "without an index, say how many classes there are");
    num_classes = checked_sum(op, at.max().item<int64_t>(), 1);
  }
  check_indices(op, at, 0, std::max<int64_t>(num_classes, 0), "classes");
  Shape shape = indices.shape();
  shape.push_back(num_classes);
  Tensor y = zeros(shape, {.dtype = DType::Int64});
  int64_t* row = elements<int64_t>(y);
  const int64_t* hot = elements<int64_t>(at);
  for (int64_t i = 0, n = at.numel(); i < n; ++i, row += num_classes) row[hot[i]] = 1;
  return y;
}

}  // namespace gradus
