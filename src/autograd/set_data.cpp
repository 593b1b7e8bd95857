#include "autograd/set_data.h"

#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "gradus/autograd.h"

namespace gradus {

void set_data(const Tensor& x, const Tensor& value) {
  TensorImpl& target = impl_of("set_data", x);
  const TensorImpl& source = impl_of("set_data", value);
  check<AutogradError>(x.is_leaf(), "set_data: the tensor is a result of {}; only leaves take new data", x.grad_fn());
  follow_base(x);
  NoGradGuard no_grad;
  if (target.sink) {
    Tensor grad = target.sink->grad();
    const bool same_shape = target.layout.shape == source.layout.shape;
    if (grad.defined()) grad = same_shape ? grad.detach().to_dense().to(value.dtype()) : Tensor();
    // A graph that was recorded before leads to the sink, as do hooks; it has no way to gradients of another shape.
    if (same_shape) target.sink->set_dtype(source.dtype);
    else target.sink = Ref<GradSink>(new GradSink(source.layout.shape, source.dtype));
    target.sink->set(grad);
  }
  source.storage->succeed(*target.storage);
  target.storage = source.storage;
  target.layout = source.layout;
  target.dtype = source.dtype;
  target.contiguous = source.contiguous;
  target.numel = source.numel;
}

}  // namespace gradus
