#include "kernels/kept_weights.h"

#include <algorithm>
#include <mutex>
#include <type_traits>
#include <utility>

#include "core/fork.h"

namespace gradus::kernels {
namespace {

/// For all weights: it is held for a few instructions.
static_assert(std::is_trivially_destructible_v<std::mutex>);  // weights may be in static storage
constinit std::mutex mutex;
[[maybe_unused]] const bool prepared = at_fork(ForkOrder::Weights, {.before = [] { mutex.lock(); }, .after = [] { mutex.unlock(); }});

/// A weight is met in one or two forms forward and one backward; views of it would add theirs.
constexpr std::size_t most_forms = 8;

}  // namespace

void KeptWeights::clear() {
  std::vector<Entry> old;  // freed when the mutex is not held any more
  const std::lock_guard lock(mutex);
  old.swap(entries_);
}

KeptWeights::Found KeptWeights::look(uint32_t version, const Form& form) {
  std::vector<Entry> old;  // freed when the mutex is not held any more
  const std::lock_guard lock(mutex);
  if (version != version_) old.swap(entries_);
  version_ = version;
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.form == form; });
  if (at != entries_.end()) return {at->bytes, true};
  if (entries_.size() < most_forms) {
    entries_.push_back({form, nullptr});
  } else {  // in the place of one that was met once
    const auto once = std::find_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return !entry.bytes; });
    if (once != entries_.end()) once->form = form;
  }
  return {nullptr, false};
}

SharedBytes KeptWeights::keep(uint32_t version, const Form& form, SharedBytes made) {
  const std::lock_guard lock(mutex);
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.form == form; });
  if (version == version_ && at != entries_.end()) at->bytes = made;
  return made;
}

}  // namespace gradus::kernels
