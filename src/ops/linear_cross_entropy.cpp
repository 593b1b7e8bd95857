#include <algorithm>
#include <array>

#include "autograd/record.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/scratch.h"
#include "gradus/autograd.h"
#include "gradus/ops.h"
#include "kernels/blas.h"
#include "kernels/cross_entropy.h"
#include "kernels/reduce.h"
#include "ops/class_targets.h"

// N rows, I inputs, V classes (a vocabulary).

namespace gradus {
namespace {

constexpr const char* op = "linear_cross_entropy";

/// Logits of this many bytes are there at a time. Below that the weights are packed too often for the rows that meet them: with V = 50 000
/// and I = 64, forward and backward of 640 rows take a third longer at 1 MiB. Beyond it nothing is gained.
constexpr int64_t chunk_bytes = 8 << 20;
constexpr int64_t fewest_rows = 16;  // of a chunk, whatever the vocabulary, so that the products are products of matrices

/// The inputs as dense matrices, and what the loss counts.
struct Problem {
  Tensor x;             // (N, I)
  Tensor weight, bias;  // (V, I), and (V) or undefined
  Tensor target;        // (N)
  Tensor class_weight;  // (V) or undefined
  double class_weight_sum;
  double denominator;  // of the loss: 1 but for Mean
  CrossEntropyOptions options;

