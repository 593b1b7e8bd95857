#include "ops/indexing/row_terms.h"

#include <algorithm>
#include <unordered_map>

#include "autograd/in_place.h"
#include "autograd/row_sparse.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "kernels/embedding.h"

namespace gradus {

Tensor sum_of_rows(const Tensor& x, const RowTerms& terms, int64_t rows) {
  constexpr Op op("embedding", "sum_of_rows");
  Tensor y = op.empty({rows, x.size(1)}, x.dtype());
  const Tensor dense = x.detach().contiguous();
  const auto indices = [](const Tensor& t) { return t.defined() ? elements<int64_t>(t) : nullptr; };
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    const T* scale = terms.scale.defined() ? elements<T>(terms.scale) : nullptr;
    kernels::sum_rows<T>({terms.n, indices(terms.to), indices(terms.from), scale}, elements<T>(dense), rows, x.size(1), elements<T>(y));
  });
  return op.record(y, wrt(x, [terms, count = x.size(0)](const Tensor& dy) { return sum_of_rows(dy, terms.reversed(), count); }));
}

Tensor table_gradient(const Tensor& dy, const RowTerms& terms, int64_t rows, bool sparse) {
  // Scaled rows are left alone: a dense sum of many has its products in double.
  const bool is_small = are_rows_welcome() && !terms.scale.defined() && 4 * terms.n <= rows;
  if ((!sparse && !is_small) || recording_backward()) return sum_of_rows(dy, terms, rows);
  const Tensor values = terms.from.defined() ? index_select(dy, 0, terms.from) : dy.clone();
  if (terms.scale.defined()) values.mul_(terms.scale.unsqueeze(1));
  // Copies, as the caller may go on to use the memory of dy and of the indices.
  return row_sparse({terms.to.clone(), values, false}, {rows, dy.size(1)});
}

Tensor inverse_frequency(const Tensor& indices, DType dtype) {
  constexpr Op op("embedding");
  const int64_t *index = elements<int64_t>(indices), n = indices.numel();
  std::unordered_map<int64_t, int64_t> count;
  for (int64_t i = 0; i < n; ++i) ++count[index[i]];
  Tensor share = op.empty(Shape(n), dtype);
  dispatch_floating(op, dtype, [&]<class T>() {
    T* to = elements<T>(share);
    for (int64_t i = 0; i < n; ++i) to[i] = T(1) / static_cast<T>(count[index[i]]);
  });
  return share;
}

void check_table(Op op, const Tensor& weight) {
  op.check<ShapeError>(impl_of(op, weight).layout.rank() == 2, "weight has shape {}, expected (rows, features)", weight.shape());
}

std::optional<int64_t> checked_padding(Op op, std::optional<int64_t> padding_idx, int64_t rows) {
  if (!padding_idx) return padding_idx;
  op.check<IndexError>(*padding_idx >= -rows && *padding_idx < rows, "padding_idx {} is out of range for {} rows", *padding_idx, rows);
  return *padding_idx < 0 ? *padding_idx + rows : *padding_idx;
}

void renormalize(Op op, const Tensor& weight, const Tensor& indices, double max_norm, double p) {
  op.check<ValueError>(max_norm >= 0, "max_norm is {}, but must not be negative", max_norm);
  NoGradGuard no_grad;
  in_place_needs_history(op, weight, false);
  std::vector<int64_t> seen = indices.to_vector<int64_t>();
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  const Tensor rows = index_select(weight.detach(), 0, from_vector(seen, Shape(static_cast<int64_t>(seen.size()))));
  const std::vector<double> norms = norm(rows, p, {1}).to_vector<double>();
  const int64_t width = weight.size(1), step = weight.stride(1);
  dispatch_floating(op, weight.dtype(), [&]<class T>() {
    for (size_t i = 0; i < seen.size(); ++i) {
      if (!(norms[i] > max_norm)) continue;
      T* row = elements<T>(weight) + seen[i] * weight.stride(0);
      const T factor = static_cast<T>(max_norm / (norms[i] + 1e-7));
      for (int64_t j = 0; j < width; ++j) row[j * step] *= factor;
    }
  });
  weight.impl()->storage->bump_version();
}

}  // namespace gradus
