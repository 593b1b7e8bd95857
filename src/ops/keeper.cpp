#include "ops/keeper.h"

#include <memory>

#include "autograd/tensor_impl.h"

namespace gradus {

kernels::Keeper keeper_of(const Tensor& weight, bool is_inference) {
  const kernels::Keeper none{.is_inference = is_inference};
  if (!weight.defined() || weight.dtype() != DType::Float32) return none;
  Storage& storage = *weight.impl()->storage;
  if (storage.is_lent()) return none;
  Attachment* kept = storage.attachment();
  if (!kept) kept = storage.attach(std::make_unique<kernels::KeptWeights>());
  return {static_cast<kernels::KeptWeights*>(kept), storage.version(), is_inference};
}

}  // namespace gradus
