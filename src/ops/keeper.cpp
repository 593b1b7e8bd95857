#include "ops/keeper.h"

#include <memory>

#include "autograd/tensor_impl.h"

namespace gradus {

kernels::Keeper keeper_of(const Tensor& weight) {
  if (!weight.defined() || weight.dtype() != DType::Float32) return {};
  Storage& storage = *weight.impl()->storage;
  if (storage.is_lent()) return {};
  Attachment* kept = storage.attachment();
  if (!kept) kept = storage.attach(std::make_unique<kernels::KeptWeights>());
  return {static_cast<kernels::KeptWeights*>(kept), storage.version()};
}

}  // namespace gradus
