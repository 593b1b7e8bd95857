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

/// f of two operands with further loops for rows in which one of them is one number. Otherwise the number is written out as a row first,
/// which takes time only where f does next to nothing and rows are short, as when a column is added.
template <class F>
struct BesideNumbers : F {};
template <class F>
BesideNumbers(F) -> BesideNumbers<F>;

namespace detail {

/// An operand without its type.
struct Operand {
  std::byte* start;
  size_t size;  // of an element, in bytes
  const Layout* layout;
};

template <size_t N>
using RowStarts = std::array<std::byte*, N>;

/// A loop over n elements of each operand.
template <size_t N>
using RowLoop = void (*)(const void* f, const RowStarts<N>& at, int64_t n);

/// Calls loops[0](f, …) for dense rows that make up all elements, on the pool's threads. loops[k], unless null, takes rows in which operand
/// k is one number. Operand 0 is written.
template <size_t N>
void run_rows(const std::array<Operand, N>& operands, const void* f, const std::array<RowLoop<N>, N>& loops);

/// Loops over float are compiled for every instruction set; those over other types, which are rarer, only once, to keep the library small.
template <class... Ts, class Loop>
void run_loop(Loop loop) {
  if constexpr ((std::is_same_v<Ts, float> || ...)) isa::run(loop);
  else loop();
}

template <class T>
struct Row {
  using Element = T;
  const T* start;
  explicit Row(std::byte* at) : start(reinterpret_cast<const T*>(at)) {}
  T operator[](int64_t i) const { return start[i]; }
};

template <class T>
struct Number {
  using Element = T;
  T value;
  explicit Number(std::byte* at) : value(*reinterpret_cast<const T*>(at)) {}
  T operator[](int64_t) const { return value; }
};

template <class Y, class F, class... X>
void row(int64_t n, F f, Y* y, X... x) {
  run_loop<Y, typename X::Element...>([=] {
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Y>(f(x[i]...));
  });
}

template <class F, class Y, class... X>
void row_loop(const void* f, const RowStarts<1 + sizeof...(X)>& at, int64_t n) {
  const auto call = [&]<size_t... k>(std::index_sequence<k...>) {
    row(n, *static_cast<const F*>(f), reinterpret_cast<Y*>(at[0]), X(at[1 + k])...);
  };
  call(std::index_sequence_for<X...>());
}

template <class F, class Y, class... X>
struct RowLoops {
  static constexpr std::array<RowLoop<1 + sizeof...(X)>, 1 + sizeof...(X)> of = {row_loop<F, Y, Row<X>...>};
};
template <class F, class Y, class A, class B>
struct RowLoops<BesideNumbers<F>, Y, A, B> {
  static constexpr std::array<RowLoop<3>, 3> of = {row_loop<F, Y, Row<A>, Row<B>>, row_loop<F, Y, Number<A>, Row<B>>,
                                                   row_loop<F, Y, Row<A>, Number<B>>};
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
