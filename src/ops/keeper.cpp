#include "ops/keeper.h"

#include <memory>

#include "autograd/checkpoint.h"
#include "autograd/tensor_impl.h"
#include "gradus/autograd.h"

namespace gradus {

kernels::Keeper keeper_of(const Tensor& weight) {
  const bool is_inference = !is_grad_enabled() && !autograd::runs_twice();
  const kernels::Keeper none{.is_inference = is_inference};
  if (!weight.defined() || weight.dtype() != DType::Float32) return none;
  Storage& storage = *weight.impl()->storage;
  Attachment* attached = storage.attachment();
  if (!attached && !storage.is_lent()) attached = storage.attach(std::make_unique<kernels::KeptWeights>());
  auto* const kept = static_cast<kernels::KeptWeights*>(attached);
  if (!storage.is_lent()) return {kept, storage.version(), is_inference};
  if (kept) kept->clear();
  return none;
}

}  // namespace gradus
