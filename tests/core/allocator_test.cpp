#include "core/allocator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "gradus/creation.h"
#include "gradus/memory.h"
#include "gradus/ops/product.h"

using namespace gradus;

TEST_CASE("blocks are aligned to 64 bytes and hold all that was asked for") {
  for (size_t bytes = 0; bytes < 3000; bytes += 37) {
    void* block = allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
    std::memset(block, 0x5A, bytes);
    deallocate(block, bytes);
  }
}

TEST_CASE("sizes are rounded up by no more than a quarter") {
  for (size_t bytes = 257; bytes < 200000; bytes = bytes * 9 / 8 + 1) {
    CAPTURE(bytes);
    const size_t before = memory_stats().live_bytes;
    void* block = allocate(bytes);
    const size_t held = memory_stats().live_bytes - before;
    CHECK(held >= bytes);
    CHECK(held <= bytes + bytes / 4 + 64);
    deallocate(block, bytes);
    CHECK(memory_stats().live_bytes == before);
  }
}

TEST_CASE("a freed block is handed out again for the next of its size") {
  void* first = allocate(123456);
  deallocate(first, 123456);
  void* second = allocate(123456);
  CHECK(second == first);
  deallocate(second, 123456);
  void* similar = allocate(123400);
  CHECK(similar == first);
  deallocate(similar, 123400);
}

TEST_CASE("two blocks in use never overlap") {
  std::vector<std::pair<char*, size_t>> blocks;
  for (size_t i = 0; i < 200; ++i) {
    const size_t bytes = 1 + i * 97 % 1500;
    auto* block = static_cast<char*>(allocate(bytes));
    std::memset(block, static_cast<int>(i), bytes);
    blocks.emplace_back(block, bytes);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    CHECK(std::count(block, block + bytes, static_cast<char>(i)) == static_cast<std::ptrdiff_t>(bytes));
    deallocate(block, bytes);
  }
}

TEST_CASE("the figures follow what is live, the most there was, and what is kept") {
  release_cached_memory();
  CHECK(memory_stats().cached_bytes == 0);
  const MemoryStats before = memory_stats();
  size_t held = 0;
  {
    const Tensor x = zeros({1 << 20});
    const MemoryStats now = memory_stats();
    held = now.live_bytes - before.live_bytes;
    CHECK(held >= size_t{4} << 20);
    CHECK(held <= size_t{5} << 20);
    CHECK(now.peak_bytes >= now.live_bytes);
    CHECK(now.cached_bytes == 0);
  }
  CHECK(memory_stats().live_bytes == before.live_bytes);
  CHECK(memory_stats().cached_bytes == held);
  CHECK(memory_stats().peak_bytes >= before.live_bytes + held);
  release_cached_memory();
  CHECK(memory_stats().cached_bytes == 0);
}

TEST_CASE("a step that runs again allocates nothing new") {
  const Tensor weight = randn({64, 64}, {.requires_grad = true});
  const auto step = [&] {
    const Tensor y = matmul(randn({32, 64}), weight).tanh().sum();
    y.backward();
  };
  step();
  step();
  const MemoryStats before = memory_stats();
  for (int i = 0; i < 5; ++i) step();
  const MemoryStats after = memory_stats();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.cached_bytes == before.cached_bytes);
  CHECK(after.peak_bytes == before.peak_bytes);
}

TEST_CASE("a view keeps its storage alive") {
  const size_t before = memory_stats().live_bytes;
  {
    Tensor view;
    {
      const Tensor x = ones({1000});
      view = x.narrow(0, 10, 2);
    }
    CHECK(memory_stats().live_bytes > before);
    CHECK(view.sum().item() == 2);
  }
  CHECK(memory_stats().live_bytes == before);
}

TEST_CASE("threads allocate and free beside each other") {
  const size_t before = memory_stats().live_bytes;
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&wrong, t] {
      for (int i = 0; i < 500; ++i) {
        const Tensor x = full({1 + i % 70}, t);
        if (x.sum().item() != static_cast<double>(t * (1 + i % 70))) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(memory_stats().live_bytes == before);
}

TEST_CASE("reset_peak_memory lets the peak start from what is live") {
  const Tensor kept = zeros({1 << 16});
  { const Tensor passing = zeros({1 << 20}); }
  CHECK(memory_stats().peak_bytes >= memory_stats().live_bytes + (size_t{4} << 20));
  reset_peak_memory();
  CHECK(memory_stats().peak_bytes == memory_stats().live_bytes);
  { const Tensor passing = zeros({1 << 18}); }
  const MemoryStats after = memory_stats();
  CHECK(after.peak_bytes >= after.live_bytes + (size_t{1} << 20));
  CHECK(after.peak_bytes < after.live_bytes + (size_t{2} << 20));
}
