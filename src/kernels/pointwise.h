#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/function_ref.h"
#include "core/isa.h"
#include "core/layout.h"
#include "kernels/strided.h"

/// y[i] = f(a[i], b[i], …) over strided operands of one shape. `map` is the way from an operation to its loop, `loop_over`: small dense
/// operands are one call of it. What is larger, or lies otherwise, is cut into dense rows by `run_rows`, which is there once for all
/// operations.
namespace gradus::kernels {

/// What is known of where an operand's elements lie without a look at its layout.
enum class Lie : uint8_t {
  Strided,  ///< nothing
  Dense,    ///< in row-major order without gaps
  Number,   ///< all in one place
};

/// An operand: the start of its storage, and where in it the elements lie.
template <class T>
struct Strided {
  T* start;
  const Layout& layout;
  Lie lie;

  Strided(T* from, const Layout& places, Lie known = Lie::Strided) : start(from), layout(places), lie(known) {}
};

/// An f of two operands that does next to nothing, so that all else is to be quick. It has further loops for rows in which one of them is
/// one number, as when a column is added; for other f the number is written out as a row first.
template <class F>
struct Light : F {};
template <class F>
Light(F) -> Light<F>;

template <class F>
inline constexpr bool is_light = false;
template <class F>
inline constexpr bool is_light<Light<F>> = true;

namespace detail {

/// Rows of an operand: elements next to each other, and `step` from a row to the next.
template <class T>
struct Row {
  using Element = T;
  const T* start;
  int64_t step = 0;
  const T* row(int64_t r) const { return start + r * step; }
};

/// The same where each row is one number.
template <class T>
struct Number {
  using Element = T;
  struct Same {
    T value;
    T operator[](int64_t) const { return value; }
  };
  const T* start;
  int64_t step = 0;
  Same row(int64_t r) const { return {start[r * step]}; }
};

template <class Y, class F, class... X>
void one_row(int64_t n, F f, Y* y, X... x) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<Y>(f(x[i]...));
}

/// The loop: `rows` rows of n elements. Over floats it is compiled for every instruction set; over other types, which are rarer, only once,
/// to keep the library small. The rows of a light f are one loop.
template <class Y, class F, class... X>
void loop_over(int64_t rows, int64_t n, F f, Y* y, int64_t y_step, X... x) {
  constexpr bool over_float = (std::is_same_v<Y, float> || ... || std::is_same_v<typename X::Element, float>);
  if constexpr (over_float && is_light<F>) {
    isa::run_light([=] {
      for (int64_t r = 0; r < rows; ++r) one_row(n, f, y + r * y_step, x.row(r)...);
    });
  } else if constexpr (over_float) {
    const auto run = [n, f](Y* to, auto... from) { isa::run([=] { one_row(n, f, to, from...); }); };
    for (int64_t r = 0; r < rows; ++r) run(y + r * y_step, x.row(r)...);
  } else {
    for (int64_t r = 0; r < rows; ++r) one_row(n, f, y + r * y_step, x.row(r)...);
  }
}

/// An operand without its type.
struct Untyped {
  std::byte* start;
  size_t size;  // of an element, in bytes
  const Layout* layout;
};

/// `count` rows of n elements of each operand: where its first row starts, and elements from there to the next. Rows are dense, but where
/// `number` is not 0 that operand is one number in each.
template <size_t N>
struct Rows {
  std::array<std::byte*, N> start;
  std::array<int64_t, N> step;
  int64_t count, n;
  size_t number = 0;

  template <class T>
  Row<T> row(size_t k) const {
    return {reinterpret_cast<const T*>(start[k]), step[k]};
  }
  template <class T>
  Number<T> number_of(size_t k) const {
    return {reinterpret_cast<const T*>(start[k]), step[k]};
  }
};

/// Calls loop(rows) for rows that make up all elements, on the pool's threads; for some with a number only if it takes these. Operand 0 is
/// written.
template <size_t N>
void run_rows(const std::array<Untyped, N>& operands, bool takes_numbers, FunctionRef<void(const Rows<N>&)> loop);

/// The loop over rows whose types were left behind on the way through run_rows.
template <class Y, class... X, class F>
void loop_over_rows(const F& f, const Rows<1 + sizeof...(X)>& rows) {
  const auto run = [&](auto... x) { loop_over(rows.count, rows.n, f, reinterpret_cast<Y*>(rows.start[0]), rows.step[0], x...); };
  const auto run_dense = [&]<size_t... k>(std::index_sequence<k...>) { run(rows.template row<X>(1 + k)...); };
  if constexpr (is_light<F>) {
    const auto run_number = [&]<class A, class B>(std::tuple<A, B>*) {
      if (rows.number == 1) run(rows.template number_of<A>(1), rows.template row<B>(2));
      else run(rows.template row<A>(1), rows.template number_of<B>(2));
    };
    if (rows.number != 0) return run_number(static_cast<std::tuple<X...>*>(nullptr));
  }
  run_dense(std::index_sequence_for<X...>());
}

/// The first element.
template <class T>
T* first(const Strided<T>& x) {
  return x.start + x.layout.offset;
}

template <class Y, class... X, class F>
void map_rows(F f, const Strided<Y>& y, const Strided<X>&... x) {
  const auto untyped = []<class T>(const Strided<T>& v) {
    return Untyped{reinterpret_cast<std::byte*>(const_cast<std::remove_const_t<T>*>(v.start)), sizeof(T), &v.layout};
  };
  const auto loop = [&f](const Rows<1 + sizeof...(X)>& rows) { loop_over_rows<Y, std::remove_const_t<X>...>(f, rows); };
  run_rows<1 + sizeof...(X)>({untyped(y), untyped(x)...}, is_light<F>, loop);
}

}  // namespace detail

/// y = f(x…), element by element, n of them.
template <class Y, class... X, class F>
void map(F f, int64_t n, const Strided<Y>& y, const Strided<X>&... x) {
  if (n == 1 || (n <= pointwise_grain && y.lie == Lie::Dense && ((x.lie == Lie::Dense) && ...)))
    return detail::loop_over(1, n, f, detail::first(y), 0, detail::Row<std::remove_const_t<X>>{detail::first(x)}...);
  detail::map_rows(f, y, x...);
}

/// The same for a light f, which has loops for a number too.
template <class Y, class A, class B, class F>
void map(Light<F> f, int64_t n, const Strided<Y>& y, const Strided<const A>& a, const Strided<const B>& b) {
  const auto run = [&](auto p, auto q) { detail::loop_over(1, n, f, detail::first(y), 0, p, q); };
  using detail::first;
  if (n == 1 || (n <= pointwise_grain && y.lie == Lie::Dense)) {
    if (n == 1 || (a.lie == Lie::Dense && b.lie == Lie::Dense)) return run(detail::Row<A>{first(a)}, detail::Row<B>{first(b)});
    if (a.lie == Lie::Dense && b.lie == Lie::Number) return run(detail::Row<A>{first(a)}, detail::Number<B>{first(b)});
    if (a.lie == Lie::Number && b.lie == Lie::Dense) return run(detail::Number<A>{first(a)}, detail::Row<B>{first(b)});
  }
  detail::map_rows(f, y, a, b);
}

}  // namespace gradus::kernels
