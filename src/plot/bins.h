#pragma once

#include <cstdint>
#include <vector>

namespace gradus::plot {

/// How many numbers lie in each of some bins of equal width.
struct Bins {
  std::vector<double> centres, counts;
};

/// Counts the finite ones of the numbers in bins from the smallest to the largest, which belongs to the last bin, as numpy.histogram does;
/// around a single number the bins reach 0.5 to both sides. No bins where there is nothing to count.
Bins count_in_bins(const std::vector<double>& values, int64_t bins);

}  // namespace gradus::plot
