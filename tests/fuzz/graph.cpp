#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "choices.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"

namespace {

using namespace gradus;
using fuzz::Choices;

constexpr double kLargest = 1e3;  // numbers beyond it leave differences without digits
constexpr int64_t kMostElements = 256;
constexpr size_t kMostSteps = 16;

/// Numbers that are as good as random, from -1 to 1, none of them near 0.
Tensor numbers(const Shape& shape, uint64_t seed) {
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (double& v : values) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    const double unit = static_cast<double>(seed >> 40U) / static_cast<double>(1U << 24U);
    v = (0.1 + 0.9 * unit) * ((seed >> 39U) % 2 == 0 ? 1 : -1);
  }
  return from_vector(values, shape);
}

/// A program of operations on tensors, which it reads from bytes as it runs: the same bytes give the same program.
class Program {
 public:
  Program(const uint8_t* bytes, size_t size) : choices_(bytes, size) {}

  /// Runs it on these leaves and adds up all that it made, each element with a weight of its own. Throws Error where the operations do.
  Tensor run(const std::vector<Tensor>& leaves) {
    for (const Tensor& x : leaves) keep(x * 1.0);
    for (size_t step = 0; choices_.are_left() && step < kMostSteps; ++step) {
      switch (choices_.below(4)) {
        case 0: keep(elementwise(any())); break;
        case 1: keep(view(any())); break;
        case 2: keep(with_others(any())); break;
        default: change_in_place(any()); break;
      }
    }
    Tensor total = zeros({}, {.dtype = float64});
    for (size_t i = 0; i < made_.size(); ++i) total = total + (made_[i] * numbers(made_[i].shape(), i)).sum();
    return total;
  }

 private:
  Tensor any() { return made_[static_cast<size_t>(choices_.below(static_cast<int64_t>(made_.size())))]; }
  int64_t dim(const Tensor& x) { return x.dim() == 0 ? 0 : choices_.below(x.dim()); }
  void keep(const Tensor& x) {
    if (x.numel() <= kMostElements && x.dtype() == float64) made_.push_back(x);
  }

  Tensor elementwise(const Tensor& x) {
    switch (choices_.below(24)) {
      case 0: return tanh(x);
      case 1: return sigmoid(x);
      case 2: return sin(x);
      case 3: return exp(tanh(x));
      case 4: return square(x);
      case 5: return log1p(square(x));
      case 6: return sqrt(1.0 + square(x));
      case 7: return reciprocal(2.0 + sin(x));
      case 8: return erf(x);
      case 9: return softplus(x);
      case 10: return gelu(x);
      case 11: return silu(x);
      case 12: return relu(x);
      case 13: return abs(x);
      case 14: return clamp(x, -0.5, 0.5);
      case 15: return leaky_relu(x);
      case 16: return x.to(float64) - cos(x);
      case 17: return masked_fill(x, x > 0.25, 0.5);
      case 18: return where(x > 0, x * 2.0, x * x);
      case 19: return softmax(x, dim(x));
      case 20: return log_softmax(x, dim(x));
      case 21: return cumsum(x, dim(x));
      case 22: return cumprod(x, dim(x));
      default: return x.dim() == 0 ? x : layer_norm(x, x.size(-1), {}, {}, 0.1);
    }
  }

  Tensor view(const Tensor& x) {
    const int64_t d = dim(x), n = x.dim() == 0 ? 1 : x.size(d);
    switch (choices_.below(16)) {
      case 0: return x.dim() == 0 ? x : x.transpose(d, dim(x));
      case 1: return x.dim() == 0 ? x : x.slice(d, choices_.below(n + 1), {}, choices_.between(1, 2));
      case 2: return x.dim() == 0 || n == 0 ? x : x.select(d, choices_.below(n));
      case 3: return x.unsqueeze(choices_.below(x.dim() + 1));
      case 4: return x.squeeze();
      case 5: return x.unsqueeze(0).expand(wider(x.shape()));
      case 6: return x.reshape(Shape(-1));
      case 7: return x.dim() == 0 ? x : x.flip(d);
      case 8: return x.dim() < 2 ? x : diagonal(x, choices_.between(-1, 1), d, (d + 1) % x.dim());
      case 9: return x.dim() == 0 ? x : unfold(x, d, choices_.below(n + 1), choices_.between(1, 2));
      case 10: return window(x, {choices_.between(0, 3), choices_.between(0, 3)}, {choices_.below(3), choices_.below(3)});
      case 11: return x.dim() == 0 ? x : roll(x, choices_.between(-2, 2), d);
      case 12: return x.dim() < 2 ? x : tril(x, choices_.between(-1, 1));
      case 13: return x.dim() == 0 ? x : pad(x, {choices_.between(0, 2), choices_.between(0, 2)});
      case 14: return x.contiguous();
      default: return x.clone();
    }
  }

