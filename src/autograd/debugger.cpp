#include "autograd/debugger.h"

#include "autograd/tensor_impl.h"

namespace gradus {

static int64_t between(const void* object, const void* member) {
  return static_cast<const char*>(member) - static_cast<const char*>(object);
}

static TensorPlaces tensor_places() {
  const TensorImpl x(nullptr, Layout{}, DType::Float32);
  return {.storage = between(&x, &x.storage),
          .shape = between(&x, x.layout.shape.begin()),
          .rank = between(&x, x.layout.shape.begin() + Shape::max_rank),
          .strides = between(&x, x.layout.strides.begin()),
          .offset = between(&x, &x.layout.offset),
          .dtype = between(&x, &x.dtype),
          .grad_fn = between(&x, &x.grad_fn),
          .sink = between(&x, &x.sink),
          .data_in_storage = 64};
}

}  // namespace gradus

const gradus::TensorPlaces gradus_tensor_places = gradus::tensor_places();
