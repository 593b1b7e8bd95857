#include "distributed/nonzero_rows.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/ops/indexing.h"

namespace gradus::distributed {
namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

/// Whether n elements are 0, and none -0: of what is left behind all ranks must have the same bits.
template <class T>
bool is_zero(const T* x, int64_t n) {
  Bits<T> any = 0;
  for (int64_t i = 0; i < n; ++i) any |= std::bit_cast<Bits<T>>(x[i]);
  return any == 0;
}

/// The same, where most have something at the beginning.
template <class T>
bool is_zero_row(const T* x, int64_t n) {
  constexpr int64_t few = 32;
  return is_zero(x, std::min(n, few)) && (n <= few || is_zero(x + few, n - few));
}

template <class T>
std::vector<int64_t> find_rows(const Tensor& x) {
  std::vector<int64_t> found;
  const int64_t rows = x.size(0), width = rows == 0 ? 0 : x.numel() / rows;
  for (int64_t i = 0; i < rows; ++i)
    if (!is_zero_row(x.data<T>() + i * width, width)) found.push_back(i);
  return found;
}

std::vector<int64_t> find(const Tensor& x) { return x.dtype() == float32 ? find_rows<float>(x) : find_rows<double>(x); }

template <class T>
void put(const Tensor& x, const int64_t* at, const Tensor& values) {
  const int64_t n = values.size(0), width = n == 0 ? 0 : values.numel() / n;
  for (int64_t i = 0; i < n; ++i) std::copy_n(values.data<T>() + i * width, width, x.data<T>() + at[i] * width);
}

}  // namespace

int64_t count_nonzero_rows(const Tensor& x) { return static_cast<int64_t>(find(x.contiguous()).size()); }

Tensor nonzero_rows(const Tensor& x) {
  const Tensor dense = x.contiguous();
  const std::vector<int64_t> found = find(dense);
  const Tensor rows = from_vector(found, {static_cast<int64_t>(found.size())});
  return sparse_coo_tensor(rows, index_select(dense, 0, rows), x.shape()).coalesce();
}

void put_rows(const Tensor& x, const Tensor& rows) {
  const Tensor at = rows.indices().contiguous(), values = rows.values().contiguous();
  if (x.dtype() == float32) put<float>(x, at.data<int64_t>(), values);
  else put<double>(x, at.data<int64_t>(), values);
}

}  // namespace gradus::distributed