  /// x through another shape and strides. What x itself does not show would get no gradient, so that there x is given as it is.
  static Tensor window(const Tensor& x, const Shape& shape, const Strides& strides) {
    const std::set<int64_t> shown = places(x.shape(), x.strides()), wanted = places(shape, strides);
    return std::includes(shown.begin(), shown.end(), wanted.begin(), wanted.end()) ? as_strided(x, shape, strides) : x;
  }
  /// Where elements lie, counted from the first.
  static std::set<int64_t> places(const Shape& shape, const Strides& strides) {
    std::set<int64_t> result;
    fuzz::for_each_index(shape, [&](const Shape& index) {
      int64_t place = 0;
      for (int64_t d = 0; d < shape.size(); ++d) place += index[d] * strides[d];
      result.insert(place);
    });
    return result;
  }

  /// Reductions, and what takes several tensors.
  Tensor with_others(const Tensor& x) {
    const int64_t d = dim(x);
    const bool keepdim = choices_.flip();
    switch (choices_.below(26)) {
      case 0: return x.sum(dims(x), keepdim);
      case 1: return x.mean(dims(x), keepdim);
      case 2: return sqrt(x.var(dims(x), 0, keepdim) + 0.5);
      case 3: return logsumexp(x, dims(x), keepdim);
      case 4: return amax(x, dims(x), keepdim);
      case 5: return prod(x, d, keepdim);
      case 6: return norm(2.0 + sin(x), choices_.between(1, 3), dims(x), keepdim);  // at 0 it has no derivative
      case 7: return max(x, d, keepdim).values;
      case 8: return sort(x, d, keepdim).values;
      case 9: return x + any();
      case 10: return x - any();
      case 11: return x * any();
      case 12: return x / (2.0 + sin(any()));
      case 13: return maximum(x, any());
      case 14: return pow(2.0 + sin(x), any());
      case 15: return atan2(x, 2.0 + sin(any()));  // at (0, 0) it has no derivative
      case 16: return matmul(x, any());
      case 17: return cat({x, any()}, d);
      case 18: return stack({x, any()}, d);
      case 19: return x.dim() == 0 || x.size(d) == 0 ? x : index_select(x, d, indices(choices_.below(4), x.size(d)));
      case 20: return x.dim() == 0 || x.size(0) == 0 ? x : x.index({indices(choices_.shape(2, 3), x.size(0))});
      case 21: return x.dim() == 0 || x.size(d) == 0 ? x : gather(x, d, indices(x.shape(), x.size(d)));
      case 22: return masked_select(x, x > 0);
      case 23: return x * indices(x.shape(), 3);  // whole numbers
      case 24: return linear(x, any(), {});
      default: return sum_to(x, any().shape());
    }
  }

  /// Through a view of x, so that others see it.
  void change_in_place(const Tensor& x) {
    const Tensor part = choices_.flip() ? x : view(x);
    switch (choices_.below(9)) {
      case 0: part.add_(any()); break;
      case 1: part.mul_(any()); break;
      case 2: part.copy_(any()); break;
      case 3: part.fill_(0.5); break;
      case 4: part.tanh_(); break;
      case 5: part.sigmoid_(); break;
      case 6: part.masked_fill_(part > 0.25, 0.5); break;
      case 7: part.sub_(sin(any())); break;
      default:
        if (part.dim() > 0 && part.size(0) > 0) part.index_put_({indices(choices_.below(3), part.size(0))}, sin(any()), true);
        break;
    }
    if (choices_.flip()) keep(part);
  }

  Tensor indices(const Shape& shape, int64_t n) {
    std::vector<int64_t> values(static_cast<size_t>(shape.numel()));
    for (int64_t& v : values) v = choices_.below(n);
    return from_vector(values, shape);
  }
  Dims dims(const Tensor& x) { return choices_.flip() || x.dim() == 0 ? Dims() : Dims(dim(x)); }
  Shape wider(const Shape& shape) {
    Shape wide = shape;
    wide.insert(0, choices_.between(1, 3));
    return wide;
  }

