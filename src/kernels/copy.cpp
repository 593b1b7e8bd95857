#include "kernels/copy.h"

#include <cstring>

#include "core/dispatch.h"
#include "core/isa.h"
#include "kernels/strided.h"

namespace gradus::kernels {

namespace {

template <class From, class To>
void copy_row(int64_t n, const From* x, int64_t dx, To* y, int64_t dy) {
  if (dx == 1 && dy == 1) {
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(y, x, static_cast<size_t>(n) * sizeof(To));
    } else {
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<To>(x[i]);
    }
  } else if (dx == 0) {
    const To value = static_cast<To>(x[0]);
    for (int64_t i = 0; i < n; ++i) y[i * dy] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * dy] = static_cast<To>(x[i * dx]);
  }
}

}  // namespace

void copy(DType x_dtype, const void* x, const Layout& from, DType y_dtype, void* y, const Layout& to) {
  const Walk<2> walk({&to, &from});
  const int64_t n = walk.row_length();
  const auto [dy, dx] = walk.row_strides();
  dispatch(x_dtype, [&, dx = dx, dy = dy]<class From>() {
    dispatch(y_dtype, [&]<class To>() {
      walk.for_each_row([&](const auto& at) { copy_row(n, static_cast<const From*>(x) + at[1], dx, static_cast<To*>(y) + at[0], dy); });
    });
  });
}

template <class T>
void add_strided(const T* x, const Layout& window, T* y) {
  const Layout dense{window.shape, contiguous_strides(window.shape), 0};
  const Walk<2> walk({&window, &dense});
  const int64_t n = walk.row_length();
  const auto [dy, dx] = walk.row_strides();
  walk.for_each_row([&, dx = dx, dy = dy](const auto& at) {
    for (int64_t i = 0; i < n; ++i) y[at[0] + i * dy] += x[at[1] + i * dx];
  });
}
template void add_strided(const float*, const Layout&, float*);
template void add_strided(const double*, const Layout&, double*);

}  // namespace gradus::kernels
