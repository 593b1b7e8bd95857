#include "gradus/ops/indexing.h"

#include <vector>

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "kernels/embedding.h"
#include "ops/index_check.h"
#include "ops/indexing/row_terms.h"

namespace gradus {

namespace {

/// N indices in B bags, those of padding_idx left out. M are left.
struct Bags {
  std::vector<int64_t> starts;  // (B + 1): bag b has the entries starts[b] to starts[b + 1] - 1 of what follows
  Tensor index;                 // (M): rows of the weight
  Tensor bag;                   // (M): which bag each is in
  Tensor place;                 // (M): where it stood among the N
  int64_t count() const { return static_cast<int64_t>(starts.size()) - 1; }
};

/// Where the bags of indices (B, L) or (N) begin, and where the last one ends.
std::vector<int64_t> bag_starts(const Tensor& indices, const Tensor& offsets, bool include_last_offset) {
  constexpr Op op("embedding_bag");
  op.check<ShapeError>(indices.dim() == 1 || indices.dim() == 2, "indices have shape {}, expected (bags, length), or (number) with offsets",
                       indices.shape());
  std::vector<int64_t> starts;
  if (indices.dim() == 2) {
    op.check<ValueError>(!offsets.defined() && !include_last_offset,
                         "indices of shape {} are bags as they are; leave out offsets and include_last_offset", indices.shape());
    for (int64_t b = 0; b <= indices.size(0); ++b) starts.push_back(b * indices.size(1));
    return starts;
  }
  op.check<ValueError>(offsets.defined(), "indices of shape {} need offsets, where each bag begins; or give them as (bags, length)",
                       indices.shape());
  op.check<ShapeError>(offsets.dim() == 1, "offsets have shape {}, expected (bags)", offsets.shape());
  check_index_dtype(op, offsets);
  starts = offsets.to_vector<int64_t>();
  if (!include_last_offset) starts.push_back(indices.numel());
  op.check<ValueError>(!starts.empty(), "with include_last_offset there is at least one offset, the end of the last bag");
  op.check<ValueError>(starts[0] == 0, "the first bag begins at {}; it must begin at 0", starts[0]);
  for (size_t b = 1; b < starts.size(); ++b)
    op.check<ValueError>(starts[b - 1] <= starts[b] && starts[b] <= indices.numel(),
                         "bag {} reaches from {} to {}; offsets must ascend, up to the number of indices, {}", b - 1, starts[b - 1],
                         starts[b], indices.numel());
  return starts;
}

Bags make_bags(const Tensor& indices, std::vector<int64_t> starts, std::optional<int64_t> padding_idx) {
  const int64_t* at = elements<int64_t>(indices);
  std::vector<int64_t> index, bag, place;
  Bags bags;
  for (size_t b = 0; b + 1 < starts.size(); ++b) {
    bags.starts.push_back(static_cast<int64_t>(index.size()));
    for (int64_t i = starts[b]; i < starts[b + 1]; ++i) {
      if (at[i] == padding_idx) continue;
      index.push_back(at[i]);
      bag.push_back(static_cast<int64_t>(b));
      place.push_back(i);
    }
  }
  bags.starts.push_back(static_cast<int64_t>(index.size()));
  const Shape shape(static_cast<int64_t>(index.size()));
  bags.index = from_vector(index, shape);
  bags.bag = from_vector(bag, shape);
  bags.place = from_vector(place, shape);
  return bags;
}

/// The largest of each bag, element by element.
Tensor largest(const Tensor& weight, const Bags& bags) {
  constexpr Op op("embedding_bag");
  const int64_t rows = weight.size(0), width = weight.size(1);
  Tensor y = op.empty({bags.count(), width}, weight.dtype());
  const Tensor winner = empty({bags.count(), width}, {.dtype = DType::Int64}), table = weight.detach().contiguous();
  dispatch_floating(op, weight.dtype(), [&]<class T>() {
    kernels::max_rows(bags.count(), width, bags.starts.data(), elements<int64_t>(bags.index), elements<T>(table), elements<T>(y),
                      elements<int64_t>(winner));
  });
  return op.record(y, wrt(weight, [winner, rows, width](const Tensor& dy) {
                     const Tensor kept = dy.masked_fill(winner.lt(0), 0);
                     return scatter_add(zeros({rows, width}, {.dtype = dy.dtype()}), 0, winner.clamp(0), kept);
                   }));
}

/// 1 / number of entries for each entry's bag, as factors of the rows of a mean.
Tensor shares(const Bags& bags, DType dtype) {
  std::vector<double> share;
  for (int64_t b = 0; b < bags.count(); ++b) {
    const int64_t size = bags.starts[static_cast<size_t>(b) + 1] - bags.starts[static_cast<size_t>(b)];
    share.insert(share.end(), static_cast<size_t>(size), 1 / static_cast<double>(size));
  }
  return from_vector(share, bags.index.shape(), {.dtype = dtype});
}

/// The mean as sum / size, which is nearer to the truth than a sum of shares.
Tensor divided_by_size(const Tensor& sums, const Bags& bags) {
  std::vector<double> sizes;
  for (size_t b = 1; b < bags.starts.size(); ++b)
    sizes.push_back(static_cast<double>(std::max<int64_t>(bags.starts[b] - bags.starts[b - 1], 1)));
  return sums / from_vector(sizes, {bags.count(), 1}, {.dtype = sums.dtype()});
}

/// The gradients of weighted sums: y[bag[i]] += w[i] weight[index[i]], w per_sample_weights at the entries' places.
struct Weighted {
  Bags bags;
  Saved weight, samples;
  bool by_frequency, sparse;

