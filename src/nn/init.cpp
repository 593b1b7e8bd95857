#include "gradus/nn/init.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"

namespace gradus::nn::init {
namespace {

struct Fans {
  double in, out;
};

Fans fans(const char* op, const Tensor& x) {
  check<ShapeError>(x.dim() >= 2, "{}: shape {} has no inputs and outputs; it needs two dimensions", op, x.shape());
  double rest = 1;
  for (int64_t d = 2; d < x.dim(); ++d) rest *= static_cast<double>(x.size(d));
  return {static_cast<double>(x.size(1)) * rest, static_cast<double>(x.size(0)) * rest};
}

double fan_of(const char* op, const Tensor& x, Fan mode) { return mode == Fan::In ? fans(op, x).in : fans(op, x).out; }

/// The inverse of the error function: Giles 2012, "Approximating the erfinv function", refined by two Newton steps.
double erfinv(double x) {
  if (x <= -1) return -INFINITY;
  if (x >= 1) return INFINITY;
  const double w = -std::log((1 - x) * (1 + x));
  double y = w < 5 ? x * (1.50140941 + (w - 2.5) * (0.246640727 + (w - 2.5) * (-0.00417768164 + (w - 2.5) * -0.00125372503)))
                   : x * (2.83297682 + (std::sqrt(w) - 3) * (1.00167406 + (std::sqrt(w) - 3) * 0.00943887047));
  for (int i = 0; i < 2; ++i) y -= (std::erf(y) - x) / (2 / std::sqrt(M_PI) * std::exp(-y * y));
  return y;
}

/// a (rows, n), row-major, times the Householder reflection I - 2 v v^T from the left, over the rows from `first` on.
void reflect(std::vector<double>& a, int64_t n, const std::vector<double>& v, int64_t first) {
  std::vector<double> dots(static_cast<size_t>(n), 0.0);
  for (size_t i = static_cast<size_t>(first); i < v.size(); ++i)
    for (size_t j = 0; j < dots.size(); ++j) dots[j] += v[i] * a[i * dots.size() + j];
  for (size_t i = static_cast<size_t>(first); i < v.size(); ++i)
    for (size_t j = 0; j < dots.size(); ++j) a[i * dots.size() + j] -= 2 * v[i] * dots[j];
}

/// The factor Q of A = QR by Householder reflections (Golub & Van Loan, Matrix Computations, 5.2), A (m, n) row-major with m >= n, its
/// columns turned so that R's diagonal is positive.
std::vector<double> orthonormal_columns(std::vector<double> a, int64_t m, int64_t n) {
  const auto at = [n](int64_t i, int64_t j) { return static_cast<size_t>(i * n + j); };
  std::vector<std::vector<double>> reflections;
  std::vector<double> q(a.size(), 0.0);
  for (int64_t k = 0; k < n; ++k) {
    std::vector<double> v(static_cast<size_t>(m), 0.0);
    double square = 0;
    for (int64_t i = k; i < m; ++i) square += a[at(i, k)] * a[at(i, k)];
    for (int64_t i = k; i < m; ++i) v[static_cast<size_t>(i)] = a[at(i, k)];
    double& pivot = v[static_cast<size_t>(k)];
    pivot += pivot > 0 ? std::sqrt(square) : -std::sqrt(square);
    double length = 0;
    for (double e : v) length += e * e;
    if (length > 0)
      for (double& e : v) e /= std::sqrt(length);
    reflect(a, n, v, k);
    q[at(k, k)] = a[at(k, k)] < 0 ? -1 : 1;
    reflections.push_back(std::move(v));
  }
  for (int64_t k = n - 1; k >= 0; --k) reflect(q, n, reflections[static_cast<size_t>(k)], k);
  return q;
}

}  // namespace

double calculate_gain(Nonlinearity nonlinearity, double slope) {
  switch (nonlinearity) {
    case Nonlinearity::Linear:
    case Nonlinearity::Sigmoid: return 1;
    case Nonlinearity::Tanh: return 5.0 / 3;
    case Nonlinearity::Relu: return std::sqrt(2.0);
    case Nonlinearity::LeakyRelu: return std::sqrt(2 / (1 + slope * slope));
    case Nonlinearity::Selu: return 0.75;
  }
  return 1;
}

Tensor uniform_(const Tensor& x, double from, double to) {
  NoGradGuard no_grad;
  return x.uniform_(from, to);
}

Tensor normal_(const Tensor& x, double mean, double std) {
  NoGradGuard no_grad;
  return x.normal_(mean, std);
}

Tensor trunc_normal_(const Tensor& x, double mean, double std, double a, double b) {
  check<ValueError>(std > 0 && a < b, "trunc_normal_: std {} must be positive and the bounds {} and {} in order", std, a, b);
  NoGradGuard no_grad;
  const auto below = [&](double v) { return (1 + std::erf((v - mean) / std / std::sqrt(2.0))) / 2; };
  x.uniform_(2 * below(a) - 1, 2 * below(b) - 1);
  std::vector<double> values = x.to_vector<double>();
  for (double& v : values) v = std::clamp(erfinv(v) * std * std::sqrt(2.0) + mean, a, b);
  return x.copy_(from_vector(values, x.shape()));
}

Tensor constant_(const Tensor& x, double value) {
  NoGradGuard no_grad;
  return x.fill_(value);
}
Tensor ones_(const Tensor& x) { return constant_(x, 1); }
Tensor zeros_(const Tensor& x) { return constant_(x, 0); }

Tensor eye_(const Tensor& x) {
  check<ShapeError>(x.dim() == 2, "eye_: shape {} is no matrix", x.shape());
  NoGradGuard no_grad;
  return x.copy_(eye(x.size(0), x.size(1), {.dtype = x.dtype()}));
}

Tensor xavier_uniform_(const Tensor& x, double gain) {
  const Fans f = fans("xavier_uniform_", x);
  const double bound = std::sqrt(3.0) * gain * std::sqrt(2 / (f.in + f.out));
  return uniform_(x, -bound, bound);
}

Tensor xavier_normal_(const Tensor& x, double gain) {
  const Fans f = fans("xavier_normal_", x);
  return normal_(x, 0, gain * std::sqrt(2 / (f.in + f.out)));
}

Tensor kaiming_uniform_(const Tensor& x, double a, Fan mode, Nonlinearity nonlinearity) {
  const double std = calculate_gain(nonlinearity, a) / std::sqrt(fan_of("kaiming_uniform_", x, mode));
  return uniform_(x, -std::sqrt(3.0) * std, std::sqrt(3.0) * std);
}

Tensor kaiming_normal_(const Tensor& x, double a, Fan mode, Nonlinearity nonlinearity) {
  return normal_(x, 0, calculate_gain(nonlinearity, a) / std::sqrt(fan_of("kaiming_normal_", x, mode)));
}

Tensor sparse_(const Tensor& x, double sparsity, double std) {
  check<ShapeError>(x.dim() == 2, "sparse_: shape {} is no matrix", x.shape());
  check<ValueError>(sparsity >= 0 && sparsity <= 1, "sparse_: sparsity {} is not a share; give 0 to 1", sparsity);
  NoGradGuard no_grad;
  x.normal_(0, std);
  const int64_t rows = x.size(0), zeros = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  for (int64_t column = 0; column < x.size(1); ++column) x.index_put_({randperm(rows).narrow(0, 0, zeros), column}, 0);
  return x;
}

Tensor orthogonal_(const Tensor& x, double gain) {
  fans("orthogonal_", x);
  NoGradGuard no_grad;
  const int64_t rows = x.size(0), columns = x.numel() / std::max<int64_t>(rows, 1);
  const Tensor flat = empty({rows, columns}, {.dtype = x.dtype()}).normal_();
  const bool wide = rows < columns;
  const int64_t m = wide ? columns : rows, n = wide ? rows : columns;
  const std::vector<double> q = orthonormal_columns((wide ? flat.t() : flat).to_vector<double>(), m, n);
  const Tensor columns_of_q = from_vector(q, {m, n});
  return x.copy_(((wide ? columns_of_q.t() : columns_of_q) * gain).reshape(x.shape()));
}

}  // namespace gradus::nn::init
