#include "kernels/pointwise.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/select.h"

using gradus::contiguous_strides;
using gradus::Layout;
using gradus::Shape;
using gradus::Strides;
using gradus::kernels::Lie;
using gradus::kernels::Light;
using gradus::kernels::Strided;

namespace {

/// Numbers that every element type tells apart, in a storage that `layout` fits into.
template <class T>
std::vector<uint64_t> storage_for(const Layout& layout, int64_t seed) {
  int64_t end = layout.offset + 1;
  for (int64_t d = 0; d < layout.rank(); ++d) end += std::max<int64_t>(layout.shape[d] - 1, 0) * layout.strides[d];
  std::vector<uint64_t> storage(static_cast<size_t>(end) * sizeof(T) / sizeof(uint64_t) + 1);
  T* x = reinterpret_cast<T*>(storage.data());
  for (int64_t i = 0; i < end; ++i) x[i] = static_cast<T>((i * 37 + seed) % 11 % (std::is_same_v<T, bool> ? 2 : 11));
  return storage;
}

/// Calls body(place) for every element in row-major order.
void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& body) {
  for (int64_t i = 0; i < shape.numel(); ++i) {
    Shape place = shape;
    int64_t rest = i;
    for (int64_t d = shape.size() - 1; d >= 0; --d) place[d] = rest % shape[d], rest /= shape[d];
    body(place);
  }
}

int64_t place_in(const Layout& layout, const Shape& index) {
  int64_t place = layout.offset;
  for (int64_t d = 0; d < index.size(); ++d) place += index[d] * layout.strides[d];
  return place;
}

Lie lie_of(const Layout& layout) {
  const bool number = std::all_of(layout.strides.begin(), layout.strides.end(), [](int64_t stride) { return stride == 0; });
  return layout.is_contiguous() ? Lie::Dense : number ? Lie::Number : Lie::Strided;
}

/// map against one element after another, found by its index; what lies between the elements of y stays as it was.
template <class Y, class... X, class F, class... Layouts>
void check_map(F f, const Layout& to, const Layouts&... from) {
  std::vector<uint64_t> y = storage_for<Y>(to, 5), expected = y;
  auto next_seed = [seed = int64_t{0}]() mutable { return ++seed; };
  std::tuple<std::pair<std::vector<uint64_t>, std::type_identity<X>>...> inputs{{storage_for<X>(from, next_seed()), {}}...};
  std::apply(
      [&](auto&... in) {
        const auto start = []<class T>(std::pair<std::vector<uint64_t>, std::type_identity<T>>& x) {
          return const_cast<const T*>(reinterpret_cast<T*>(x.first.data()));
        };
        for_each_index(to.shape, [&](const Shape& i) {
          reinterpret_cast<Y*>(expected.data())[place_in(to, i)] = static_cast<Y>(f(start(in)[place_in(from, i)]...));
        });
        gradus::kernels::map(f, to.shape.numel(), Strided(reinterpret_cast<Y*>(y.data()), to, lie_of(to)),
                             Strided(start(in), from, lie_of(from))...);
      },
      inputs);
  CHECK(y == expected);
}

Layout dense(const Shape& shape) { return {shape, contiguous_strides(shape), 0}; }

/// Layouts of `shape` that lie in as many ways as tensors do.
std::vector<Layout> layouts_of(const Shape& shape, bool may_overlap) {
  std::vector<Layout> all = {dense(shape)};
  Layout shifted = dense(shape);
  shifted.offset = 3;
  all.push_back(shifted);
  Layout spread = dense(shape);
  for (int64_t& stride : spread.strides) stride *= 3;
  all.push_back(spread);
  Layout turned = dense(shape);  // the first dimension lies innermost
  int64_t step = 1;
  for (int64_t d = 0; d < shape.size(); ++d) turned.strides[d] = step, step *= shape[d];
  all.push_back(turned);
  Layout padded = dense(shape);  // rows with room between
  for (int64_t d = 0; d + 1 < shape.size(); ++d) padded.strides[d] *= 2;
  all.push_back(padded);
  if (!may_overlap) return all;
  for (int64_t d = 0; d < shape.size(); ++d) {
    Layout repeated = dense(shape);
    repeated.strides[d] = 0;
    all.push_back(repeated);
  }
  all.push_back({shape, Strides::filled(shape.size(), 0), 2});
  all.push_back({shape, Strides::filled(shape.size(), 1), 0});  // windows that overlap
  return all;
}

const Shape kShapes[] = {{}, {1}, {0}, {3, 0, 2}, {7}, {1, 5, 1}, {4, 6}, {3, 1, 5}, {2, 3, 4, 5}, {600, 3}, {2, 1300}};

