#include "core/function_ref.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using gradus::FunctionRef;

namespace {

int twice(FunctionRef<int(int)> f, int x) { return f(f(x)); }

struct Counter {
  int calls = 0;
  void operator()() { ++calls; }
};

}  // namespace

TEST_CASE("FunctionRef calls the object that it was made of, with what that holds") {
  int step = 3;
  CHECK(twice([step](int x) { return x + step; }, 1) == 7);
  const auto constant = [](int) { return 5; };
  CHECK(twice(constant, 1) == 5);
}

TEST_CASE("FunctionRef copies nothing: the object itself is called, and a copy of the reference calls the same") {
  Counter counter;
  const FunctionRef<void()> f = counter;
  const FunctionRef<void()> copy = f;
  f();
  copy();
  CHECK(counter.calls == 2);
  const auto count = [&counter] { return ++counter.calls; };
  FunctionRef<void()> without_result = count;
  without_result();
  CHECK(counter.calls == 3);
}

TEST_CASE("FunctionRef passes arguments on as they are, references and what can only be moved") {
  const auto append = [](std::string& text, std::unique_ptr<int> n) -> std::string& { return text += std::to_string(*n); };
  const FunctionRef<std::string&(std::string&, std::unique_ptr<int>)> f = append;
  std::string text = "n";
  CHECK(&f(text, std::make_unique<int>(4)) == &text);
  CHECK(text == "n4");
}

TEST_CASE("FunctionRef takes only what can be called that way") {
  static_assert(!std::is_constructible_v<FunctionRef<int(int)>, int>);
  static_assert(!std::is_constructible_v<FunctionRef<int(int)>, std::string (&)(int)>);
  static_assert(std::is_trivially_copyable_v<FunctionRef<int(int)>>);
}
