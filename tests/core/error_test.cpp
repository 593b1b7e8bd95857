#include "gradus/error.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;

namespace {

template <class E>
void check_is_an_error() {
  CHECK_THROWS_AS(throw E("text"), Error);
  CHECK_THROWS_AS(throw E("text"), std::runtime_error);
  CHECK(std::string(E("op: text").what()) == "op: text");
}

struct CountsItsText {
  int& made;
};

}  // namespace

template <>
struct fmt::formatter<CountsItsText> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(const CountsItsText& value, fmt::format_context& context) const {
    ++value.made;
    const std::string_view text = "counted";
    return std::copy(text.begin(), text.end(), context.out());
  }
};

TEST_CASE("every error is an Error, and keeps its text") {
  check_is_an_error<ShapeError>();
  check_is_an_error<IndexError>();
  check_is_an_error<DTypeError>();
  check_is_an_error<ValueError>();
  check_is_an_error<AutogradError>();
  check_is_an_error<IoError>();
  check_is_an_error<StateError>();
  check_is_an_error<OutOfMemoryError>();
}

TEST_CASE("one type of error is not another") {
  CHECK_THROWS_AS(
      [] {
        try {
          throw ShapeError("a");
        } catch (const IndexError&) {
        }
      }(),
      ShapeError);
}

TEST_CASE("check makes its text only when it fails") {
  int made = 0;
  const CountsItsText value{made};
  check<ValueError>(true, "op: {}", value);
  CHECK(made == 0);
  CHECK(error_of<ValueError>([&] { check<ValueError>(false, "op: {} and {}", value, Shape{1, 2}); }) == "op: counted and [1, 2]");
  CHECK(made == 1);
  CHECK(error_of<IoError>([] { fail<IoError>("load: line {}", 3); }) == "load: line 3");
}

TEST_CASE("the type of an error tells what kind of mistake it was") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_AS(x + zeros({4}), ShapeError);
  CHECK_THROWS_AS(x.select(0, 5), IndexError);
  CHECK_THROWS_AS(x.sum(7), IndexError);
  CHECK_THROWS_AS(x.to(int64).mean(), DTypeError);
  CHECK_THROWS_AS(x.split(0), ValueError);
  CHECK_THROWS_AS(x.backward(), AutogradError);
  CHECK_THROWS_AS(io::load_safetensors("there is no such file"), IoError);
  CHECK_THROWS_AS(Tensor().shape(), StateError);
}

TEST_CASE("an undefined tensor is refused by name, whatever is done with it") {
  const Tensor none, x = zeros({2});
  CHECK(error_of<StateError>([&] { none.shape(); }) == "shape: the tensor is undefined; give it a value first");
  const std::pair<const char*, std::function<void()>> uses[] = {
      {"add", [&] { x + none; }},
      {"add", [&] { none + 1; }},
      {"matmul", [&] { matmul(x, none); }},
      {"sum", [&] { none.sum(); }},
      {"view", [&] { none.view({1}); }},
      {"clone", [&] { none.clone(); }},
      {"to", [&] { none.to(int64); }},
      {"where", [&] { where(none, x, x); }},
      {"eq", [&] { eq(none, 1); }},
      {"softmax", [&] { softmax(none, 0); }},
      {"backward", [&] { none.backward(); }},
      {"requires_grad_", [&] { none.requires_grad_(); }},
      {"grad", [&] { none.grad(); }},
      {"detach", [&] { none.detach(); }},
      {"add_", [&] { none.add_(1); }},
      {"item", [&] { none.item(); }},
      {"permute", [&] { permute(none, {0}); }},
  };
  for (const auto& named : uses) {
    const std::string op = named.first;
    CAPTURE(op);
    CHECK(error_of<StateError>(named.second) == op + ": the tensor is undefined; give it a value first");
  }
  CHECK(!none.defined());
  CHECK_THROWS_AS(cat({x, none}), StateError);
  CHECK_THROWS_AS(none.is_contiguous(), StateError);
  CHECK_THROWS_AS(none.contiguous(), StateError);
  CHECK_THROWS_AS(none.copy_(x), StateError);
  CHECK_THROWS_AS(x.clone().copy_(none), StateError);
}

TEST_CASE("data and item refuse what does not fit") {
  CHECK(error_of<DTypeError>([] { zeros({2}).data<int64_t>(); }) ==
        "data: the tensor is float32, asked for as int64; convert it with .to()");
  CHECK(error_of<ShapeError>([] { zeros({2, 2}).item(); }) == "item: shape [2, 2] has 4 elements, not one; index it first");
  CHECK(error_of<ShapeError>([] { zeros({0}).item(); }) == "item: shape [0] has 0 elements, not one; index it first");
}

/// Lets the address sanitizer refuse memory as the C library does, rather than end the program.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

TEST_CASE("a tensor that no memory holds is refused with its size") {
  const std::string text = error_of<OutOfMemoryError>([] { empty({int64_t{1} << 58}); });
  CHECK(text.find("allocate: no memory for 11529215046068") == 0);
  CHECK(zeros({3}).sum().item() == 0);
}
