#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gradus/data.h"

/// What tests of loaders and samplers read off them.
namespace data_test {

using Ints = std::vector<int64_t>;
using Batches = std::vector<Ints>;

/// The numbers 0 … n - 1, each an example.
struct Numbers {
  int64_t n;
  int64_t size() const { return n; }
  int64_t get(int64_t i) const { return i; }
};

inline Ints as_it_is(const Ints& examples) { return examples; }

inline auto numbers_loader(int64_t n, const gradus::data::LoaderOptions& options) {
  return gradus::data::DataLoader(Numbers{n}, options, as_it_is);
}

/// The batches of one loop over a loader that gives lists.
template <class Loader>
Batches epoch_of(Loader& loader) {
  Batches batches;
  for (auto& batch : loader) batches.push_back(batch);
  return batches;
}

/// The batches of a sampler's epoch.
template <class Sampler>
Batches batches_of(const Sampler& sampler, int64_t epoch) {
  const gradus::data::EpochBatches found = sampler.batches(epoch);
  Batches batches;
  for (int64_t i = 0; i < found.size(); ++i) batches.emplace_back(found[i].begin(), found[i].end());
  return batches;
}

inline bool same(const gradus::Tensor& a, const gradus::Tensor& b) {
  return a.shape() == b.shape() && a.to_vector<double>() == b.to_vector<double>();
}

inline Ints sorted(const Batches& batches) {
  Ints all;
  for (const Ints& b : batches) all.insert(all.end(), b.begin(), b.end());
  std::sort(all.begin(), all.end());
  return all;
}

inline Ints counted(int64_t n) {
  Ints all;
  for (int64_t i = 0; i < n; ++i) all.push_back(i);
  return all;
}

}  // namespace data_test