  Tensor of_weight(const Tensor& dy) const {
    const Tensor w = index_select(samples->reshape({-1}), 0, bags.place);
    const Tensor scale = by_frequency ? w * inverse_frequency(bags.index, dy.dtype()) : w;
    const int64_t rows = weight->size(0), n = bags.index.numel();
    if (!recording_backward()) return table_gradient(dy, {bags.index, bags.bag, scale, n}, rows, sparse);
    return sum_of_rows(index_select(dy, 0, bags.bag) * scale.unsqueeze(1), {bags.index, {}, {}, n}, rows);
  }

  Tensor of_samples(const Tensor& dy) const {
    const Tensor products = index_select(dy, 0, bags.bag) * index_select(*weight, 0, bags.index);
    return index_add(zeros({samples->numel()}, {.dtype = dy.dtype()}), 0, bags.place, products.sum({1})).reshape(samples->shape());
  }
};

Tensor weighted_sum(const Tensor& weight, const Tensor& samples, const Bags& bags, const EmbeddingBagOptions& options) {
  constexpr Op op("embedding_bag");
  Tensor y;
  {
    NoGradGuard no_grad;
    const Tensor scale = index_select(samples.reshape({-1}), 0, bags.place);
    y = sum_of_rows(weight, {bags.bag, bags.index, scale, bags.index.numel()}, bags.count());
  }
  const Weighted gradient{bags, Saved(weight), Saved(samples), options.scale_grad_by_freq, options.sparse};
  return op.record(y, wrt(weight, [gradient](const Tensor& dy) { return gradient.of_weight(dy); }),
                   wrt(samples, [gradient](const Tensor& dy) { return gradient.of_samples(dy); }));
}

Tensor sum_or_mean(const Tensor& weight, const Bags& bags, const EmbeddingBagOptions& options) {
  constexpr Op op("embedding_bag");
  const bool mean = options.mode == BagMode::Mean;
  Tensor y;
  {
    NoGradGuard no_grad;
    y = sum_of_rows(weight, {bags.bag, bags.index, {}, bags.index.numel()}, bags.count());
    if (mean) y = divided_by_size(y, bags);
  }
  return op.record(y, wrt(weight, [bags, mean, rows = weight.size(0), options](const Tensor& dy) {
                     Tensor scale;
                     if (mean) scale = shares(bags, dy.dtype());
                     if (options.scale_grad_by_freq) {
                       const Tensor frequency = inverse_frequency(bags.index, dy.dtype());
                       scale = mean ? scale * frequency : frequency;
                     }
                     return table_gradient(dy, {bags.index, bags.bag, scale, bags.index.numel()}, rows, options.sparse);
                   }));
}

void check_samples(const Tensor& samples, const Tensor& indices, const Tensor& weight, BagMode mode) {
  constexpr Op op("embedding_bag");
  op.check<ValueError>(mode == BagMode::Sum, "per_sample_weights are factors of a sum; give mode BagMode::Sum");
  op.check<ShapeError>(samples.shape() == indices.shape(), "per_sample_weights have shape {}, the indices {}; they must be equal",
                       samples.shape(), indices.shape());
  op.check<DTypeError>(samples.dtype() == weight.dtype(), "per_sample_weights are {}, the weight {}; they must be equal",
                       name(samples.dtype()), name(weight.dtype()));
}

}  // namespace

Tensor embedding_bag(const Tensor& indices, const Tensor& weight, const Tensor& offsets, const EmbeddingBagOptions& options,
                     const Tensor& per_sample_weights) {
  constexpr Op op("embedding_bag");
  op.takes(indices);
  check_table(op, weight);
  op.check<DTypeError>(is_floating_point(weight.dtype()), "the weight is {}; it must be float32 or float64", name(weight.dtype()));
  check_index_dtype(op, indices);
  op.check<ValueError>(options.mode != BagMode::Max || (!options.scale_grad_by_freq && !options.sparse),
                       "scale_grad_by_freq and sparse do not go with BagMode::Max");
  const std::optional<int64_t> padding_idx = checked_padding(op, options.padding_idx, weight.size(0));
  if (per_sample_weights.defined()) check_samples(per_sample_weights, indices, weight, options.mode);
  const Tensor at = indices.contiguous();
  check_indices(op, at, 0, weight.size(0), "rows");
  std::vector<int64_t> starts = bag_starts(indices, offsets, options.include_last_offset);
  if (options.max_norm) renormalize(op, weight, at, *options.max_norm, options.norm_type);
  const Bags bags = make_bags(at, std::move(starts), padding_idx);
  if (options.mode == BagMode::Max) return largest(weight, bags);
  if (per_sample_weights.defined()) return weighted_sum(weight, per_sample_weights, bags, options);
  return sum_or_mean(weight, bags, options);
}

}  // namespace gradus
