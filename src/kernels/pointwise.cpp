#include "kernels/pointwise.h"

#include <algorithm>
#include <cstring>

#include "kernels/strided.h"

namespace gradus::kernels::detail {
namespace {

constexpr int64_t block = 512;  // elements of a row that is brought into dense form: 4 KB of the widest type stay in the nearest cache

/// y[i * dy] = x[i * dx] for elements of T's size; dx may be 0.
template <class T>
void copy_row(int64_t n, const std::byte* x, int64_t dx, std::byte* y, int64_t dy) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(y + i * dy * sizeof(T), x + i * dx * sizeof(T), sizeof(T));
}
void copy_row(size_t size, int64_t n, const std::byte* x, int64_t dx, std::byte* y, int64_t dy) {
  if (size == sizeof(uint8_t)) return copy_row<uint8_t>(n, x, dx, y, dy);
  if (size == sizeof(uint32_t)) return copy_row<uint32_t>(n, x, dx, y, dy);
  return copy_row<uint64_t>(n, x, dx, y, dy);
}

/// One row by way of dense copies of those of its operands that are not dense, a block at a time.
template <size_t N>
void run_blocks(const std::array<Untyped, N>& operands, const std::array<int64_t, N>& strides, const std::array<std::byte*, N>& start,
                int64_t n, FunctionRef<void(const Rows<N>&)> loop) {
  alignas(64) std::byte dense[N][block * sizeof(uint64_t)];
  for (size_t k = 1; k < N; ++k)
    if (strides[k] == 0) copy_row(operands[k].size, std::min(n, block), start[k], 0, dense[k], 1);
  for (int64_t i = 0; i < n; i += block) {
    Rows<N> rows{.start = {}, .step = {}, .count = 1, .n = std::min(n - i, block)};
    for (size_t k = 0; k < N; ++k) {
      std::byte* const here = start[k] + i * strides[k] * static_cast<int64_t>(operands[k].size);
      rows.start[k] = strides[k] == 1 ? here : dense[k];
      if (k > 0 && strides[k] != 1 && strides[k] != 0) copy_row(operands[k].size, rows.n, here, strides[k], dense[k], 1);
    }
    loop(rows);
    if (strides[0] != 1)
      copy_row(operands[0].size, rows.n, dense[0], 1, start[0] + i * strides[0] * static_cast<int64_t>(operands[0].size), strides[0]);
  }
}

/// Which operand is one number in rows with these strides, where the others are dense: 0 where all are dense, N where it is none of that.
template <size_t N>
size_t number_in(const std::array<int64_t, N>& strides, bool takes_numbers) {
  size_t found = 0;
  for (size_t k = 0; k < N; ++k) {
    if (strides[k] == 1) continue;
    if (found > 0 || k == 0 || strides[k] != 0 || !takes_numbers) return N;
    found = k;
  }
  return found;
}

}  // namespace

template <size_t N>
void run_rows(const std::array<Untyped, N>& operands, bool takes_numbers, FunctionRef<void(const Rows<N>&)> loop) {
  std::array<const Layout*, N> layouts;
  for (size_t k = 0; k < N; ++k) layouts[k] = operands[k].layout;
  const Walk<N> walk(layouts);
  const std::array<int64_t, N> strides = walk.row_strides(), steps = walk.row_steps();
  const size_t number = walk.row_length() == 1 ? 0 : number_in(strides, takes_numbers);
  walk.parallel_pieces([&](std::array<int64_t, N> places, int64_t count, int64_t n) {
    const auto start = [&] {
      std::array<std::byte*, N> at;
      for (size_t k = 0; k < N; ++k) at[k] = operands[k].start + places[k] * static_cast<int64_t>(operands[k].size);
      return at;
    };
    if (number < N) return loop({.start = start(), .step = steps, .count = count, .n = n, .number = number});
    for (int64_t r = 0; r < count; ++r) {
      run_blocks(operands, strides, start(), n, loop);
      for (size_t k = 0; k < N; ++k) places[k] += steps[k];
    }
  });
}
template void run_rows(const std::array<Untyped, 2>&, bool, FunctionRef<void(const Rows<2>&)>);
template void run_rows(const std::array<Untyped, 3>&, bool, FunctionRef<void(const Rows<3>&)>);
template void run_rows(const std::array<Untyped, 4>&, bool, FunctionRef<void(const Rows<4>&)>);

}  // namespace gradus::kernels::detail
