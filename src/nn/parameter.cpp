#include "gradus/nn/parameter.h"

#include <algorithm>
#include <unordered_map>

#include "core/check.h"
#include "gradus/autograd.h"
#include "nn/module_state.h"

namespace gradus::nn {

using detail::ParameterSlot;

Parameter::Parameter(const Tensor& tensor) : Tensor(tensor) {
  if (!defined()) return;
  slot_ = detail::Shared(std::make_shared<ParameterSlot>());
  slot_->tensor = tensor;
  join();
}

// join takes the tensor, under the slot's lock.  NOLINTNEXTLINE(bugprone-copy-constructor-init)
Parameter::Parameter(const Parameter& other) : Tensor(), slot_(other.slot_) { join(); }
Parameter::Parameter(Parameter&& other) noexcept { take(other); }
Parameter::~Parameter() { leave(); }

Parameter& Parameter::operator=(const Parameter& other) {
  if (this == &other) return *this;
  const bool with_module = is_assigned_with_its_module(other);
  if (is_registered() && other.defined() && !with_module) put_in_place(other);
  else follow(other);
  return *this;
}

/// What is about to end stands for no module that its user sees, unless a whole module is assigned: so a registered `other` is followed.
Parameter& Parameter::operator=(Parameter&& other) {  // NOLINT(performance-noexcept-move-constructor)
  if (this == &other) return *this;
  const bool with_module = is_assigned_with_its_module(other);
  if (is_registered() && other.defined() && !other.is_registered() && !with_module) {
    put_in_place(other);
  } else {
    leave();
    take(other);
  }
  return *this;
}

bool Parameter::is_registered() const noexcept { return slot_ && !slot_->owner.expired(); }

bool Parameter::is_assigned_with_its_module(const Parameter& other) const {
  if (!slot_) return false;
  std::unique_lock lock(slot_->mutex);
  const detail::ModuleState* target = std::exchange(slot_->left_for, nullptr);
  lock.unlock();
  return target && (!other.slot_ || other.slot_->owner.lock().get() == target);
}

/// Makes the tensor of `other` the one of this slot, for all who follow it.
void Parameter::put_in_place(const Parameter& other) {
  const Tensor& tensor = other;
  check<AutogradError>(tensor.is_leaf(), "Parameter: the tensor assigned is a result of {}; assign its detach()", tensor.grad_fn());
  if (!slot_->is_buffer && !other.is_registered()) tensor.requires_grad_();
  std::lock_guard lock(slot_->mutex);
  slot_->tensor = tensor;
  for (Parameter* member : slot_->members) static_cast<Tensor&>(*member) = tensor;
}

void Parameter::follow(const Parameter& other) {
  const detail::Shared<ParameterSlot> slot = other.slot_;
  leave();
  slot_ = slot;
  join();
}

void Parameter::take(Parameter& other) noexcept {
  slot_ = std::move(other.slot_);
  if (!slot_) return;
  std::lock_guard lock(slot_->mutex);
  std::replace(slot_->members.begin(), slot_->members.end(), &other, this);
  static_cast<Tensor&>(*this) = std::move(static_cast<Tensor&>(other));
}

void Parameter::join() {
  if (!slot_) return;
  std::lock_guard lock(slot_->mutex);
  slot_->members.push_back(this);
  static_cast<Tensor&>(*this) = slot_->tensor;
}

void Parameter::leave() noexcept {
  if (!slot_) return;
  std::unique_lock lock(slot_->mutex);
  auto& members = slot_->members;
  // Copies go in about the order opposite to that in which they came.
  const auto found = std::find(members.rbegin(), members.rend(), this);
  if (found != members.rend()) {
    *found = members.back();
    members.pop_back();
  }
  lock.unlock();
  slot_ = {};
  static_cast<Tensor&>(*this) = Tensor();
}

namespace detail {

/// Originals and their copies. A copy is entered as its own copy, for constructors that copy what they have just copied.
struct CloneScope::Map {
  std::unordered_map<const void*, std::shared_ptr<ModuleState>> states;
  std::unordered_map<const void*, std::shared_ptr<ParameterSlot>> slots;
  std::unordered_map<const TensorImpl*, Tensor> tensors;

  Tensor copy(const Tensor& x) {
    if (!x.defined()) return x;
    if (const auto found = tensors.find(x.impl()); found != tensors.end()) return found->second;
    NoGradGuard no_grad;
    const Tensor fresh = x.detach().clone();
    if (x.requires_grad()) fresh.requires_grad_();
    tensors.emplace(x.impl(), fresh);
    return fresh;
  }

  std::shared_ptr<ParameterSlot> copy(const std::shared_ptr<ParameterSlot>& slot) {
    if (const auto found = slots.find(slot.get()); found != slots.end()) return found->second;
    auto fresh = std::make_shared<ParameterSlot>();
    slots.emplace(slot.get(), fresh);
    slots.emplace(fresh.get(), fresh);
    std::lock_guard lock(slot->mutex);
    fresh->tensor = copy(slot->tensor);
    fresh->is_buffer = slot->is_buffer;
    return fresh;
  }

  std::shared_ptr<ModuleState> copy(const std::shared_ptr<ModuleState>& state) {
    if (const auto found = states.find(state.get()); found != states.end()) return found->second;
    auto fresh = std::make_shared<ModuleState>();
    states.emplace(state.get(), fresh);
    states.emplace(fresh.get(), fresh);
    fresh->name = state->name;
    fresh->cpp_type = state->cpp_type.load();
    fresh->details = state->details;
    fresh->training = state->training;
    const auto copies = [&](const Slots& from, Slots& to) {
      for (const auto& [name, slot] : from) {
        to.emplace_back(name, copy(slot));
        to.back().second->owner = fresh;
      }
    };
    copies(state->parameters, fresh->parameters);
    copies(state->buffers, fresh->buffers);
    for (const auto& [name, child] : state->children) {
      Module copied = child;  // asks this map again
      std::lock_guard lock(tree_mutex);
      fresh->children.emplace_back(name, std::move(copied));
      add_parent(*ModuleState::of(fresh->children.back().second), fresh);
    }
    fresh->contents = state->contents;
    return fresh;
  }
};

static thread_local CloneScope::Map* active_map = nullptr;

CloneScope::CloneScope() : map_(std::make_unique<Map>()), before_(std::exchange(active_map, map_.get())) {}
CloneScope::~CloneScope() { active_map = before_; }

std::shared_ptr<ModuleState> aliased_or_cloned(const std::shared_ptr<ModuleState>& object) {
  return active_map && object ? active_map->copy(object) : object;
}
std::shared_ptr<ParameterSlot> aliased_or_cloned(const std::shared_ptr<ParameterSlot>& object) {
  return active_map && object ? active_map->copy(object) : object;
}

}  // namespace detail
}  // namespace gradus::nn
