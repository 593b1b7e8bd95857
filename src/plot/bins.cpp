#include "plot/bins.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace gradus::plot {

Bins count_in_bins(const std::vector<double>& values, int64_t bins) {
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite), [](double v) { return std::isfinite(v); });
  if (finite.empty()) return {};
  auto [low, high] = std::ranges::minmax(finite);
  if (low == high) low -= 0.5, high += 0.5;
  const auto n = static_cast<double>(bins);
  const double width = high / n - low / n;  // high - low may be beyond double
  Bins result{std::vector<double>(static_cast<size_t>(bins)), std::vector<double>(static_cast<size_t>(bins))};
  for (size_t i = 0; i < result.centres.size(); ++i) result.centres[i] = low + width * (static_cast<double>(i) + 0.5);
  for (double v : finite) {
    const double place = width > 0 ? (v / n - low / n) / width * n : 0;
    ++result.counts[static_cast<size_t>(std::clamp(place, 0.0, n - 1))];
  }
  return result;
}

}  // namespace gradus::plot
