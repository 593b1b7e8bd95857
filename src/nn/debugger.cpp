#include "nn/debugger.h"

#include "nn/module_state.h"

namespace gradus::nn {

static int64_t between(const void* object, const void* member) {
  return static_cast<const char*>(member) - static_cast<const char*>(object);
}

static ModulePlaces module_places() {
  const detail::ModuleState state;
  const detail::ParameterSlot slot;
  const std::pair<std::string, std::shared_ptr<detail::ParameterSlot>> slot_pair;
  const std::pair<std::string, Module> child_pair;
  return {.state = between(&child_pair.second, detail::ModuleState::handle_in(child_pair.second)),
          .name = between(&state, &state.name),
          .cpp_type = between(&state, &state.cpp_type),
          .details = between(&state, &state.details),
          .training = between(&state, &state.training),
          .parameters = between(&state, &state.parameters),
          .buffers = between(&state, &state.buffers),
          .children = between(&state, &state.children),
          .slot_pair_size = sizeof(slot_pair),
          .slot_in_pair = between(&slot_pair, &slot_pair.second),
          .tensor_in_slot = between(&slot, &slot.tensor),
          .child_pair_size = sizeof(child_pair),
          .child_in_pair = between(&child_pair, &child_pair.second)};
}

}  // namespace gradus::nn

const gradus::nn::ModulePlaces gradus_module_places = gradus::nn::module_places();
