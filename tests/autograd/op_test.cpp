#include "autograd/op.h"

#include <doctest/doctest.h>

#include <string>

#include "gradus/creation.h"
#include "gradus/error.h"

using gradus::Tensor;

TEST_CASE("an operation's name stands once, before what it refuses and in the graph") {
  constexpr gradus::Op op("twice", "mul");
  const Tensor x = gradus::ones({2}, {.requires_grad = true});
  CHECK_THROWS_WITH_AS(op.check<gradus::ShapeError>(false, "shape {} is {}", x.shape(), "odd"), "twice: shape [2] is odd",
                       gradus::ShapeError);
  CHECK_NOTHROW(op.check<gradus::ShapeError>(true, "shape {}", x.shape()));
  CHECK_THROWS_AS(op.takes(x, Tensor()), gradus::StateError);
  const Tensor y = op.record(op.empty({2}, x.dtype()), gradus::wrt(x, [](const Tensor& dy) { return dy; }));
  CHECK(gradus::node_display_name(y.impl()->grad_fn->name) == "MulBackward0");
}