  Choices choices_;
  std::vector<Tensor> made_;
};

/// Arguments that do not fit.
struct Refused {};

/// The leaves and what is computed of them: the program's total, or the length of its gradient along a direction.
struct Problem {
  const uint8_t* program;
  size_t bytes;
  bool second_order;
  std::vector<Tensor> at;
  std::vector<Tensor> direction;

  /// At a place so far along the direction.
  std::vector<Tensor> leaves(double step) const {
    std::vector<Tensor> moved;
    for (size_t i = 0; i < at.size(); ++i) moved.push_back((at[i] + direction[i] * step).requires_grad_());
    return moved;
  }
  Tensor value(const std::vector<Tensor>& leaves) const {
    const Tensor total = run(leaves);
    if (!second_order) return total;
    const auto gradients = autograd::grad({total}, leaves, {}, {.create_graph = true});
    Tensor length = zeros({}, {.dtype = float64});
    for (size_t i = 0; i < gradients.size(); ++i) length = length + (gradients[i] * numbers(gradients[i].shape(), 77 + i)).sum();
    return length;
  }
  Tensor run(const std::vector<Tensor>& leaves) const {
    try {
      return Program(program, bytes).run(leaves);
    } catch (const Error&) {
      throw Refused();
    }
  }
  double number(double step) const { return value(leaves(step)).item(); }
  /// The value at the place itself, and its derivative along the direction by the backward pass.
  struct Found {
    double value, slope;
  };
  Found found() const {
    const std::vector<Tensor> x = leaves(0);
    const Tensor y = value(x);
    if (!y.requires_grad()) return {y.item(), 0};
    const auto gradients = autograd::grad({y}, x, {}, {.allow_unused = true});
    double slope = 0;
    for (size_t i = 0; i < x.size(); ++i)
      if (gradients[i].defined()) slope += (gradients[i].detach() * direction[i]).sum().item();
    return {y.item(), slope};
  }
};

bool is_tame(double x) { return std::abs(x) <= kLargest; }

/// Compares with what differences to both sides give. Where they differ the function has a kink, or is steep, and anything between them
/// will do. The backward pass comes first, so that a program that it refuses costs no differences.
void compare(const Problem& problem) {
  constexpr double step = 1e-5, share = 1e-4;
  const auto [here, slope] = problem.found();
  if (!is_tame(here)) return;
  const double up = (problem.number(step) - here) / step, down = (here - problem.number(-step)) / step;
  if (!is_tame(up) || !is_tame(down)) return;
  const double middle = (up + down) / 2, room = share * (1 + std::abs(here) + std::abs(up)) + 2 * std::abs(up - down);
  if (std::abs(slope - middle) <= room) return;
  // Half the step shows how far the differences can be trusted: where the function jumps, or nearly so, not at all.
  const double halfway = (problem.number(step / 2) - problem.number(-step / 2)) / step;
  if (is_tame(halfway) && !(std::abs(slope - middle) <= room + 10 * std::abs(halfway - middle)))
    fuzz::fault("the gradient is " + std::to_string(slope) + ", but differences give " + std::to_string(down) + " and " +
                std::to_string(up));
}

}  // namespace

/// The bytes are shapes of leaves and a program: operations, views that overlap, changes in place.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Choices choices(bytes, size);
  Problem problem{.program = bytes, .bytes = size, .second_order = choices.below(4) == 1, .at = {}, .direction = {}};
  const int64_t count = choices.between(1, 3);
  for (int64_t i = 0; i < count; ++i) {
    const Shape shape = choices.shape(3, 3);
    problem.at.push_back(numbers(shape, 1000U + static_cast<uint64_t>(i)));
    problem.direction.push_back(numbers(shape, 2000U + static_cast<uint64_t>(i)));
  }
  constexpr size_t most_of_leaves = 14;
  const size_t used = std::min(size, most_of_leaves);
  problem.program += used;
  problem.bytes -= used;
  try {
    compare(problem);
  } catch (const Refused&) {
    return 0;
  } catch (const AutogradError&) {
    return 0;  // what a backward pass needs was changed; it may throw nothing else
  }
  return 0;
}
