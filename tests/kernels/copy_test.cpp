#include <doctest/doctest.h>

#include <vector>

#include "gradus/gradus.h"

namespace gradus {
namespace {

/// Whether contiguous() of a permuted tensor has the element [k, j, i] of x at [i, j, k] and so on.
template <class T>
void check_permuted(DType dtype, const Shape& shape, const Dims& dims) {
  const Tensor x = arange(shape.numel()).to(dtype).reshape(shape);
  const Tensor view = x.permute(dims), copied = view.contiguous();
  const auto values = copied.to_vector<T>();
  std::vector<int64_t> at(static_cast<size_t>(view.dim()), 0);
  size_t wrong = 0;
  for (const T value : values) {
    int64_t expected = 0;
    for (int64_t d = 0; d < view.dim(); ++d) expected += at[static_cast<size_t>(d)] * view.stride(d);
    wrong += value != static_cast<T>(expected);
    for (int64_t d = view.dim() - 1; d >= 0; --d) {
      if (++at[static_cast<size_t>(d)] < view.size(d)) break;
      at[static_cast<size_t>(d)] = 0;
    }
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("a transposed copy has every element in its place, whatever the sizes and the dtype") {
  for (const Shape& shape : {Shape{64, 48}, Shape{17, 33}, Shape{3, 100}, Shape{100, 3}, Shape{129, 1000}}) {
    check_permuted<float>(DType::Float32, shape, {1, 0});
    check_permuted<double>(DType::Float64, shape, {1, 0});
    check_permuted<int64_t>(DType::Int64, shape, {1, 0});
  }
  for (const Dims& dims : {Dims{2, 1, 0}, Dims{0, 2, 1}, Dims{1, 2, 0}, Dims{2, 0, 1}, Dims{1, 0, 2}})
    check_permuted<float>(DType::Float32, {5, 34, 21}, dims);
}

}  // namespace gradus
