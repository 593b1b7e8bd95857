#include "gradus/creation.h"

#include "autograd/in_place.h"
#include "core/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"

/// Numbers in the order and with the conversions of PyTorch's CPU generator, so that one seed gives the same in both.
namespace gradus {
namespace {

template <class T>
void fill_uniform(Generator& g, T* x, int64_t n, double from, double to) {
  const T low = static_cast<T>(from), width = static_cast<T>(to) - low;
  // One rounding, as in PyTorch's kernel.
  for (int64_t i = 0; i < n; ++i) x[i] = std::fma(g.uniform<T>(), width, low);
}

/// Box–Muller on 16 uniform numbers: the first eight give the radii, the last eight the angles.
template <class T>
void normal_block(T* x, T mean, T std) {
  for (int64_t j = 0; j < 8; ++j) {
    const T u1 = 1 - x[j], u2 = x[j + 8];
    const T radius = std::sqrt(-2 * std::log(u1));
    const T angle = static_cast<T>(2.0 * std::numbers::pi) * u2;
    x[j] = radius * std::cos(angle) * std + mean;
    x[j + 8] = radius * std::sin(angle) * std + mean;
  }
}

template <class T>
void fill_normal(Generator& g, T* x, int64_t n, double mean, double std) {
  if (n < 16) {
    for (int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(g.normal() * std + mean);
    return;
  }
  fill_uniform(g, x, n, 0, 1);
  for (int64_t i = 0; i + 16 <= n; i += 16) normal_block(x + i, static_cast<T>(mean), static_cast<T>(std));
  if (n % 16 == 0) return;
  // The last 16 are drawn again, over some that are done, so that no block is short.
  T* last = x + n - 16;
  fill_uniform(g, last, 16, 0, 1);
  normal_block(last, static_cast<T>(mean), static_cast<T>(std));
}

/// Fills x in row-major order with what `fill(generator, pointer, count)` makes.
template <class Fill>
void fill(Op op, const Tensor& x, Fill fill) {
  op.takes(x);
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}", name(x.dtype()));
  in_place(op, x, [&](const Tensor& value) {
    Tensor fresh = op.empty(value.shape(), value.dtype());
    LockedGenerator generator;
    dispatch_floating(op, fresh.dtype(), [&]<class T>() { fill(*generator, elements<T>(fresh), fresh.numel()); });
    return fresh;
  });
}

Tensor finish(Tensor x, const Options& options) {
  if (options.requires_grad) x.requires_grad_();
  return x;
}

Tensor new_real(Op op, const Shape& shape, const Options& options) {
  const DType dtype = options.dtype.value_or(DType::Float32);
  op.check<DTypeError>(is_floating_point(dtype), "makes float32 or float64, not {}; use randint", name(dtype));
  return op.empty(shape, dtype);
}

Options like(const Tensor& x, Options options) {
  options.dtype = options.dtype.value_or(x.dtype());
  return options;
}

}  // namespace

const Tensor& Tensor::uniform_(double from, double to) const {
  check<ValueError>(std::isfinite(from) && std::isfinite(to) && from <= to, "uniform_: bounds {} and {} must be finite and in order", from,
                    to);
  const double most =
      impl_of("uniform_", *this).dtype == DType::Float32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  check<ValueError>(to - from <= most, "uniform_: {} to {} is wider than {} holds", from, to, name(dtype()));
  fill(Op("uniform_"), *this, [&]<class T>(Generator& g, T* x, int64_t n) { fill_uniform(g, x, n, from, to); });
  return *this;
}

const Tensor& Tensor::normal_(double mean, double std) const {
  check<ValueError>(std >= 0 && std::isfinite(std) && std::isfinite(mean), "normal_: mean {} and std {} must be finite, std not negative",
                    mean, std);
  fill(Op("normal_"), *this, [&]<class T>(Generator& g, T* x, int64_t n) { fill_normal(g, x, n, mean, std); });
  return *this;
}

Tensor rand(const Shape& shape, const Options& options) { return finish(new_real(Op("rand"), shape, options).uniform_(), options); }
Tensor randn(const Shape& shape, const Options& options) { return finish(new_real(Op("randn"), shape, options).normal_(), options); }

Tensor randint(int64_t low, int64_t high, const Shape& shape, const Options& options) {
  constexpr Op op("randint");
  op.check<ValueError>(low < high, "low {} must be below high {}", low, high);
  Tensor x = op.empty(shape, options.dtype.value_or(DType::Int64));
  op.check<DTypeError>(x.dtype() != DType::Bool, "not defined for bool; compare, as in rand(shape) < 0.5");
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  LockedGenerator generator;
  dispatch(op, x.dtype(), [&]<class T>() {
    T* to = elements<T>(x);
    for (int64_t i = 0; i < x.numel(); ++i) {
      const uint64_t draw = range >= (uint64_t{1} << 32) ? generator->random64() : generator->random();
      to[i] = static_cast<T>(static_cast<int64_t>(draw % range + static_cast<uint64_t>(low)));
    }
  });
  return finish(x, options);
}
Tensor randint(int64_t high, const Shape& shape, const Options& options) { return randint(0, high, shape, options); }

Tensor randperm(int64_t n) {
  constexpr Op op("randperm");
  op.check<ValueError>(n >= 0, "n {} must not be negative", n);
  Tensor x = arange(n);
  int64_t* order = elements<int64_t>(x);
  LockedGenerator generator;
  for (int64_t i = 0; i < n - 1; ++i)
    std::swap(order[i], order[i + static_cast<int64_t>(generator->random() % static_cast<uint64_t>(n - i))]);
  return x;
}

Tensor rand_like(const Tensor& x, const Options& options) { return rand(x.shape(), like(x, options)); }
Tensor randn_like(const Tensor& x, const Options& options) { return randn(x.shape(), like(x, options)); }
Tensor randint_like(const Tensor& x, int64_t low, int64_t high, const Options& options) {
  return randint(low, high, x.shape(), like(x, options));
}

Tensor bernoulli(const Tensor& p) {
  constexpr Op op("bernoulli");
  op.check<DTypeError>(is_floating_point(impl_of(op, p).dtype), "takes float32 or float64, got {}", name(p.dtype()));
  const Tensor dense = p.detach().contiguous();
  Tensor y = op.empty(p.shape(), p.dtype());
  dispatch_floating(op, p.dtype(), [&]<class T>() {
    const T* chances = elements<T>(dense);
    T* to = elements<T>(y);
    for (int64_t i = 0, n = y.numel(); i < n; ++i)
      op.check<ValueError>(chances[i] >= 0 && chances[i] <= 1, "{} is not a probability; give 0 to 1", chances[i]);
    LockedGenerator generator;
    for (int64_t i = 0, n = y.numel(); i < n; ++i) to[i] = generator->uniform<T>() < chances[i] ? T(1) : T(0);
  });
  return y;
}

namespace {

/// One row of weights, checked: how many are not 0.
int64_t check_weights(const double* weights, int64_t n) {
  constexpr Op op("multinomial");
  int64_t possible = 0;
  for (int64_t i = 0; i < n; ++i) {
    op.check<ValueError>(std::isfinite(weights[i]) && weights[i] >= 0, "weight {} at {} is not a finite number of at least 0", weights[i],
                         i);
    possible += weights[i] > 0;
  }
  op.check<ValueError>(possible > 0, "all weights are 0");
  return possible;
}

/// Draws by the running sum of the weights.
void draw_with_replacement(Generator& g, const double* weights, int64_t n, int64_t samples, int64_t* to) {
  std::vector<double> running(weights, weights + n);
  for (size_t i = 1; i < running.size(); ++i) running[i] += running[i - 1];
  for (double& r : running) r /= running.back();
  running.back() = 1;
  for (int64_t s = 0; s < samples; ++s) to[s] = std::lower_bound(running.begin(), running.end(), g.uniform_double()) - running.begin();
}

/// The places where weight / exponential noise is largest are a draw without replacement.
void draw_without_replacement(Generator& g, const double* weights, int64_t n, int64_t samples, int64_t* to) {
  std::vector<std::pair<double, int64_t>> race;
  for (int64_t i = 0; i < n; ++i) race.emplace_back(weights[i] / -std::log1p(-g.uniform_double()), i);
  std::partial_sort(race.begin(), race.begin() + samples, race.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (int64_t s = 0; s < samples; ++s) to[s] = race[static_cast<size_t>(s)].second;
}

}  // namespace

Tensor multinomial(const Tensor& weights, int64_t num_samples, bool replacement) {
  constexpr Op op("multinomial");
  const Shape& shape = impl_of(op, weights).layout.shape;
  op.check<ShapeError>(shape.size() == 1 || shape.size() == 2, "weights have shape {}, expected (C) or (N, C)", shape);
  op.check<DTypeError>(is_floating_point(weights.dtype()), "weights must be float32 or float64, got {}", name(weights.dtype()));
  op.check<ValueError>(num_samples > 0, "num_samples {} must be positive", num_samples);
  const int64_t n = shape.back(), rows = shape.size() == 2 ? shape[0] : 1;
  const std::vector<double> values = weights.to_vector<double>();
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t possible = check_weights(values.data() + r * n, n);
    op.check<ValueError>(replacement || num_samples <= possible, "{} samples without replacement from {} possible ones", num_samples,
                         possible);
  }
  Tensor y = op.empty(shape.size() == 2 ? Shape{rows, num_samples} : Shape(num_samples), DType::Int64);
  LockedGenerator generator;
  const auto draw = replacement && num_samples > 1 ? draw_with_replacement : draw_without_replacement;
  for (int64_t r = 0; r < rows; ++r) draw(*generator, values.data() + r * n, n, num_samples, elements<int64_t>(y) + r * num_samples);
  return y;
}

}  // namespace gradus
