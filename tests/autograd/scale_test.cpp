#include <doctest/doctest.h>

#include <thread>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/memory.h"

using gradus::Tensor;
namespace autograd = gradus::autograd;

namespace {

size_t live_bytes() { return gradus::memory_stats().live_bytes; }

}  // namespace

TEST_SUITE("slow") {
  TEST_CASE("a chain of a million operations is recorded, walked and freed on the normal stack") {
    const size_t before = live_bytes();
    {
      const Tensor x = gradus::ones({}, {.requires_grad = true});
      Tensor y = x;
      for (int i = 0; i < 1'000'000; ++i) y = y + 1;
      y.backward();
      CHECK(x.grad().item() == 1);
      CHECK(y.item() == 1'000'001);
    }
    CHECK(live_bytes() == before);
  }

  TEST_CASE("a chain of a million operations that save tensors is freed without having been walked") {
    const size_t before = live_bytes();
    {
      const Tensor x = gradus::ones({}, {.requires_grad = true});
      Tensor y = x;
      for (int i = 0; i < 1'000'000; ++i) y = y * x;
      CHECK(live_bytes() > before);
    }
    CHECK(live_bytes() == before);
  }

  TEST_CASE("a chain of a million views is freed on the normal stack") {
    const size_t before = live_bytes();
    {
      Tensor y = gradus::ones({2, 3}, {.requires_grad = true});
      for (int i = 0; i < 1'000'000; ++i) y = y.t();
    }
    CHECK(live_bytes() == before);
  }

  TEST_CASE("grad finds its way through a chain of a million operations") {
    const Tensor x = gradus::ones({}, {.requires_grad = true});
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = y + 1;
    CHECK(autograd::grad({y}, {x})[0].item() == 1);
  }
}

TEST_CASE("a graph's memory is given back: after backward, without it, and when backward fails") {
  const size_t before = live_bytes();
  {
    const Tensor x = gradus::ones({100}, {.requires_grad = true});
    const size_t with_leaf = live_bytes();
    {
      const Tensor y = (x * x).exp().tanh().sigmoid();
      CHECK(live_bytes() > with_leaf);
    }
    CHECK(live_bytes() == with_leaf);

    (x * x).exp().sum().backward();
    x.set_grad({});
    CHECK(live_bytes() == with_leaf);

    {
      const Tensor y = x.exp();
      y.register_hook([y_data = y.detach()](const Tensor&) -> Tensor { throw std::runtime_error("stop"); });
      CHECK_THROWS_AS((y * y).sum().backward(), std::runtime_error);
    }
    CHECK(live_bytes() == with_leaf);

    const Tensor d = autograd::grad({(x * x * x).sum()}, {x}, {}, {.create_graph = true})[0];
    autograd::grad({d.sum()}, {x});
  }
  CHECK(live_bytes() == before);
}

TEST_CASE("backward frees what it has passed while outputs live on") {
  const Tensor x = gradus::ones({1000}, {.requires_grad = true});
  const Tensor loss = (x * x).exp().sum();
  const size_t with_graph = live_bytes();
  loss.backward();
  x.set_grad({});
  CHECK(live_bytes() < with_graph);
}

TEST_CASE("gradients of gradients in a loop do not pile up") {
  const Tensor x = gradus::ones({10}, {.requires_grad = true});
  const auto step = [&] {
    const Tensor d = autograd::grad({x.sigmoid().sum()}, {x}, {}, {.create_graph = true})[0];
    (d * d).sum().backward();
    x.set_grad({});
  };
  step();
  const size_t after_one = live_bytes();
  for (int i = 0; i < 10; ++i) step();
  CHECK(live_bytes() == after_one);
}

TEST_CASE("threads run their own graphs and add into a shared leaf exactly") {
  constexpr int kThreads = 4, kRounds = 200;
  const Tensor shared = gradus::ones({64}, {.requires_grad = true});
  std::vector<std::thread> threads;
  std::vector<char> right(kThreads, 0);
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const Tensor own = gradus::ones({64}, {.requires_grad = true});
      for (int i = 0; i < kRounds; ++i) (shared * own * (t + 1)).sum().backward();
      right[static_cast<size_t>(t)] = own.grad().to_vector<double>() == std::vector<double>(64, (t + 1.0) * kRounds);
    });
  for (auto& thread : threads) thread.join();
  CHECK(right == std::vector<char>(kThreads, 1));
  CHECK(shared.grad().to_vector<double>() == std::vector<double>(64, (1 + 2 + 3 + 4.0) * kRounds));
}

TEST_CASE("threads may walk one retained graph at the same time") {
  const Tensor x = gradus::ones({8}, {.requires_grad = true});
  const Tensor y = (x * 3).exp().log().sum();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) y.backward({}, true);
    });
  for (auto& thread : threads) thread.join();
  for (const double g : x.grad().to_vector<double>()) CHECK(g == doctest::Approx(1200));
}

TEST_CASE("a graph made on one thread is walked and freed on another") {
  const Tensor x = gradus::ones({8}, {.requires_grad = true});
  Tensor y = (x * x).sum();
  std::thread([y = std::move(y)]() mutable {
    y.backward();
    y = Tensor();
  }).join();
  CHECK(x.grad().to_vector<double>() == std::vector<double>(8, 2.0));
}
