#include "kernels/pointwise.h"

#include <algorithm>
#include <cstring>

#include "kernels/strided.h"

namespace gradus::kernels::detail {
namespace {

constexpr int64_t block = 512;  // elements of a row that is brought into dense form

/// y[i * dy] = x[i * dx] for elements of T's size; dx may be 0.
template <class T>
void copy_elements(int64_t n, const std::byte* x, int64_t dx, std::byte* y, int64_t dy) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(y + i * dy * sizeof(T), x + i * dx * sizeof(T), sizeof(T));
}
void copy_elements(size_t size, int64_t n, const std::byte* x, int64_t dx, std::byte* y, int64_t dy) {
  if (size == sizeof(uint8_t)) return copy_elements<uint8_t>(n, x, dx, y, dy);
  if (size == sizeof(uint32_t)) return copy_elements<uint32_t>(n, x, dx, y, dy);
  return copy_elements<uint64_t>(n, x, dx, y, dy);
}

/// One row by way of dense copies of those of its operands that are not dense, a block at a time.
template <size_t N>
void run_blocks(const std::array<Operand, N>& operands, const std::array<int64_t, N>& strides, const RowStarts<N>& at, int64_t n,
                const void* f, RowLoop<N> loop) {
  alignas(64) std::byte dense[N][block * sizeof(uint64_t)];
  for (size_t k = 1; k < N; ++k)
    if (strides[k] == 0) copy_elements(operands[k].size, std::min(n, block), at[k], 0, dense[k], 1);
  for (int64_t i = 0; i < n; i += block) {
    const int64_t count = std::min(n - i, block);
    RowStarts<N> rows;
    for (size_t k = 0; k < N; ++k) {
      std::byte* const here = at[k] + i * strides[k] * static_cast<int64_t>(operands[k].size);
      rows[k] = strides[k] == 1 ? here : dense[k];
      if (k > 0 && strides[k] != 1 && strides[k] != 0) copy_elements(operands[k].size, count, here, strides[k], dense[k], 1);
    }
    loop(f, rows, {}, 1, count);
    if (strides[0] != 1)
      copy_elements(operands[0].size, count, dense[0], 1, at[0] + i * strides[0] * static_cast<int64_t>(operands[0].size), strides[0]);
  }
}

/// Which of the loops takes rows with these strides: 0 where all are dense, k where only operand k is one number, N where none does.
template <size_t N>
size_t suitable(const std::array<int64_t, N>& strides, const std::array<RowLoop<N>, N>& loops) {
  size_t found = 0;
  for (size_t k = 0; k < N; ++k) {
    if (strides[k] == 1) continue;
    if (found > 0 || k == 0 || strides[k] != 0 || !loops[k]) return N;
    found = k;
  }
  return found;
}

}  // namespace

template <size_t N>
void run_rows(const std::array<Operand, N>& operands, const void* f, const std::array<RowLoop<N>, N>& loops) {
  std::array<const Layout*, N> layouts;
  std::array<int64_t, N> offsets;
  for (size_t k = 0; k < N; ++k) layouts[k] = operands[k].layout, offsets[k] = layouts[k]->offset;
  const auto starts = [&](const std::array<int64_t, N>& places) {
    RowStarts<N> at;
    for (size_t k = 0; k < N; ++k) at[k] = operands[k].start + places[k] * static_cast<int64_t>(operands[k].size);
    return at;
  };
  if (layouts[0]->shape.numel() == 1) return loops[0](f, starts(offsets), {}, 1, 1);  // nothing to walk over
  const Walk<N> walk(layouts);
  const std::array<int64_t, N> strides = walk.row_strides();
  const size_t choice = walk.row_length() == 1 ? 0 : suitable(strides, loops);
  const std::array<int64_t, N> steps = walk.row_steps();
  walk.parallel_pieces([&](std::array<int64_t, N> places, int64_t rows, int64_t n) {
    if (choice < N) return loops[choice](f, starts(places), steps, rows, n);
    for (int64_t r = 0; r < rows; ++r) {
      run_blocks(operands, strides, starts(places), n, f, loops[0]);
      for (size_t k = 0; k < N; ++k) places[k] += steps[k];
    }
  });
}
template void run_rows(const std::array<Operand, 2>&, const void*, const std::array<RowLoop<2>, 2>&);
template void run_rows(const std::array<Operand, 3>&, const void*, const std::array<RowLoop<3>, 3>&);
template void run_rows(const std::array<Operand, 4>&, const void*, const std::array<RowLoop<4>, 4>&);

}  // namespace gradus::kernels::detail
