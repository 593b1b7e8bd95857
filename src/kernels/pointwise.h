#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "core/isa.h"
#include "core/layout.h"

/// y[i] = f(a[i], b[i], …) over strided operands of one shape. An operation brings a loop over dense rows; the walk over the operands, and
/// rows that are not dense, are there once for all operations.
namespace gradus::kernels {

/// An operand: the start of its storage, and where in it the elements lie.
template <class T>
struct Strided {
  T* start;
  const Layout& layout;
  Strided(T* from, const Layout& lie) : start(from), layout(lie) {}
};

/// An f of two operands that does next to nothing, so that all else is to be quick. It has further loops for rows in which one of them is
/// one number, as when a column is added; for other f the number is written out as a row first.
template <class F>
struct Light : F {};
template <class F>
Light(F) -> Light<F>;

namespace detail {

/// An operand without its type.
struct Operand {
  std::byte* start;
  size_t size;  // of an element, in bytes
  const Layout* layout;
};

template <size_t N>
using RowStarts = std::array<std::byte*, N>;

/// Elements from each row of an operand to the next.
template <size_t N>
using RowSteps = std::array<int64_t, N>;

/// A loop over `rows` rows of n elements of each operand.
template <size_t N>
using RowLoop = void (*)(const void* f, const RowStarts<N>& at, const RowSteps<N>& steps, int64_t rows, int64_t n);

/// Calls loops[0](f, …) for dense rows that make up all elements, on the pool's threads. loops[k], unless null, takes rows in which
/// operand k is one number. Operand 0 is written.
template <size_t N>
void run_rows(const std::array<Operand, N>& operands, const void* f, const std::array<RowLoop<N>, N>& loops);

/// Loops over float are compiled for every instruction set; those over other types, which are rarer, only once, to keep the library small.
template <bool over_float, class Loop>
void run_loop(Loop loop) {
  if constexpr (over_float) isa::run(loop);
  else loop();
}

template <class T>
struct Row {
  using Element = T;
  const T* start;
  int64_t step;
  Row(std::byte* at, int64_t to_next) : start(reinterpret_cast<const T*>(at)), step(to_next) {}
  const T* row(int64_t r) const { return start + r * step; }
};

template <class T>
struct Number {
  using Element = T;
  struct Same {
    T value;
    T operator[](int64_t) const { return value; }
  };
  const T* start;
  int64_t step;
  Number(std::byte* at, int64_t to_next) : start(reinterpret_cast<const T*>(at)), step(to_next) {}
  Same row(int64_t r) const { return {start[r * step]}; }
};

template <class Y, class F, class... X>
void one_row(int64_t n, F f, Y* y, X... x) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Y>(f(x[i]...));
}

/// Row after row. Those of a `light` f over floats are one loop.
template <bool over_float, bool light, class Y, class F, class... X>
void all_rows(int64_t rows, int64_t n, F f, Y* y, int64_t y_step, X... x) {
  if constexpr (over_float && light) {
    isa::run_light([=] {
      for (int64_t r = 0; r < rows; ++r) one_row(n, f, y + r * y_step, x.row(r)...);
    });
  } else {
    const auto apart = [n, f](Y* to, auto... from) { run_loop<over_float>([=] { one_row(n, f, to, from...); }); };
    for (int64_t r = 0; r < rows; ++r) apart(y + r * y_step, x.row(r)...);
  }
}

template <bool light, class F, class Y, class... X>
void row_loop(const void* f, const RowStarts<1 + sizeof...(X)>& at, const RowSteps<1 + sizeof...(X)>& steps, int64_t rows, int64_t n) {
  constexpr bool over_float = (std::is_same_v<Y, float> || ... || std::is_same_v<typename X::Element, float>);
  const auto call = [&]<size_t... k>(std::index_sequence<k...>) {
    all_rows<over_float, light>(rows, n, *static_cast<const F*>(f), reinterpret_cast<Y*>(at[0]), steps[0], X(at[1 + k], steps[1 + k])...);
  };
  call(std::index_sequence_for<X...>());
}

template <class F, class Y, class... X>
struct RowLoops {
  static constexpr std::array<RowLoop<1 + sizeof...(X)>, 1 + sizeof...(X)> of = {row_loop<false, F, Y, Row<X>...>};
};
template <class F, class Y, class A, class B>
struct RowLoops<Light<F>, Y, A, B> {
  static constexpr std::array<RowLoop<3>, 3> of = {row_loop<true, F, Y, Row<A>, Row<B>>, row_loop<true, F, Y, Number<A>, Row<B>>,
                                                   row_loop<true, F, Y, Row<A>, Number<B>>};
};

template <class T>
Operand untyped(const Strided<T>& x) {
  return {reinterpret_cast<std::byte*>(const_cast<std::remove_const_t<T>*>(x.start)), sizeof(T), &x.layout};
}

}  // namespace detail

/// y = f(x…), element by element.
template <class Y, class... X, class F>
void map(F f, const Strided<Y>& y, const Strided<X>&... x) {
  detail::run_rows<1 + sizeof...(X)>({detail::untyped(y), detail::untyped(x)...}, &f,
                                     detail::RowLoops<F, Y, std::remove_const_t<X>...>::of);
}

}  // namespace gradus::kernels
