#include "gradus/creation.h"

#include <algorithm>
#include <cmath>

#include "autograd/op.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/thread_pool.h"

namespace gradus {

namespace {

Tensor finish(Tensor x, const Options& options) {
  if (options.requires_grad) x.requires_grad_();
  return x;
}

template <class T>
Tensor filled(Op op, const Shape& shape, T value) {
  Tensor x = op.empty(shape, dtype_of<T>);
  T* to = elements<T>(x);
  parallel_for(x.numel(), elements_a_piece, [=](int64_t begin, int64_t end) { std::fill(to + begin, to + end, value); });
  return x;
}

/// Outside this range, and for NaN, a conversion to int64 has no defined result.
void check_fits(Op op, Scalar value, DType dtype) {
  if (dtype != DType::Int64 || !is_floating_point(value.dtype())) return;
  const double v = value.to<double>();
  op.check<ValueError>(v >= -0x1p63 && v < 0x1p63, "{} is no number that int64 holds", v);
}

Tensor filled(Op op, const Shape& shape, Scalar value, DType dtype, const Options& options) {
  check_fits(op, value, dtype);
  return finish(dispatch(op, dtype, [&]<class T>() { return filled(op, shape, value.to<T>()); }), options);
}

Options like(const Tensor& x, Options options) {
  options.dtype = options.dtype.value_or(x.dtype());
  return options;
}

/// The shape of nested braces, read off the first of each; every row is compared with it while the values are copied.
Shape nested_shape(const Nested& values) {
  Shape shape;
  for (const Nested* level = &values; level->is_list(); level = &level->rows()[0]) {
    shape.push_back(static_cast<int64_t>(level->rows().size()));
    if (level->rows().empty()) break;
  }
  return shape;
}

void flatten(const Nested& values, const Shape& shape, int64_t depth, std::vector<Scalar>& out) {
  constexpr Op op("tensor");
  if (!values.is_list()) {
    op.check<ShapeError>(depth == shape.size(), "a number stands at depth {} where a row of {} was expected", depth,
                         depth < shape.size() ? shape[depth] : 0);
    out.push_back(values.scalar());
    return;
  }
  op.check<ShapeError>(depth < shape.size(), "a row stands at depth {} where a number was expected", depth);
  const auto size = static_cast<int64_t>(values.rows().size());
  op.check<ShapeError>(size == shape[depth], "a row has {} entries where the first of its depth has {}; rows must be of one length", size,
                       shape[depth]);
  for (const Nested& row : values.rows()) flatten(row, shape, depth + 1, out);
}

template <class T>
Tensor copied(const std::vector<T>& values, const Shape& shape, const Options& options) {
  constexpr Op op("from_vector");
  Tensor x = op.empty(shape, dtype_of<T>);
  op.check<ShapeError>(static_cast<int64_t>(values.size()) == x.numel(), "{} values for shape {}, which holds {}", values.size(), shape,
                       x.numel());
  std::copy(values.begin(), values.end(), elements<T>(x));
  return finish(options.dtype ? x.to(*options.dtype) : x, options);
}

}  // namespace

Tensor tensor(const Nested& values, const Options& options) {
  constexpr Op op("tensor");
  const Shape shape = nested_shape(values);
  std::vector<Scalar> scalars;
  flatten(values, shape, 0, scalars);
  DType widest = scalars.empty() ? DType::Float64 : DType::Bool;
  for (const Scalar& s : scalars) widest = std::max(widest, s.dtype());
  const DType dtype = options.dtype.value_or(widest == DType::Float64 ? DType::Float32 : widest);
  for (const Scalar& s : scalars) check_fits(op, s, dtype);
  Tensor x = op.empty(shape, dtype);
  dispatch(dtype,
           [&]<class T>() { std::transform(scalars.begin(), scalars.end(), elements<T>(x), [](const Scalar& s) { return s.to<T>(); }); });
  return finish(x, options);
}

Tensor from_vector(const std::vector<float>& values, const Shape& shape, const Options& options) { return copied(values, shape, options); }
Tensor from_vector(const std::vector<double>& values, const Shape& shape, const Options& options) { return copied(values, shape, options); }
Tensor from_vector(const std::vector<int64_t>& values, const Shape& shape, const Options& options) {
  return copied(values, shape, options);
}

Tensor empty(const Shape& shape, const Options& options) {
  constexpr Op op("empty");
  return finish(op.empty(shape, options.dtype.value_or(DType::Float32)), options);
}
Tensor zeros(const Shape& shape, const Options& options) {
  return filled(Op("zeros"), shape, 0, options.dtype.value_or(DType::Float32), options);
}
Tensor ones(const Shape& shape, const Options& options) {
  return filled(Op("ones"), shape, 1, options.dtype.value_or(DType::Float32), options);
}
Tensor full(const Shape& shape, Scalar value, const Options& options) {
  return filled(Op("full"), shape, value, options.dtype.value_or(is_floating_point(value.dtype()) ? DType::Float32 : value.dtype()),
                options);
}

Tensor eye(int64_t n, std::optional<int64_t> m, const Options& options) {
  constexpr Op op("eye");
  op.check<ValueError>(n >= 0 && m.value_or(n) >= 0, "sizes {} and {} must not be negative", n, m.value_or(n));
  Tensor x = zeros({n, m.value_or(n)}, {.dtype = options.dtype});
  dispatch(x.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < std::min(n, x.size(1)); ++i) elements<T>(x)[i * x.size(1) + i] = T(1);
  });
  return finish(x, options);
}

