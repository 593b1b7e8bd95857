#include "gradus/ops/loss.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "autograd/op.h"
#include "core/allocator.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "kernels/blas.h"
#include "kernels/cross_entropy.h"
#include "kernels/reduce.h"
#include "ops/loss/class_targets.h"

// N rows, I inputs, V classes (a vocabulary).

namespace gradus {
namespace {

constexpr Op op("linear_cross_entropy");

/// Logits are made for a block of them at a time: for some rows and some classes in a part of the last cache, or for whole rows, where so
/// many fit into one that they make up for reading all weights, and adding to all of their gradient, once a block. 16 MiB of the last cache
/// are soon read again; a block that takes as much memory as weights and gradient do needs more rows.
constexpr int64_t block_bytes = 8 << 20, most_rows = 2048;
constexpr int64_t cached_block_bytes = 16 << 20, fewest_cached_rows = 128, fewest_rows = 256;

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
};

void check_inputs(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& target, const CrossEntropyOptions& o) {
  const Shape& in = impl_of(op, input).layout.shape;
  op.check<DTypeError>(is_floating_point(input.dtype()), "the input must be float32 or float64, got {}", name(input.dtype()));
  op.check<ShapeError>(impl_of(op, weight).layout.rank() == 2 && weight.size(0) > 0 && weight.size(1) > 0,
                       "weight has shape {}, expected (classes, inputs), both positive", weight.shape());
  op.check<ShapeError>(!in.empty() && in.back() == weight.size(1),
                       "the input has shape {}, but weight {} takes {} features in the last dimension", in, weight.shape(), weight.size(1));
  op.check<DTypeError>(weight.dtype() == input.dtype(), "the input is {} and weight {}; convert one with .to()", name(input.dtype()),
                       name(weight.dtype()));
  if (bias.defined()) {
    op.check<ShapeError>(bias.shape() == Shape(weight.size(0)), "bias has shape {}, expected [{}]", bias.shape(), weight.size(0));
    op.check<DTypeError>(bias.dtype() == input.dtype(), "the input is {} and bias {}; they must agree", name(input.dtype()),
                         name(bias.dtype()));
  }
  Shape losses = in;
  losses.erase(losses.size() - 1);
  op.check<DTypeError>(impl_of(op, target).dtype == DType::Int64, "target is {}; give int64 class indices", name(target.dtype()));
  op.check<ShapeError>(target.shape() == losses, "target has shape {}, but an input of shape {} needs {}", target.shape(), in, losses);
  op.check<ValueError>(o.label_smoothing >= 0 && o.label_smoothing <= 1, "label_smoothing {} is not in 0 to 1", o.label_smoothing);
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

template <class T>
kernels::ClassLoss<T> class_loss(const Problem& p) {
  return {p.weight.size(0), p.class_weight.defined() ? elements<T>(p.class_weight) : nullptr, static_cast<T>(p.class_weight_sum),
          static_cast<T>(p.options.label_smoothing)};
}

/// Some of the rows and some of the classes.
struct Block {
  int64_t row, rows, first, classes;
};

/// Calls f(block, logits) with the logits (rows, classes) of every block of so many rows and classes at most, all classes of some rows
/// before the next rows.
template <class T, class F>
void for_each_block(const Problem& p, int64_t height, int64_t width, F f) {
  const int64_t N = p.rows(), V = p.weight.size(0), I = p.weight.size(1);
  Scratch<T> logits(height * width);
  for (int64_t row = 0; row < N; row += height)
    for (int64_t first = 0; first < V; first += width) {
      const Block block{row, std::min(height, N - row), first, std::min(width, V - first)};
      if (p.bias.defined())
        kernels::for_each_row<T>(block.rows, block.classes, [=, b = elements<T>(p.bias) + first, to = logits.data()](int64_t r) {
          std::copy_n(b, block.classes, to + r * block.classes);
        });
      const kernels::MatrixView<const T> x(elements<T>(p.x) + row * I, block.rows, I),
          weight(elements<T>(p.weight) + first * I, block.classes, I);
      kernels::gemm(x, weight.transposed(), kernels::MatrixView(logits.data(), block.rows, block.classes),
                    kernels::accumulate_if(p.bias.defined()));
      f(block, logits.data());
    }
}

/// The same with the logits of many rows and some classes.
template <class T, class F>
void for_each_tile(const Problem& p, F f) {
  const int64_t height = std::min(p.rows(), most_rows);
  const int64_t fit = block_bytes / static_cast<int64_t>(sizeof(T)) / std::max<int64_t>(height, 1);
  for_each_block<T>(p, height, std::min(p.weight.size(0), fit / 64 * 64), f);
}

/// Adds the part that the gradients D of a block's logits have in those of the inputs.
template <class T>
void add_gradients(const Problem& p, const Block& b, const T* d, const Gradients& to) {
  using kernels::MatrixView;
  const int64_t I = p.weight.size(1), n = b.classes;
  const MatrixView D(d, b.rows, n);
  const auto rows_of = [I](const Tensor& t, int64_t first, int64_t count) { return MatrixView(elements<T>(t) + first * I, count, I); };
  if (to.x.defined())  // dx += D W
    kernels::gemm(D, rows_of(p.weight, b.first, n), rows_of(to.x, b.row, b.rows), kernels::accumulate_if(b.first > 0));
  if (to.weight.defined())  // dW += D^T x
    kernels::gemm(D.transposed(), rows_of(p.x, b.row, b.rows), rows_of(to.weight, b.first, n), kernels::accumulate_if(b.row > 0));
  if (!to.bias.defined()) return;
  Scratch<T> part(n);
  kernels::sum(1, b.rows, n, d, part.data(), [](T v) { return v; });
  for (int64_t c = 0; c < n; ++c) elements<T>(to.bias)[b.first + c] = (b.row > 0 ? elements<T>(to.bias)[b.first + c] : 0) + part.data()[c];
}

/// How many whole rows a block has, about as many in each, or 0 where they would be too few.
template <class T>
int64_t whole_rows(const Problem& p) {
  const int64_t N = p.rows(), V = p.weight.size(0), I = p.weight.size(1);
  const int64_t cached = cached_block_bytes / static_cast<int64_t>(sizeof(T)) / V, as_weights = 2 * I;
  if (N == 0 || (cached < std::min(N, fewest_cached_rows) && as_weights < std::min(N, fewest_rows))) return 0;
  const int64_t most = std::max(cached, as_weights), blocks = (N + most - 1) / most;
  return (N + blocks - 1) / blocks;
}

/// The losses (N), the log-sum-exp of every row, and the gradients of the losses' sum over the denominator.
template <class T>
void forward_with_gradients(const Problem& p, T* losses, kernels::LogSumExp<T>* lse, const Gradients& to) {
  const auto all = class_loss<T>(p);
  const int64_t V = p.weight.size(0);
  const T scale = static_cast<T>(1 / p.denominator);
  for_each_block<T>(p, whole_rows<T>(p), V, [&](const Block& b, T* d) {
    kernels::for_each_row<T>(b.rows, V, [=, t = elements<int64_t>(p.target) + b.row, ignored = p.options.ignore_index](int64_t r) {
      T* row = d + r * V;
      const auto sum = lse[b.row + r] = kernels::log_sum_exp(V, row);
      losses[b.row + r] = t[r] == ignored ? T(0) : kernels::row_loss(all, row, t[r], sum);
      if (t[r] == ignored) std::fill_n(row, V, T(0));
      else kernels::row_gradient(all, 0, V, row, t[r], sum, scale, row);
    });
    add_gradients(p, b, d, to);
  });
}

/// The losses (N), and the log-sum-exp of every row.
template <class T>
void forward(const Problem& p, T* losses, kernels::LogSumExp<T>* lse) {
  const auto all = class_loss<T>(p);
  const int64_t* target = elements<int64_t>(p.target);
  std::vector<kernels::PartialLoss<T>> partial(static_cast<size_t>(p.rows()));
  double weight_before = 0;
  for_each_tile<T>(p, [&](const Block& b, const T* logits) {
    if (b.first == 0) weight_before = 0;
    kernels::for_each_row<T>(b.rows, b.classes, [=, row = partial.data() + b.row, t = target + b.row](int64_t r) {
      row[r].see(all, b.first, b.classes, logits + r * b.classes, t[r], weight_before);
    });
    for (int64_t c = 0; c < b.classes; ++c) weight_before += static_cast<double>(all.weight_at(b.first + c));
  });
  for (int64_t i = 0; i < p.rows(); ++i) {
    const auto& row = partial[static_cast<size_t>(i)];
    lse[i] = {row.top, static_cast<T>(row.total)};
    losses[i] = target[i] == p.options.ignore_index ? T(0) : row.loss(all, target[i]);
  }
}

/// The gradients of the losses, with dy (N).
template <class T>
void backward(const Problem& p, const T* dy, const kernels::LogSumExp<T>* lse, const Gradients& to) {
  const auto all = class_loss<T>(p);
  for_each_tile<T>(p, [&](const Block& b, T* d) {
    const int64_t n = b.classes;
    kernels::for_each_row<T>(b.rows, n, [=, t = elements<int64_t>(p.target) + b.row, ignored = p.options.ignore_index](int64_t r) {
      if (t[r] == ignored) std::fill_n(d + r * n, n, T(0));
      else kernels::row_gradient(all, b.first, n, d + r * n, t[r], lse[b.row + r], dy[b.row + r], d + r * n);
    });
    add_gradients(p, b, d, to);
  });
}

/// What the pullback keeps.
struct Tape {
  std::array<Saved, 3> inputs;  // input, weight, bias
  Saved target;
  CrossEntropyOptions options;
  Tensor lse;           // (N, 2): each row's LogSumExp
  Gradients made = {};  // those of one loss, where forward made them, until a backward pass takes them
  bool has_made = false;
};

template <class T>
kernels::LogSumExp<T>* lse_of(const Tensor& lse) {
  return reinterpret_cast<kernels::LogSumExp<T>*>(elements<T>(lse));
}

/// Gradients by way of the whole logits, themselves recorded.
void pull_recorded(const Tape& tape, const Tensor& dy, InputGradients dx) {
  const Tensor &input = *tape.inputs[0], &weight = *tape.inputs[1], &bias = *tape.inputs[2], &target = *tape.target;
  const Tensor x = input.reshape({target.numel(), weight.size(1)}), logits = linear(x, weight, bias);
  const Tensor loss = cross_entropy(logits, target.reshape(-1), tape.options);
  const Tensor given = tape.options.reduction == Reduction::None ? dy.reshape(-1) : dy;
  const Tensor d = autograd::grad({loss}, {logits}, {given}, {.create_graph = true})[0];
  if (dx.needs(0)) dx[0] = matmul(d, weight).reshape(input.shape());
  if (dx.needs(1)) dx[1] = matmul(d.t(), x);
  if (dx.needs(2)) dx[2] = sum(d, 0);
}

/// Room for the gradients of those inputs that `wanted` names.
template <class Wanted>
Gradients room_for(const Problem& p, Wanted wanted) {
  const auto room = [&](size_t i, const Tensor& like) {
    if (!wanted(i)) return Tensor();
    return p.rows() == 0 ? zeros_like(like) : op.empty(like.shape(), like.dtype());
  };
  return {room(0, p.x), room(1, p.weight), room(2, p.bias)};
}

/// Gradients by way of the logits of every block, made again.
void pull_tiles(const Tape& tape, const Tensor& dy, InputGradients dx) {
  const Problem p = problem_of(*tape.inputs[0], *tape.inputs[1], *tape.inputs[2], *tape.target, tape.options);
  const Gradients found = room_for(p, [&](size_t i) { return dx.needs(i); });
  const bool is_one = tape.options.reduction != Reduction::None;
  const Tensor given = (is_one ? (dy / p.denominator).expand({p.rows()}) : dy).contiguous();  // one for each row
  dispatch_floating(op, p.x.dtype(), [&]<class T>() { backward(p, elements<T>(given), lse_of<T>(tape.lse), found); });
  if (found.x.defined()) dx[0] = found.x.view(tape.inputs[0]->shape());
  dx[1] = found.weight;
  dx[2] = found.bias;
}

/// Hands out what forward made.
void pull_made(Tape& tape, const Tensor& dy, InputGradients dx) {
  Gradients made = std::exchange(tape.made, {});
  tape.has_made = false;
  if (made.x.defined()) made.x = made.x.view(tape.inputs[0]->shape());
  const bool is_scaled = dy.item() != 1;
  const auto give = [&](size_t i, Tensor& gradient) {
    if (dx.needs(i)) dx[i] = is_scaled ? gradient.mul_(dy) : gradient;
  };
  give(0, made.x);
  give(1, made.weight);
  give(2, made.bias);
}

}  // namespace

// The gradients of one loss are made in forward, from blocks of whole rows, where they are wanted and blocks have rows enough: three
// products, as the plain way has. Otherwise forward goes through blocks of some classes, and backward makes the logits of every block
// again, a fourth product: for losses row by row, whose gradients nobody knows yet, for large vocabularies with few features, whose blocks
// would have too few rows (1.7 to 2.1 times the plain way's time where it has 40), and for a graph that is walked again.
Tensor linear_cross_entropy(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& target,
                            const CrossEntropyOptions& options) {
  check_inputs(input, weight, bias, target, options);
  const Problem p = problem_of(input, weight, bias, target, options);
  const bool is_one = options.reduction != Reduction::None;
  const std::array<Tensor, 3> inputs{input, weight, bias};
  const auto wanted = [&](size_t i) { return is_grad_enabled() && inputs[i].defined() && inputs[i].requires_grad(); };
  Tape tape{.inputs = {Saved(input), Saved(weight), Saved(bias)},
            .target = Saved(target),
            .options = options,
            .lse = op.empty({p.rows(), 2}, input.dtype())};
  Tensor loss = op.empty(p.rows(), input.dtype());
  dispatch_floating(op, input.dtype(), [&]<class T>() {
    tape.has_made = is_one && (wanted(0) || wanted(1) || wanted(2)) && whole_rows<T>(p) > 0;
    if (tape.has_made) tape.made = room_for(p, wanted);
    if (tape.has_made) forward_with_gradients(p, elements<T>(loss), lse_of<T>(tape.lse), tape.made);
    else forward(p, elements<T>(loss), lse_of<T>(tape.lse));
  });
  {
    NoGradGuard no_grad;
    loss = is_one ? sum(loss) / p.denominator : loss.view(target.shape()).detach();
  }
  const std::array<Tensor, 1> outputs{loss};
  op.record_joint(outputs, inputs, [tape = std::move(tape)](std::span<Tensor> dy, InputGradients dx) mutable {
    if (recording_backward()) pull_recorded(tape, dy[0], dx);
    else if (tape.has_made) pull_made(tape, dy[0], dx);
    else pull_tiles(tape, dy[0], dx);
  });
  return loss;
}

}  // namespace gradus
