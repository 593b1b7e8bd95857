#include <doctest/doctest.h>

#include <vector>

#include "gradus/creation.h"
#include "gradus/dtype.h"

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

TEST_CASE("rows that are cut over threads in the middle of a dimension are all there") {
  check_permuted<float>(DType::Float32, {300, 7, 90}, {1, 0, 2});
  check_permuted<double>(DType::Float64, {5, 300, 3, 20}, {2, 1, 0, 3});
  const Tensor x = arange(7 * 301 * 91).to(float32).reshape({7, 301, 91}).narrow(1, 1, 300).narrow(2, 0, 90);
  const Tensor row = arange(90).to(float32), column = arange(2100).to(float32).reshape({7, 300, 1});
  const auto sum = (x + row + column).to_vector<float>();
  size_t wrong = 0;
  for (int64_t i = 0, at = 0; i < 7; ++i)
    for (int64_t j = 0; j < 300; ++j)
      for (int64_t k = 0; k < 90; ++k)
        wrong += sum[static_cast<size_t>(at++)] != static_cast<float>((i * 301 + j + 1) * 91 + k + k + i * 300 + j);
  CHECK(wrong == 0);
}

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