template <class Y, class A>
void check_one_operand() {
  for (const Shape& shape : kShapes)
    for (const Layout& to : layouts_of(shape, false))
      for (const Layout& a : layouts_of(shape, true)) check_map<Y, A>([](A v) { return static_cast<Y>(v + v); }, to, a);
}

template <class Y, class A, class B, class F>
void check_two_operands(F f) {
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{7}, Shape{4, 6}, Shape{2, 3, 5}, Shape{3, 700}})
    for (const Layout& to : layouts_of(shape, false))
      for (const Layout& a : layouts_of(shape, true))
        for (const Layout& b : layouts_of(shape, true)) {
          check_map<Y, A, B>(f, to, a, b);
          check_map<Y, A, B>(Light{f}, to, a, b);
        }
}

}  // namespace

TEST_CASE("map of one operand is the plain loop, however operands lie, for every element type") {
  check_one_operand<float, float>();
  check_one_operand<double, double>();
  check_one_operand<int64_t, int64_t>();
  check_one_operand<bool, bool>();
  check_one_operand<bool, float>();
  check_one_operand<bool, double>();
  check_one_operand<bool, int64_t>();
}

TEST_CASE("map of two operands is the plain loop, with and without loops for numbers") {
  check_two_operands<float, float, float>([](float a, float b) { return a - b; });
  check_two_operands<double, double, double>([](double a, double b) { return a - b; });
  check_two_operands<int64_t, int64_t, int64_t>([](int64_t a, int64_t b) { return a - b; });
  check_two_operands<bool, bool, bool>([](bool a, bool b) { return a != b; });
  check_two_operands<bool, float, float>([](float a, float b) { return a < b; });
  check_two_operands<float, float, bool>([](float a, bool b) { return b ? 1.5F : a; });
  check_two_operands<double, double, bool>([](double a, bool b) { return b ? 1.5 : a; });
}

TEST_CASE("map of three operands is the plain loop") {
  const auto where = [](bool c, auto p, auto q) { return c ? p : q; };
  for (const Shape& shape : {Shape{}, Shape{0, 2}, Shape{4, 6}, Shape{3, 700}})
    for (const Layout& to : layouts_of(shape, false))
      for (const Layout& a : layouts_of(shape, true))
        for (const Layout& b : layouts_of(shape, true)) {
          check_map<float, bool, float, float>(where, to, a, b, dense(shape));
          check_map<int64_t, bool, int64_t, int64_t>(where, to, dense(shape), a, b);
        }
}

TEST_CASE("map of more elements than a thread takes at a time is the plain loop") {
  const int64_t many = gradus::kernels::pointwise_grain * 2 + 77;
  const auto twice = [](float v) { return v * 2; };
  const auto minus = [](float a, float b) { return a - b; };
  check_map<float, float>(twice, dense({many}), dense({many}));
  check_map<float, float>(twice, dense({many}), Layout{{many}, {2}, 1});
  check_map<float, float>(twice, dense({many / 5, 5}), Layout{{many / 5, 5}, {1, many / 5}, 0});
  check_map<float, float, float>(Light{minus}, dense({many}), dense({many}), Layout{{many}, {0}, 4});
  check_map<float, float, float>(Light{minus}, dense({300, 301}), dense({300, 301}), Layout{{300, 301}, {0, 1}, 0});
  check_map<float, float, float>(Light{minus}, dense({300, 301}), Layout{{300, 301}, {1, 0}, 0}, dense({300, 301}));
}

TEST_CASE("map in place reads an element before it writes it") {
  std::vector<float> x(1000);
  std::iota(x.begin(), x.end(), 0.0F);
  const Layout every_other{{500}, {2}, 0};
  gradus::kernels::map([](float v) { return v + 0.5F; }, 500, Strided(x.data(), every_other), Strided<const float>(x.data(), every_other));
  for (size_t i = 0; i < x.size(); ++i) CHECK(x[i] == static_cast<float>(i) + (i % 2 == 0 ? 0.5F : 0));
}

TEST_CASE("select is the choice by a condition for every element type, and keeps the bits of NaN and of -0") {
  using gradus::kernels::select;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(select(true, nan, 1.0F)));
  CHECK(select(false, nan, 1.0F) == 1.0F);
  CHECK(std::signbit(select(true, -0.0, 0.0)));
  CHECK(!std::signbit(select(false, -0.0, 0.0)));
  CHECK(select(true, int64_t{-7}, int64_t{1} << 60) == -7);
  CHECK(select(false, int64_t{-7}, int64_t{1} << 60) == int64_t{1} << 60);
  CHECK(select(true, true, false));
  CHECK(!select(false, true, false));
}
