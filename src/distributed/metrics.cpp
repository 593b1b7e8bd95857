#include "gradus/distributed/metrics.h"

#include <cstdint>
#include <vector>

#include "gradus/creation.h"

namespace gradus::distributed {
namespace {

template <class T>
std::vector<T> sums(const Session& session, const std::vector<T>& own) {
  return session.all_reduce(from_vector(own, {static_cast<int64_t>(own.size())})).template to_vector<T>();
}

}  // namespace

void all_reduce(const Session& session, train::Mean& mean) {
  const auto all = sums<double>(session, {mean.sum(), mean.weight()});
  mean.load_state_dict({{"sum", all[0]}, {"weight", all[1]}});
}

void all_reduce(const Session& session, train::Accuracy& accuracy) {
  const auto all = sums<int64_t>(session, {accuracy.correct(), accuracy.total()});
  accuracy.load_state_dict({{"correct", all[0]}, {"total", all[1]}});
}

void all_reduce(const Session& session, text::ErrorRate& errors) {
  const auto& e = errors.edits;
  const auto all = sums<int64_t>(
      session, {e.matches, e.substitutions, e.insertions, e.deletions, errors.reference_length, errors.sequences, errors.wrong_sequences});
  errors = {{all[0], all[1], all[2], all[3]}, all[4], all[5], all[6]};
}

}  // namespace gradus::distributed
