#include "inspect/statistics.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/dispatch.h"

namespace gradus::inspect {
namespace {

/// Totals of one row after the other: long sums of short ones keep their digits.
template <class T>
class Totals {
 public:
  void add_row(const T* row, int64_t count, int64_t stride) {
    long double sum = 0;  // has room for the sum of the largest numbers
    for (int64_t i = 0; i < count; ++i) {
      const T value = row[i * stride];
      if constexpr (std::is_floating_point_v<T>) {
        if (std::isnan(value)) {
          ++nans_;
          continue;
        }
      }
      sum += static_cast<long double>(value);
      if (is_first_ || value < min_) min_ = value;
      if (is_first_ || value > max_) max_ = value;
      is_first_ = false;
    }
    sum_ += sum;
  }

  Statistics result(int64_t elements) const {
    using Exact = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
    Statistics s{.elements = elements, .nans = nans_};
    s.min = static_cast<Exact>(min_);
    s.max = static_cast<Exact>(max_);
    if (s.has_numbers()) s.mean = static_cast<double>(sum_ / static_cast<long double>(elements - nans_));
    return s;
  }

 private:
  bool is_first_ = true;
  T min_{}, max_{};
  long double sum_ = 0;
  int64_t nans_ = 0;
};

/// Calls f(begin, count, stride) for each row of the last dimension.
template <class T, class F>
void for_each_row(const T* begin, const Shape& shape, const Strides& strides, int64_t dim, F& f) {
  if (shape.empty()) return f(begin, int64_t{1}, int64_t{1});
  if (dim == shape.size() - 1) return f(begin, shape[dim], strides[dim]);
  for (int64_t i = 0; i < shape[dim]; ++i) for_each_row(begin + i * strides[dim], shape, strides, dim + 1, f);
}

}  // namespace

Statistics statistics_of(const Tensor& x) {
  return dispatch(x.dtype(), [&]<class T>() {
    Totals<T> totals;
    const auto add = [&](const T* row, int64_t count, int64_t stride) { totals.add_row(row, count, stride); };
    if (x.numel() > 0) {
      // A contiguous tensor is cut into pieces, as its rows may be short.
      constexpr int64_t piece = 1 << 12;
      const T* const begin = x.data<T>();
      if (x.is_contiguous())
        for (int64_t i = 0; i < x.numel(); i += piece) add(begin + i, std::min(piece, x.numel() - i), 1);
      else for_each_row(begin, x.shape(), x.strides(), 0, add);
    }
    return totals.result(x.numel());
  });
}

}  // namespace gradus::inspect
