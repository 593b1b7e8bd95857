#pragma once

#include <initializer_list>
#include <optional>
#include <vector>

#include "gradus/tensor.h"

namespace gradus {

/// What a new tensor is like. An absent dtype is float32, or, for `tensor` and `full`, that of the values
/// (doubles become float32), and for `arange` int64 when every argument is an integer.
struct Options {
  std::optional<DType> dtype = {};
  bool requires_grad = false;
};

/// Nested braces of numbers: `{{0, 1, 2}, {2, 1, 0}}`. Every row must have the same length.
class GRADUS_API Nested {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Nested(T value) : scalar_(value) {}
  Nested(std::initializer_list<Nested> rows) : rows_(rows), is_list_(true) {}
  template <class T>
  requires std::is_arithmetic_v<T> Nested(const std::vector<T>& values) : rows_(values.begin(), values.end()), is_list_(true) {}
  template <class T>
  requires std::is_arithmetic_v<T> Nested(const std::vector<std::vector<T>>& rows) : rows_(rows.begin(), rows.end()), is_list_(true) {}

  bool is_list() const noexcept { return is_list_; }
  const std::vector<Nested>& rows() const noexcept { return rows_; }
  Scalar scalar() const noexcept { return scalar_; }

 private:
  Scalar scalar_ = 0.0;
  std::vector<Nested> rows_;
  bool is_list_ = false;
};

/// A tensor of the given numbers: integers make int64, bools bool, any floating-point number float32. A bare number makes a scalar.
/// Throws ShapeError when rows differ in length.
GRADUS_API Tensor tensor(const Nested& values, const Options& options = {});

/// Copies `values` (row-major) into a tensor of `shape`; float32 for float, float64 for double, int64 for int64_t.
/// Throws ShapeError when the count is not the shape's.
GRADUS_API Tensor from_vector(const std::vector<float>& values, const Shape& shape, const Options& options = {});
GRADUS_API Tensor from_vector(const std::vector<double>& values, const Shape& shape, const Options& options = {});
GRADUS_API Tensor from_vector(const std::vector<int64_t>& values, const Shape& shape, const Options& options = {});

/// Elements not initialised; 0; 1; or the value, whose kind (whole, real or bool) says the dtype where options do not.
GRADUS_API Tensor empty(const Shape& shape, const Options& options = {});
GRADUS_API Tensor zeros(const Shape& shape, const Options& options = {});
GRADUS_API Tensor ones(const Shape& shape, const Options& options = {});
GRADUS_API Tensor full(const Shape& shape, Scalar value, const Options& options = {});
/// The identity: ones on the diagonal of an (n, m) matrix; m = n when left out.
GRADUS_API Tensor eye(int64_t n, std::optional<int64_t> m = {}, const Options& options = {});
/// start, start + step, … below end. Throws ValueError when step is 0 or leads away from end.
GRADUS_API Tensor arange(Scalar end, const Options& options = {});
GRADUS_API Tensor arange(Scalar start, Scalar end, Scalar step = 1, const Options& options = {});
/// `steps` numbers from start to end, both included, evenly apart.
GRADUS_API Tensor linspace(double start, double end, int64_t steps, const Options& options = {});

/// Uniform on [0, 1).
GRADUS_API Tensor rand(const Shape& shape, const Options& options = {});
/// Standard normal.
GRADUS_API Tensor randn(const Shape& shape, const Options& options = {});
/// Integers from [low, high), uniform; int64 unless options say otherwise. Throws ValueError unless low < high.
GRADUS_API Tensor randint(int64_t low, int64_t high, const Shape& shape, const Options& options = {});
GRADUS_API Tensor randint(int64_t high, const Shape& shape, const Options& options = {});
/// A random order of 0 … n - 1, int64.
GRADUS_API Tensor randperm(int64_t n);
/// 1 with the probability that each element of p gives, 0 otherwise, in p's dtype. Throws ValueError unless all lie in [0, 1].
GRADUS_API Tensor bernoulli(const Tensor& p);
/// `num_samples` places drawn by their weights, int64: weights (C) to (num_samples), (N, C) to (N, num_samples). Weights need not sum to 1.
/// Throws ValueError when one is negative or not finite, when all are 0, and, without replacement, when too few are not 0.
GRADUS_API Tensor multinomial(const Tensor& weights, int64_t num_samples, bool replacement = false);

/// The same, with the shape and dtype of x.
GRADUS_API Tensor empty_like(const Tensor& x, const Options& options = {});
GRADUS_API Tensor zeros_like(const Tensor& x, const Options& options = {});
GRADUS_API Tensor ones_like(const Tensor& x, const Options& options = {});
GRADUS_API Tensor full_like(const Tensor& x, Scalar value, const Options& options = {});
GRADUS_API Tensor rand_like(const Tensor& x, const Options& options = {});
GRADUS_API Tensor randn_like(const Tensor& x, const Options& options = {});
GRADUS_API Tensor randint_like(const Tensor& x, int64_t low, int64_t high, const Options& options = {});

/// A row-sparse gradient, for hooks and set_grad: row indices[i] of a tensor of shape `size` is values[i], summed where an index is there
/// more than once, and the others are 0. indices (N) or (1, N) int64, values (N, ...) float32 or float64, shared, not copied. Throws
/// DTypeError, ShapeError or IndexError for what does not fit. Only rows can be left out, not single elements as in PyTorch.
GRADUS_API Tensor sparse_coo_tensor(const Tensor& indices, const Tensor& values, const Shape& size);

}  // namespace gradus
