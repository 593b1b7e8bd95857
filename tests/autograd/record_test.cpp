#include "autograd/op.h"

#include <doctest/doctest.h>

#include <array>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "autograd/leaf.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/memory.h"

using namespace gradus;
using autograd_test::leaf;

TEST_CASE("a pullback of several inputs is told which gradients the pass needs") {
  const Tensor x = leaf({1}), w = leaf({2}), constant = ones(1, {.dtype = float64});
  std::vector<bool> needed;
  const auto joined = [&] {
    const Tensor y = new_tensor("join", 1, float64);
    Op("join").record_joint(std::span(&y, 1), std::array{x, constant, w, Tensor()}, [&needed](std::span<Tensor> dy, InputGradients dx) {
      for (size_t i = 0; i < dx.size(); ++i) needed.push_back(dx.needs(i));
      for (size_t i = 0; i < dx.size(); ++i)
        if (dx.needs(i)) dx[i] = dy[0];
    });
    return y;
  };
  joined().backward(constant);
  CHECK(needed == std::vector<bool>{true, false, true, false});
  needed.clear();
  autograd::grad({joined()}, {w}, {constant});
  CHECK(needed == std::vector<bool>{false, false, true, false});
}

TEST_CASE("of pullbacks for one input each, only those run whose gradient the pass needs") {
  const Tensor x = leaf({1}), w = leaf({2}), one = ones(1, {.dtype = float64});
  int x_calls = 0, w_calls = 0;
  const auto count = [](int& calls) {
    return [&calls](const Tensor& dy) {
      ++calls;
      return dy;
    };
  };
  const auto both = [&] { return Op("both").record(new_tensor("both", 1, float64), wrt(x, count(x_calls)), wrt(w, count(w_calls))); };
  autograd::grad({both()}, {x}, {one});
  CHECK(x_calls == 1);
  CHECK(w_calls == 0);
  both().backward(one);
  CHECK(x_calls == 2);
  CHECK(w_calls == 1);
}

TEST_CASE("a pullback given as a function that makes it is made only where the operation is recorded") {
  const Tensor x = leaf({1}), constant = ones(1, {.dtype = float64});
  int made = 0;
  const auto joined = [&](const Tensor& input) {
    const Tensor y = new_tensor("join", 1, float64);
    Op("join").record_joint(std::span(&y, 1), std::span(&input, 1), [&] {
      ++made;
      return [input = Saved(input)](std::span<Tensor> dy, InputGradients dx) { dx[0] = dy[0] * *input; };
    });
    return y;
  };
  joined(constant);
  {
    NoGradGuard off;
    joined(x);
  }
  CHECK(made == 0);
  joined(x).backward(constant);
  CHECK(made == 1);
  CHECK(x.grad().item<double>() == 1);
}

TEST_CASE("every kind of recorded operation frees what it saved, and can be walked again when that was no tensor") {
  const Tensor x = leaf({1}), one = ones(1, {.dtype = float64});
  const auto twice = [&](const Tensor& y) {
    y.backward(one);
    y.backward(one);
  };
  const auto joint = [&](auto pullback) {
    const Tensor y = new_tensor("joint", 1, float64);
    Op("joint").record_joint(std::span(&y, 1), std::span(&x, 1), pullback);
    return y;
  };
  CHECK_NOTHROW(twice(Op("each").record(new_tensor("each", 1, float64), wrt(x, [](const Tensor& dy) { return dy; }))));
  CHECK_NOTHROW(twice(joint([](std::span<Tensor> dy, InputGradients dx) { dx[0] = dy[0]; })));
  CHECK_THROWS_AS(twice(Op("each").record(new_tensor("each", 1, float64), wrt(x, [x = Saved(x)](const Tensor&) { return *x; }))),
                  AutogradError);
  CHECK_THROWS_AS(twice(Op("each").record(new_tensor("each", 1, float64), wrt(x, [](const Tensor&, const Tensor& y) { return y; }))),
                  AutogradError);
  CHECK_THROWS_AS(twice(joint([x = Saved(x)](std::span<Tensor>, InputGradients dx) { dx[0] = *x; })), AutogradError);
}

TEST_CASE("the last handles of a tensor that leads to itself may go in any thread, while another walks the graph") {
  const size_t before = memory_stats().live_bytes;
  int refused = 0;
  for (int round = 0; round < 100; ++round) {
    const Tensor x = leaf({2});
    Tensor kept = ones(1, {.dtype = float64});
    Tensor product = x * kept;
    kept.add_(product);
    std::thread walks([&refused, product = std::move(product)] {
      try {
        product.backward();
      } catch (const AutogradError&) {
        ++refused;
      }
    });
    std::thread drops([kept] {});
    kept = Tensor();
    walks.join();
    drops.join();
  }
  CHECK(refused == 100);
  CHECK(memory_stats().live_bytes == before);
}
