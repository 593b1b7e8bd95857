#include "ops/op_test.h"

#include "gradus/ops/reduction.h"

namespace op_test {

void check_gradients(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs) {
  const auto all = [&](const Tensors& in) { return Tensors{f(in)}; };
  CHECK(gradus::autograd::gradcheck(all, inputs));
  CHECK(gradus::autograd::gradgradcheck(all, inputs));
}

Tensor gradient(const Tensor& y, const Tensor& x, const Tensor& weights, bool create_graph) {
  return gradus::autograd::grad({y}, {x}, {weights}, {.create_graph = create_graph})[0];
}

void check_equal(const Tensor& x, const Tensor& y) {
  REQUIRE(x.shape().str() == y.shape().str());
  CHECK(gradus::allclose(x, y, 0, 0, true));
}

}  // namespace op_test