  int64_t rows() const { return x.size(0); }
};

/// Where gradients go; undefined where none is wanted.
struct Gradients {
  Tensor x, weight, bias;
  bool wanted() const { return x.defined() || weight.defined() || bias.defined(); }
};

void check_inputs(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& target, const CrossEntropyOptions& o) {
  const Shape& in = impl_of(op, input).layout.shape;
  check<DTypeError>(is_floating_point(input.dtype()), "{}: the input must be float32 or float64, got {}", op, name(input.dtype()));
  check<ShapeError>(impl_of(op, weight).layout.rank() == 2 && weight.size(0) > 0 && weight.size(1) > 0,
                    "{}: weight has shape {}, expected (classes, inputs), both positive", op, weight.shape());
  check<ShapeError>(!in.empty() && in.back() == weight.size(1),
                    "{}: the input has shape {}, but weight {} takes {} features in the last dimension", op, in, weight.shape(),
                    weight.size(1));
  check<DTypeError>(weight.dtype() == input.dtype(), "{}: the input is {} and weight {}; convert one with .to()", op, name(input.dtype()),
                    name(weight.dtype()));
  if (bias.defined()) {
    check<ShapeError>(bias.shape() == Shape(weight.size(0)), "{}: bias has shape {}, expected [{}]", op, bias.shape(), weight.size(0));
    check<DTypeError>(bias.dtype() == input.dtype(), "{}: the input is {} and bias {}; they must agree", op, name(input.dtype()),
                      name(bias.dtype()));
  }
  Shape losses = in;
  losses.erase(losses.size() - 1);
  check<DTypeError>(impl_of(op, target).dtype == DType::Int64, "{}: target is {}; give int64 class indices", op, name(target.dtype()));
  check<ShapeError>(target.shape() == losses, "{}: target has shape {}, but an input of shape {} needs {}", op, target.shape(), in, losses);
  check<ValueError>(o.label_smoothing >= 0 && o.label_smoothing <= 1, "{}: label_smoothing {} is not in 0 to 1", op, o.label_smoothing);
  check_class_weight(op, o.weight, weight.size(0), input.dtype());
}

Problem problem_of(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& target, const CrossEntropyOptions& o) {
  NoGradGuard no_grad;
  const auto dense = [](const Tensor& x) { return x.defined() ? x.detach().contiguous() : x; };
  Problem p{.x = dense(input).view({target.numel(), input.size(-1)}),
            .weight = dense(weight),
            .bias = dense(bias),
            .target = dense(target).view({target.numel()}),
            .class_weight = dense(o.weight),
            .class_weight_sum = static_cast<double>(weight.size(0)),
            .denominator = 1,
            .options = o};
  check_targets(op, p.target, weight.size(0), o.ignore_index, target.shape());
  if (o.weight.defined()) p.class_weight_sum = sum(o.weight, {}, false, DType::Float64).item();
  if (o.reduction == Reduction::Mean) p.denominator = weight_of_targets(p.target, p.class_weight, o.ignore_index);
  return p;
}

/// logits (rows, V) = x W^T + b
template <class T>
void linear_rows(const Problem& p, int64_t first, int64_t rows, T* logits) {
  const int64_t V = p.weight.size(0), I = p.weight.size(1);
  if (p.bias.defined()) kernels::for_each_row(rows, V, [=, b = p.bias.data<T>()](int64_t r) { std::copy_n(b, V, logits + r * V); });
  kernels::gemm<T>(kernels::Trans::No, kernels::Trans::Yes, rows, V, I, 1, p.x.data<T>() + first * I, I, p.weight.data<T>(), I,
                   p.bias.defined() ? T(1) : T(0), logits, V);
}

/// The losses of a chunk of rows; where there is a dy, (N) or one number, the logits become their gradients.
template <class T>
void loss_rows(const Problem& p, int64_t first, int64_t rows, const T* dy, T* logits, T* losses) {
  const kernels::ClassLoss<T> all{p.weight.size(0), p.class_weight.defined() ? p.class_weight.data<T>() : nullptr,
                                  static_cast<T>(p.class_weight_sum), static_cast<T>(p.options.label_smoothing)};
  const int64_t* target = p.target.data<int64_t>() + first;
  const bool per_row = p.options.reduction == Reduction::None;
  const T divisor = static_cast<T>(p.denominator);
  kernels::for_each_row(rows, all.C, [=, ignored = p.options.ignore_index](int64_t r) {
    T* row = logits + r * all.C;
    if (target[r] == ignored) {
      losses[first + r] = 0;
      if (dy) std::fill_n(row, all.C, T(0));
      return;
    }
    const auto lse = kernels::log_sum_exp(all.C, row);
    losses[first + r] = kernels::row_loss(all, row, target[r], lse);
    if (dy) kernels::row_gradient(all, row, target[r], lse, (per_row ? dy[first + r] : dy[0]) / divisor, row);
  });
}

/// dx = D W, dW += D^T x, db += the sum of D's rows, for a chunk's gradients D (rows, V) of the logits.
template <class T>
void pull_rows(const Problem& p, int64_t first, int64_t rows, const T* d, const Gradients& to, double* db) {
  using kernels::Trans;
  const int64_t V = p.weight.size(0), I = p.weight.size(1);
  if (to.x.defined()) kernels::gemm<T>(Trans::No, Trans::No, rows, I, V, 1, d, V, p.weight.data<T>(), I, 0, to.x.data<T>() + first * I, I);
  if (to.weight.defined())
    kernels::gemm<T>(Trans::Yes, Trans::No, V, I, rows, 1, d, V, p.x.data<T>() + first * I, I, first == 0 ? T(0) : T(1),
                     to.weight.data<T>(), I);
  if (!to.bias.defined()) return;
  Scratch<double> part(V);
  kernels::sum(1, rows, V, d, part.data(), [](T v) { return v; });
  for (int64_t v = 0; v < V; ++v) db[v] = (first == 0 ? 0 : db[v]) + part.data()[v];
}

/// The losses (N), and, where gradients are wanted, those of sum(losses dy), with dy (N) or one number.
template <class T>
void run(const Problem& p, const T* dy, T* losses, const Gradients& to) {
  const int64_t N = p.rows(), V = p.weight.size(0);
  const int64_t most = std::max<int64_t>(chunk_bytes / static_cast<int64_t>(sizeof(T)) / V / fewest_rows, 1) * fewest_rows;
  Scratch<T> logits(std::min(N, most) * V);
  Scratch<double> db(to.bias.defined() ? V : 0);
  for (int64_t first = 0; first < N; first += most) {
    const int64_t rows = std::min(most, N - first);
    linear_rows(p, first, rows, logits.data());
    loss_rows(p, first, rows, to.wanted() ? dy : nullptr, logits.data(), losses);
    if (to.wanted()) pull_rows(p, first, rows, logits.data(), to, db.data());
  }
  if (to.bias.defined() && N > 0) std::transform(db.data(), db.data() + V, to.bias.data<T>(), [](double v) { return static_cast<T>(v); });
}

/// Runs it, and gives the losses (N).
Tensor run(const Problem& p, const Tensor& dy, const Gradients& to) {
  Tensor losses = new_tensor(op, p.rows(), p.x.dtype());
  dispatch_floating(op, p.x.dtype(), [&]<class T>() { run(p, dy.defined() ? dy.data<T>() : nullptr, losses.data<T>(), to); });
  return losses;
}

/// Room for the gradients of the inputs that need one.
Gradients room_for(const Problem& p, const std::array<bool, 3>& needed) {
  const auto room = [&](bool need, const Tensor& like) {
    if (!need) return Tensor();
    return p.rows() == 0 ? zeros_like(like) : new_tensor(op, like.shape(), like.dtype());
  };
  return {room(needed[0], p.x), room(needed[1], p.weight), room(needed[2], p.bias)};
}

/// What the pullback keeps.
struct Tape {
  std::array<Saved, 3> inputs;  // input, weight, bias
  Saved target;
  std::array<bool, 3> needed;
  CrossEntropyOptions options;
  Gradients ready;  // of the loss itself, where forward made them
};

/// Gradients by way of the whole logits, themselves recorded.
void pull_recorded(const Tape& tape, const Tensor& dy, std::span<Tensor> dx) {
  const Tensor &input = *tape.inputs[0], &weight = *tape.inputs[1], &bias = *tape.inputs[2], &target = *tape.target;
  const Tensor x = reshape(input, {target.numel(), weight.size(1)}), logits = linear(x, weight, bias);
  const Tensor loss = cross_entropy(logits, reshape(target, -1), tape.options);
  const Tensor given = tape.options.reduction == Reduction::None ? reshape(dy, -1) : dy;
  const Tensor d = autograd::grad({loss}, {logits}, {given}, {.create_graph = true})[0];
  if (tape.needed[0]) dx[0] = reshape(matmul(d, weight), input.shape());
  if (tape.needed[1]) dx[1] = matmul(t(d), x);
  if (tape.needed[2]) dx[2] = sum(d, 0);
}

void pull_chunks(const Tape& tape, const Tensor& dy, std::span<Tensor> dx) {
  Gradients found = tape.ready;
  if (found.wanted()) {
    // The loss is nearly always what backward starts from, with a gradient of 1.
    if (dy.item() != 1)
      for (Tensor* g : {&found.x, &found.weight, &found.bias})
        if (g->defined()) *g = mul(*g, dy);
  } else {
    const Problem p = problem_of(*tape.inputs[0], *tape.inputs[1], *tape.inputs[2], *tape.target, tape.options);
    found = room_for(p, tape.needed);
    run(p, dy.contiguous(), found);
  }
  if (found.x.defined()) dx[0] = reshape(found.x, tape.inputs[0]->shape());
  dx[1] = found.weight;
  dx[2] = found.bias;
}

}  // namespace

// A mean or a sum has the same gradient for every row up to one factor, so forward makes the gradients while a chunk's logits are at hand:
// three products in all, as many as the plain way. Losses row by row have to wait for their gradients, and backward makes the logits again:
// four products. Doing that for a mean too was measured: a quarter to a third slower, to save room for one gradient of the weights between
// the passes, which backward takes anyway.
Tensor linear_cross_entropy(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& target,
                            const CrossEntropyOptions& options) {
  check_inputs(input, weight, bias, target, options);
  const Problem p = problem_of(input, weight, bias, target, options);
  const auto needs = [](const Tensor& x) { return is_grad_enabled() && x.defined() && x.requires_grad(); };
  Tape tape{.inputs = {Saved(input), Saved(weight), Saved(bias)},
            .target = Saved(target),
            .needed = {needs(input), needs(weight), needs(bias)},
            .options = options,
            .ready = {}};
  Tensor loss;
  {
    NoGradGuard no_grad;
    if (options.reduction == Reduction::None) {
      loss = run(p, {}, {}).view(target.shape());
    } else {
      tape.ready = room_for(p, tape.needed);
      loss = sum(run(p, ones({}, {.dtype = input.dtype()}), tape.ready)) / p.denominator;
    }
  }
  const std::array<Tensor, 1> outputs{loss};
  record_joint(op, outputs, std::array<Tensor, 3>{input, weight, bias},
               [tape = std::move(tape)](std::span<Tensor> dy, std::span<Tensor> dx) {
                 if (recording_backward()) pull_recorded(tape, dy[0], dx);
                 else pull_chunks(tape, dy[0], dx);
               });
  return loss;
}

}  // namespace gradus
