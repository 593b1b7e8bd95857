#pragma once

#include <any>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// Hooks by their ids, which are in the order of registration.
struct Hooks {
  std::map<int64_t, ForwardPreHook> before;
  std::map<int64_t, ForwardHook> after;
  std::map<int64_t, BackwardHook> backward;
  int64_t next_id = 0;
};

namespace detail {

/// A tensor's place in a module: its entry in the registry, and the members that stand for it in the handles to the module.
struct ParameterSlot {
  std::mutex mutex;
  Tensor tensor;
  std::vector<Parameter*> members;
  std::weak_ptr<ModuleState> owner;  // none: not registered
  bool is_buffer = false;
  /// A handle to the owner was just assigned a handle to this module, and its members, of which one is this slot's, follow.
  const ModuleState* left_for = nullptr;
};

using Slots = std::vector<std::pair<std::string, std::shared_ptr<ParameterSlot>>>;

/// What all handles to a module share.
struct ModuleState : std::enable_shared_from_this<ModuleState> {
  std::string name;                                      // what it prints under; empty: the C++ type
  std::atomic<const std::type_info*> cpp_type{nullptr};  // found when it is first needed, by any thread
  const std::type_info* registered_as = nullptr;         // the C++ type that registered something, perhaps a base of the one above
  std::string details;
  bool training = true;
  Slots parameters;
  Slots buffers;
  std::vector<std::pair<std::string, Module>> children;
  std::any contents;
  Hooks hooks;

  // The tree upwards. Modules of several threads may share a child, so these, and changes of children, are guarded by tree_mutex.
  std::vector<std::weak_ptr<ModuleState>> parents;

  std::atomic<bool> is_noted{false};  // note_call was told

  static ModuleState* of(const Module& module) noexcept { return module.state_.get(); }
  /// Where the module's pointer to it lies.
  static const void* handle_in(const Module& module) noexcept { return &module.state_; }
};

/// "my_models::Encoder<int>" to "Encoder": what stands behind the last "::" outside brackets, without template arguments.
std::string readable(const std::type_info& type);

/// Guards the tree upwards.
extern constinit std::mutex tree_mutex;
/// Makes `parent` one of the parents of `child`. The caller holds tree_mutex.
void add_parent(ModuleState& child, const std::shared_ptr<ModuleState>& parent);
/// "decoder.out": how the modules around `module` name it, those among `active` first; empty for a module without parents. The caller
/// holds tree_mutex.
std::string path_of(const ModuleState& module, const std::vector<const ModuleState*>& active);

/// Remembers that a module was called, so that the first step of an optimizer can see whether somebody trains it.
void note_call(ModuleState& module);

}  // namespace detail
}  // namespace gradus::nn
