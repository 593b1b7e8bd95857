#pragma once

#include <any>
#include <atomic>
#include <map>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// Hooks by their ids, which are in the order of registration.
struct Hooks {
  std::map<int64_t, ForwardPreHook> before;
  std::map<int64_t, ForwardHook> after;
  std::map<int64_t, BackwardHook> backward;
  int64_t next_id = 0;
};

/// What all handles to a module share.
struct Module::State {
  std::string name;                                      // what it prints under; empty: the C++ type
  std::atomic<const std::type_info*> cpp_type{nullptr};  // found when it is first needed, by any thread
  std::string details;
  bool training = true;
  StateDict parameters;
  StateDict buffers;
  std::vector<std::pair<std::string, Module>> children;
  std::any contents;
  Hooks hooks;
};

}  // namespace gradus::nn