namespace {

/// How many numbers start, start + step, … lie before end.
int64_t count_of(int64_t start, int64_t end, int64_t step) {
  constexpr Op op("arange");
  const bool up = step > 0;
  op.check<ValueError>(step != 0, "step must not be 0");
  op.check<ValueError>(up ? start <= end : start >= end, "step {} leads away from {} when starting at {}", step, end, start);
  const uint64_t from = static_cast<uint64_t>(start), to = static_cast<uint64_t>(end), by = static_cast<uint64_t>(step);
  const uint64_t span = up ? to - from : from - to, size = up ? by : 0 - by;
  const uint64_t n = span / size + (span % size != 0);
  op.check<ValueError>(n < uint64_t{1} << 60, "{} to {} are too many numbers", start, end);
  return static_cast<int64_t>(n);
}

int64_t count_of(double start, double end, double step) {
  constexpr Op op("arange");
  op.check<ValueError>(step != 0, "step must not be 0");
  op.check<ValueError>(std::isfinite(start) && std::isfinite(end) && std::isfinite(step), "{}, {}, {} must be finite", start, end, step);
  op.check<ValueError>(step > 0 ? start <= end : start >= end, "step {} leads away from {} when starting at {}", step, end, start);
  const double n = std::ceil((end - start) / step);
  op.check<ValueError>(n < 0x1p60, "{} to {} by {} are too many numbers", start, end, step);
  return static_cast<int64_t>(n);
}

}  // namespace

Tensor arange(Scalar end, const Options& options) { return arange(0, end, 1, options); }

Tensor arange(Scalar start, Scalar end, Scalar step, const Options& options) {
  constexpr Op op("arange");
  const bool whole = !is_floating_point(start.dtype()) && !is_floating_point(end.dtype()) && !is_floating_point(step.dtype());
  const DType dtype = options.dtype.value_or(whole ? DType::Int64 : DType::Float32);
  op.check<DTypeError>(dtype != DType::Bool, "not defined for bool");
  check_fits(op, start, dtype);
  check_fits(op, end, dtype);
  check_fits(op, step, dtype);
  // An int64 range counts the whole parts.
  const bool integers = whole || dtype == DType::Int64;
  const double first = start.to<double>(), by = step.to<double>();
  const int64_t n = integers ? count_of(start.to<int64_t>(), end.to<int64_t>(), step.to<int64_t>()) : count_of(first, end.to<double>(), by);
  Tensor x = op.empty(n, dtype);
  dispatch(dtype, [&]<class T>() {
    T* to = elements<T>(x);
    for (int64_t i = 0; i < n; ++i) {
      // The last of two steps may lie beyond an int64 while their sum with the start does not.
      if constexpr (std::is_same_v<T, int64_t>)
        to[i] = static_cast<T>(static_cast<uint64_t>(start.to<T>()) + static_cast<uint64_t>(i) * static_cast<uint64_t>(step.to<T>()));
      else to[i] = static_cast<T>(first + static_cast<double>(i) * by);
    }
  });
  return finish(x, options);
}

Tensor linspace(double start, double end, int64_t steps, const Options& options) {
  constexpr Op op("linspace");
  op.check<ValueError>(steps >= 0, "{} steps; ask for none or more", steps);
  Tensor x = op.empty(steps, options.dtype.value_or(DType::Float32));
  check_fits(op, start, x.dtype());
  check_fits(op, end, x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    const auto first = static_cast<double>(static_cast<T>(start)), last = static_cast<double>(static_cast<T>(end));
    const double step = steps > 1 ? (last - first) / static_cast<double>(steps - 1) : 0;
    // From both ends towards the middle, so that both are met exactly.
    for (int64_t i = 0; i < steps; ++i) {
      const double value = i < steps / 2 ? first + static_cast<double>(i) * step : last - static_cast<double>(steps - 1 - i) * step;
      elements<T>(x)[i] = static_cast<T>(steps == 1 ? first : value);
    }
  });
  return finish(x, options);
}

Tensor empty_like(const Tensor& x, const Options& options) { return empty(x.shape(), like(x, options)); }
Tensor zeros_like(const Tensor& x, const Options& options) { return zeros(x.shape(), like(x, options)); }
Tensor ones_like(const Tensor& x, const Options& options) { return ones(x.shape(), like(x, options)); }
Tensor full_like(const Tensor& x, Scalar value, const Options& options) { return full(x.shape(), value, like(x, options)); }

}  // namespace gradus
