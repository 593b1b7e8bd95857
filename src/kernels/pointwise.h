#pragma once

#include <type_traits>

#include "core/isa.h"
#include "core/layout.h"
#include "kernels/strided.h"

/// y[i] = f(a[i], b[i], …) over strided operands of one shape. Pointers are the starts of the storages; layouts say where elements lie.
namespace gradus::kernels {

namespace detail {

/// One row. Strides 0 and 1, by far the most common, get loops of their own that vectorise.
/// Loops over float are compiled for every instruction set; those over other types, which are rarer, only once, to keep the library small.
template <class... Ts, class Loop>
void run_loop(Loop loop) {
  if constexpr ((std::is_same_v<Ts, float> || ...)) isa::run(loop);
  else loop();
}

template <class Y, class A, class F>
void row(int64_t n, Y* y, int64_t dy, const A* a, int64_t da, F f) {
  if (dy == 1 && da == 1) {
    run_loop<Y, A>([=] {
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Y>(f(a[i]));
    });
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * dy] = static_cast<Y>(f(a[i * da]));
  }
}

template <class Y, class A, class B, class F>
void row(int64_t n, Y* y, int64_t dy, const A* a, int64_t da, const B* b, int64_t db, F f) {
  if (dy == 1 && da == 1 && db == 1) {
    run_loop<Y, A, B>([=] {
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Y>(f(a[i], b[i]));
    });
  } else if (dy == 1 && da == 1 && db == 0) {
    run_loop<Y, A, B>([=, b0 = *b] {
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Y>(f(a[i], b0));
    });
  } else if (dy == 1 && da == 0 && db == 1) {
    run_loop<Y, A, B>([=, a0 = *a] {
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Y>(f(a0, b[i]));
    });
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * dy] = static_cast<Y>(f(a[i * da], b[i * db]));
  }
}

template <class Y, class A, class B, class C, class F>
void row(int64_t n, Y* y, int64_t dy, const A* a, int64_t da, const B* b, int64_t db, const C* c, int64_t dc, F f) {
  for (int64_t i = 0; i < n; ++i) y[i * dy] = static_cast<Y>(f(a[i * da], b[i * db], c[i * dc]));
}

}  // namespace detail

template <class Y, class A, class F>
void map(Y* y, const Layout& ly, const A* a, const Layout& la, F f) {
  const Walk<2> walk({&ly, &la});
  const auto [dy, da] = walk.row_strides();
  walk.parallel_pieces([=, dy = dy, da = da](const auto& at, int64_t n) { detail::row(n, y + at[0], dy, a + at[1], da, f); });
}

template <class Y, class A, class B, class F>
void map(Y* y, const Layout& ly, const A* a, const Layout& la, const B* b, const Layout& lb, F f) {
  const Walk<3> walk({&ly, &la, &lb});
  const auto [dy, da, db] = walk.row_strides();
  walk.parallel_pieces(
      [=, dy = dy, da = da, db = db](const auto& at, int64_t n) { detail::row(n, y + at[0], dy, a + at[1], da, b + at[2], db, f); });
}

template <class Y, class A, class B, class C, class F>
void map(Y* y, const Layout& ly, const A* a, const Layout& la, const B* b, const Layout& lb, const C* c, const Layout& lc, F f) {
  const Walk<4> walk({&ly, &la, &lb, &lc});
  const auto [dy, da, db, dc] = walk.row_strides();
  walk.parallel_pieces([=, dy = dy, da = da, db = db, dc = dc](const auto& at, int64_t n) {
    detail::row(n, y + at[0], dy, a + at[1], da, b + at[2], db, c + at[3], dc, f);
  });
}

}  // namespace gradus::kernels
