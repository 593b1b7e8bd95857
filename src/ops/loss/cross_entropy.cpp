#include "gradus/ops/loss.h"

#include <algorithm>

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "kernels/cross_entropy.h"
#include "ops/loss/class_targets.h"
#include "ops/loss/pair_loss.h"

namespace gradus {
namespace {

/// N rows of C logits, whatever the shape they came in.
struct Rows {
  Tensor logits;  // (N, C)
  Tensor target;  // (N) class indices, or (N, C) probabilities
  Shape losses;   // the shape of one loss a row, as the caller sees them
};

bool holds_probabilities(const Tensor& logits, const Tensor& target) {
  return target.shape() == logits.shape() && is_floating_point(target.dtype());
}

/// (N, C, d1, …) to (N d1 …, C): classes go last.
Tensor classes_last(const Tensor& x) {
  if (x.dim() == 1) return unsqueeze(x, 0);
  if (x.dim() == 2) return x;
  Dims order{0};
  for (int64_t d = 2; d < x.dim(); ++d) order.push_back(d);
  order.push_back(1);
  return reshape(permute(x, order), {-1, x.size(1)});
}

Rows as_rows(const Tensor& logits, const Tensor& target) {
  constexpr Op op("cross_entropy");
  const Shape& shape = impl_of(op, logits).layout.shape;
  op.takes(target);
  op.check<ShapeError>(!shape.empty(), "logits are a scalar; expected (C), (N, C) or (N, C, d1, …)");
  op.check<DTypeError>(is_floating_point(logits.dtype()), "logits must be float32 or float64, got {}", name(logits.dtype()));
  const int64_t class_dim = shape.size() == 1 ? 0 : 1;
  op.check<ShapeError>(shape[class_dim] > 0, "logits of shape {} have no classes", shape);
  Rows rows{.logits = {}, .target = target, .losses = shape};
  rows.losses.erase(class_dim);
  if (holds_probabilities(logits, target)) {
    rows.target = classes_last(target);
  } else {
    op.check<DTypeError>(target.dtype() == DType::Int64, "target is {}; give int64 class indices, or probabilities of the logits' shape {}",
                         name(target.dtype()), shape);
    op.check<ShapeError>(target.shape() == rows.losses, "target has shape {}, but logits of shape {} need {}", target.shape(), shape,
                         rows.losses);
    rows.target = reshape(target, -1);
  }
  rows.logits = classes_last(logits);
  return rows;
}

void check_options(const CrossEntropyOptions& o, const Tensor& logits) {
  constexpr Op op("cross_entropy");
  op.check<ValueError>(o.label_smoothing >= 0 && o.label_smoothing <= 1, "label_smoothing {} is not in 0 to 1", o.label_smoothing);
  check_class_weight(op, o.weight, logits.size(1), logits.dtype());
}

Tensor reduce(const Tensor& losses, Reduction reduction, const Tensor& denominator) {
  if (reduction == Reduction::None) return losses;
  const Tensor total = sum(losses);
  return reduction == Reduction::Sum ? total : div(total, denominator);
}

/// The loss out of operations that can be differentiated any number of times, for rows of probabilities.
Tensor from_probabilities(const Rows& rows, const CrossEntropyOptions& o) {
  const double e = o.label_smoothing;
  const int64_t classes = rows.logits.size(1);
  Tensor target = rows.target;
  if (e > 0) target = target * (1 - e) + e / static_cast<double>(classes);
  Tensor terms = share_of(target, log_softmax(rows.logits, 1));
  if (o.weight.defined()) terms = share_of(o.weight, terms);
  const Tensor losses = reshape(neg(sum(terms, 1)), rows.losses);
  const int64_t count = std::max<int64_t>(rows.logits.size(0), 1);
  return reduce(losses, o.reduction, full({}, count, {.dtype = losses.dtype()}));
}

/// What the fused form keeps for backward, all by row: how much each row's own class and all its classes together weigh in the loss.
struct Tape {
  Saved logits, target;
  Tensor weight;  // (C) or undefined
  double smoothing;
  int64_t ignore_index;
  Reduction reduction;
  double denominator;
  Tensor lse = {};  // (N, 2): each row's LogSumExp
};

template <class T>
kernels::LogSumExp<T>* lse_of(const Tape& tape) {
  return reinterpret_cast<kernels::LogSumExp<T>*>(elements<T>(tape.lse));
}

template <class T>
kernels::ClassLoss<T> class_loss(const Tape& tape, double weight_sum) {
  return {tape.logits->size(1), tape.weight.defined() ? elements<T>(tape.weight) : nullptr, static_cast<T>(weight_sum),
          static_cast<T>(tape.smoothing)};
}

/// The losses of rows, and the log-sum-exp of each for backward.
template <class T>
void forward_rows(const Tape& tape, const Tensor& losses, double weight_sum, kernels::LogSumExp<T>* lse) {
  const auto all = class_loss<T>(tape, weight_sum);
  const T* x = elements<T>(*tape.logits);
  const int64_t* target = elements<int64_t>(*tape.target);
  T* out = elements<T>(losses);
  kernels::for_each_row<T>(tape.logits->size(0), all.C, [=, ignored = tape.ignore_index](int64_t i) {
    const bool counts = target[i] != ignored;
    if (counts) lse[i] = kernels::log_sum_exp(all.C, x + i * all.C);
    out[i] = counts ? kernels::row_loss(all, x + i * all.C, target[i], lse[i]) : 0;
  });
}

template <class T>
void backward_rows(const Tape& tape, const T* dy, double weight_sum, const kernels::LogSumExp<T>* lse, T* dx) {
  const auto all = class_loss<T>(tape, weight_sum);
  const T* x = elements<T>(*tape.logits);
  const int64_t* target = elements<int64_t>(*tape.target);
  const T divisor = tape.reduction == Reduction::Mean ? static_cast<T>(tape.denominator) : T(1);
  const bool per_row = tape.reduction == Reduction::None;
  kernels::for_each_row<T>(tape.logits->size(0), all.C, [=, ignored = tape.ignore_index](int64_t i) {
    T* d = dx + i * all.C;
    if (target[i] == ignored) std::fill_n(d, all.C, T(0));
    else kernels::row_gradient(all, 0, all.C, x + i * all.C, target[i], lse[i], (per_row ? dy[i] : dy[0]) / divisor, d);
  });
}

/// The loss's gradient out of public operations, for a recorded backward pass.
Tensor composed_gradient(const Tape& tape, const Tensor& dy) {
  const Tensor& logits = *tape.logits;
  const int64_t C = logits.size(1);
  const double e = tape.smoothing;
  Tensor goal;  // (N, C): how much each class of each row should weigh
  {
    NoGradGuard no_grad;
    const Tensor ignored = eq(*tape.target, tape.ignore_index);
    goal = one_hot(masked_fill(*tape.target, ignored, 0), C).to(logits.dtype()) * (1 - e) + e / static_cast<double>(C);
    if (tape.weight.defined()) goal = goal * tape.weight;
    goal = masked_fill(goal, unsqueeze(ignored, 1), 0);
  }
  const Tensor dx = share_of(sum(goal, 1, true), softmax(logits, 1)) - goal;
  if (tape.reduction == Reduction::None) return share_of(reshape(dy, {-1, 1}), dx);
  return dx * (tape.reduction == Reduction::Mean ? dy / tape.denominator : dy);
}

double sum_of(const Tensor& weight, int64_t classes) {
  return weight.defined() ? sum(weight.to(DType::Float64)).item() : static_cast<double>(classes);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  constexpr Op op("cross_entropy", "nll_loss");
  const Rows rows = as_rows(logits, target);
  check_options(options, rows.logits);
  if (holds_probabilities(logits, target)) {
    op.check<ValueError>(options.ignore_index < 0, "ignore_index {} is for class indices, but the target holds probabilities",
                         options.ignore_index);
    return from_probabilities(rows, options);
  }

  const Tensor x = rows.logits.contiguous(), labels = rows.target.contiguous();
  check_targets(op, labels, x.size(1), options.ignore_index, rows.losses);
  Tape tape{Saved(x),
            Saved(labels),
            options.weight.defined() ? options.weight.detach().contiguous() : Tensor(),
            options.label_smoothing,
            options.ignore_index,
            options.reduction,
            1};
  tape.denominator = weight_of_targets(labels, tape.weight, options.ignore_index);
  const double weight_sum = sum_of(tape.weight, x.size(1));
  Tensor loss;
  {
    NoGradGuard no_grad;
    Tensor losses = op.empty(x.size(0), x.dtype());
    tape.lse = op.empty({x.size(0), 2}, x.dtype());
    dispatch_floating(op, x.dtype(), [&]<class T>() { forward_rows(tape, losses, weight_sum, lse_of<T>(tape)); });
    loss = reduce(reshape(losses, rows.losses), options.reduction, full({}, tape.denominator, {.dtype = x.dtype()}));
  }
  return op.record(loss.detach(), wrt(x, [op, tape, weight_sum](const Tensor& dy) -> Tensor {
                     if (recording_backward()) return composed_gradient(tape, dy);
                     Tensor dx = op.empty(tape.logits->shape(), tape.logits->dtype());
                     const Tensor d = dy.contiguous();
                     dispatch_floating(op, dx.dtype(), [&]<class T>() {
                       backward_rows<T>(tape, elements<T>(d), weight_sum, lse_of<T>(tape), elements<T>(dx));
                     });
                     return dx;
                   }));
}

}  // namespace gradus
