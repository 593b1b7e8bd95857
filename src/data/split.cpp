#include "gradus/data/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/joined.h"
#include "core/random.h"
#include "gradus/creation.h"

namespace gradus::data::detail {
namespace {

using Indices = std::vector<int64_t>;

/// 0 … n - 1 in a random order, as PyTorch's randperm gives it.
Indices permutation(int64_t n, const std::optional<uint64_t>& seed) {
  if (!seed) return randperm(n).to_vector<int64_t>();
  Generator own(*seed);
  const GeneratorScope scope(own);
  return randperm(n).to_vector<int64_t>();
}

void check_fractions(const char* op, const std::vector<double>& fractions) {
  check<ValueError>(!fractions.empty(), "{}: no parts; give the fraction of each", op);
  double sum = 0;
  for (size_t i = 0; i < fractions.size(); ++i) {
    check<ValueError>(fractions[i] >= 0 && fractions[i] <= 1, "{}: fraction {} of part {} is not in [0, 1]", op, fractions[i], i);
    sum += fractions[i];
  }
  check<ValueError>(std::abs(sum - 1) <= 1e-9, "{}: the fractions {} add up to {}, not to 1", op, joined(fractions, ", "), sum);
}

}  // namespace

void check_subset(const Indices& indices, int64_t examples) {
  for (size_t k = 0; k < indices.size(); ++k)
    check<IndexError>(indices[k] >= 0 && indices[k] < examples, "Subset: index {} at {} is out of range for {} examples", indices[k], k,
                      examples);
}

void refuse_moved_subset() { fail<StateError>("Subset: it was moved from; use the one that it was moved to"); }

std::vector<Indices> split_indices(int64_t examples, const Indices& lengths, const std::optional<uint64_t>& seed) {
  check<ValueError>(!lengths.empty(), "random_split: no parts; give the length of each");
  int64_t left = examples;
  for (size_t i = 0; i < lengths.size(); ++i) {
    check<ValueError>(lengths[i] >= 0, "random_split: the length of part {} is {}; it must be at least 0", i, lengths[i]);
    if (lengths[i] > left)
      fail<ValueError>("random_split: the lengths {} add up to more than the {} examples", joined(lengths, ", "), examples);
    left -= lengths[i];
  }
  check<ValueError>(left == 0, "random_split: the lengths {} add up to {}, but there are {} examples", joined(lengths, ", "),
                    examples - left, examples);
  const Indices order = permutation(examples, seed);
  std::vector<Indices> parts;
  auto from = order.begin();
  for (const int64_t length : lengths) {
    parts.emplace_back(from, from + length);
    from += length;
  }
  return parts;
}

std::vector<Indices> split_indices(int64_t examples, const std::vector<double>& fractions, const std::optional<uint64_t>& seed) {
  check_fractions("random_split", fractions);
  Indices lengths;
  int64_t left = examples;
  for (const double fraction : fractions) {
    lengths.push_back(std::min(static_cast<int64_t>(std::floor(static_cast<double>(examples) * fraction)), left));
    left -= lengths.back();
  }
  for (size_t i = 0; left > 0; ++i, --left) ++lengths[i % lengths.size()];
  return split_indices(examples, lengths, seed);
}

std::vector<Indices> split_groups(const Indices& groups, int64_t count, const std::vector<double>& fractions,
                                  const std::optional<uint64_t>& seed) {
  check_fractions("group_split", fractions);
  std::vector<Indices> members(static_cast<size_t>(count));
  for (size_t i = 0; i < groups.size(); ++i) members[static_cast<size_t>(groups[i])].push_back(static_cast<int64_t>(i));
  std::vector<double> ends(fractions.size());  // of the parts, in examples
  std::partial_sum(fractions.begin(), fractions.end(), ends.begin());
  for (double& end : ends) end *= static_cast<double>(groups.size());
  // A part of fraction 0 has no examples, not even at the end, where the sum may be a little less than 1.
  size_t last = fractions.size() - 1;
  while (fractions[last] == 0) --last;
  std::vector<Indices> parts(fractions.size());
  int64_t done = 0;
  size_t part = 0;
  for (const int64_t group : permutation(count, seed)) {
    const Indices& examples = members[static_cast<size_t>(group)];
    const double middle = static_cast<double>(done) + static_cast<double>(examples.size()) / 2;
    while (part < last && middle >= ends[part]) ++part;
    parts[part].insert(parts[part].end(), examples.begin(), examples.end());
    done += static_cast<int64_t>(examples.size());
  }
  return parts;
}

}  // namespace gradus::data::detail
