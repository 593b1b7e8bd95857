#include "gradus/ops/loss.h"

#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"
#include "ops/loss/pair_loss.h"

/// Losses made of distances between vectors.
namespace gradus {

Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, const MarginLossOptions& options) {
  constexpr Op op("cosine_embedding_loss");
  const Shape &a = impl_of(op, input1).layout.shape, &b = impl_of(op, input2).layout.shape, &t = impl_of(op, target).layout.shape;
  op.check<ShapeError>(t.size() <= 1 && a.size() == t.size() + 1 && b.size() == t.size() + 1,
                       "inputs have shapes {} and {} and target {}; expected (N, F), (N, F) and (N), or (F), (F) and a scalar", a, b, t);
  const Dims features = t.size();
  constexpr double tiny = 1e-12;
  const Tensor size = sqrt(mul(add(sum(mul(input1, input1), features), tiny), add(sum(mul(input2, input2), features), tiny)));
  const Tensor cosine = div(sum(mul(input1, input2), features), size);
  const Tensor alike = where(eq(target, 1), sub(1, cosine), 0.0);
  const Tensor unlike = where(eq(target, -1), clamp(sub(cosine, options.margin), 0), 0.0);
  return reduced_loss(add(alike, unlike), options.reduction);
}

Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const TripletMarginWithDistanceLossOptions& options) {
  const Distance distance =
      options.distance_function ? options.distance_function : [](const Tensor& x, const Tensor& y) { return pairwise_distance(x, y); };
  const Tensor near = distance(anchor, positive);
  Tensor far = distance(anchor, negative);
  if (options.swap) far = minimum(far, distance(positive, negative));
  return reduced_loss(clamp(add(sub(near, far), options.margin), 0), options.reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, const TripletMarginLossOptions& options) {
  constexpr Op op("triplet_margin_loss");
  const Shape &a = impl_of(op, anchor).layout.shape, &p = impl_of(op, positive).layout.shape, &n = impl_of(op, negative).layout.shape;
  op.check<ShapeError>(a.size() == p.size() && a.size() == n.size(),
                       "anchor has shape {}, positive {} and negative {}; they must have as many dimensions", a, p, n);
  return triplet_margin_with_distance_loss(
      anchor, positive, negative,
      {.distance_function = [&](const Tensor& x, const Tensor& y) { return pairwise_distance(x, y, options.p, options.eps); },
       .margin = options.margin,
       .swap = options.swap,
       .reduction = options.reduction});
}

}  // namespace gradus
