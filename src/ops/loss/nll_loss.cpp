#include "gradus/ops/loss.h"

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "ops/loss/class_targets.h"
#include "ops/loss/pair_loss.h"

namespace gradus {
namespace {

/// The shape that targets must have: that of the input without its classes.
Shape shape_of_targets(const Tensor& x, int64_t class_dim) {
  Shape shape = x.shape();
  shape.erase(class_dim);
  return shape;
}

/// What each target's log-probability is multiplied by, in the targets' shape.
struct Factors {
  Tensor index;   // the class, 0 where the target is ignored
  Tensor factor;  // -weight, 0 where it is ignored
};

template <class T>
Factors factors_of(const Tensor& target, const NLLLossOptions& o) {
  const Tensor weight = o.weight.defined() ? o.weight.detach().contiguous() : Tensor();
  Factors f{empty(target.shape(), {.dtype = DType::Int64}), empty(target.shape(), {.dtype = dtype_of<T>})};
  const T* w = weight.defined() ? elements<T>(weight) : nullptr;
  const int64_t* t = elements<int64_t>(target);
  int64_t* index = elements<int64_t>(f.index);
  T* factor = elements<T>(f.factor);
  for (int64_t i = 0; i < target.numel(); ++i) {
    const bool ignored = t[i] == o.ignore_index;
    index[i] = ignored ? 0 : t[i];
    factor[i] = ignored ? T(0) : w ? -w[t[i]] : T(-1);
  }
  return f;
}

}  // namespace

Tensor nll_loss(const Tensor& x, const Tensor& target, const NLLLossOptions& options) {
  constexpr Op op("nll_loss");
  const Shape& shape = impl_of(op, x).layout.shape;
  op.takes(target);
  op.check<ShapeError>(!shape.empty(), "the input is a scalar; expected log-probabilities (C), (N, C) or (N, C, d1, …)");
  op.check<DTypeError>(is_floating_point(x.dtype()), "the input must be float32 or float64, got {}", name(x.dtype()));
  op.check<DTypeError>(target.dtype() == DType::Int64, "target is {}; give int64 class indices", name(target.dtype()));
  const int64_t class_dim = shape.size() == 1 ? 0 : 1, classes = shape[class_dim];
  const Shape expected = shape_of_targets(x, class_dim);
  op.check<ShapeError>(target.shape() == expected, "target has shape {}, but input of shape {} needs {}", target.shape(), shape, expected);
  check_class_weight(op, options.weight, classes, x.dtype());
  const Tensor labels = target.contiguous();
  check_targets(op, labels, classes, options.ignore_index, expected);
  if (classes == 0) return options.reduction == Reduction::None ? zeros(expected, {.dtype = x.dtype()}) : sum(x);

  const Factors f = dispatch_floating(op, x.dtype(), [&]<class T>() { return factors_of<T>(labels, options); });
  const Tensor chosen = gather(x, class_dim, f.index.unsqueeze(class_dim)).squeeze(class_dim);
  const Tensor losses = share_of(f.factor, chosen);
  if (options.reduction == Reduction::None) return losses;
  const Tensor total = sum(losses);
  return options.reduction == Reduction::Sum ? total : total / weight_of_targets(labels, options.weight, options.ignore_index);
}

}  // namespace gradus
