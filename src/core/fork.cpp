#include "core/fork.h"

#include <pthread.h>

#include <array>
#include <cstddef>

namespace gradus {
namespace {

constexpr auto places = static_cast<std::size_t>(ForkOrder::Count);
constinit std::array<ForkSteps, places> all{};

void run(void (*step)()) {
  if (step) step();
}

void before() {
  for (const ForkSteps& steps : all) run(steps.before);
}

void after() {
  for (std::size_t i = places; i-- > 0;) run(all[i].after);
}

void in_child() {
  after();
  for (const ForkSteps& steps : all) run(steps.in_child);
}

}  // namespace

bool at_fork(ForkOrder place, ForkSteps steps) noexcept {
  static const bool registered = pthread_atfork(before, after, in_child) == 0;
  all[static_cast<std::size_t>(place)] = steps;
  return registered;
}

}  // namespace gradus
