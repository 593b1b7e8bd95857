#include "parity/compare.h"

#include <algorithm>
#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"

namespace gradus::parity {
namespace {

bool close(double a, double b, double rtol, double atol) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= atol + rtol * std::fabs(b);
}

}  // namespace

std::string difference(const Tensor& ours, const Expected& expected) {
  const Tensor& theirs = expected.value;
  if (!ours.defined()) return "undefined";
  if (ours.shape() != theirs.shape()) return "shape " + ours.shape().str() + " instead of " + theirs.shape().str();
  if (ours.dtype() != theirs.dtype())
    return std::string("dtype ") + std::string(name(ours.dtype())) + " instead of " + std::string(name(theirs.dtype()));
  const bool narrow = theirs.dtype() == DType::Float32, exact = !is_floating_point(theirs.dtype());
  const double rtol = exact ? 0 : narrow ? 1.3e-6 : 1e-7, atol = exact ? 0 : narrow ? 1e-5 : 1e-7;
  const std::vector<double> a = ours.to_vector<double>(), b = theirs.to_vector<double>();
  const std::vector<double> truth = expected.truth.defined() ? expected.truth.to_vector<double>() : std::vector<double>();
  for (size_t i = 0; i < a.size(); ++i) {
    if (close(a[i], b[i], rtol, atol)) continue;
    if (!truth.empty() && (std::fabs(a[i] - truth[i]) <= expected.error || static_cast<double>(static_cast<float>(truth[i])) == a[i]))
      continue;
    return "element " + std::to_string(i) + " is " + std::to_string(a[i]) + " instead of " + std::to_string(b[i]);
  }
  return "";
}

std::string place_difference(const Tensor& x, int64_t dim, const Tensor& ours, const Tensor& theirs) {
  if (difference(ours, {theirs}).empty()) return "";
  if (ours.shape() != theirs.shape() || ours.dtype() != theirs.dtype()) return difference(ours, {theirs});
  const Tensor in_order = sort(ours, dim).values;
  const int64_t last = ours.dim() == 0 ? 0 : ours.size(dim) - 1;
  if (last > 0 && any(in_order.narrow(dim, 0, last).eq(in_order.narrow(dim, 1, last))).item<bool>()) return "one place twice";
  return difference(gather(x.detach(), dim, ours), {gather(x.detach(), dim, theirs)});
}

std::string dropout_difference(const Tensor& x, const Tensor& y, double p) {
  if (x.shape() != y.shape()) return "shape " + y.shape().str() + " instead of " + x.shape().str();
  const std::vector<double> from = x.to_vector<double>(), to = y.to_vector<double>();
  double zeros = 0, countable = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    if (to[i] != 0 && !close(to[i], from[i] / (1 - p), 1e-5, 1e-6)) return "element " + std::to_string(i) + " is neither 0 nor x / (1 - p)";
    if (from[i] == 0) continue;
    zeros += to[i] == 0;
    ++countable;
  }
  const double spread = 5 * std::sqrt(countable * p * (1 - p)) + 1;
  if (std::fabs(zeros - countable * p) > spread) return std::to_string(zeros) + " zeros of " + std::to_string(countable);
  return "";
}

}  // namespace gradus::parity
