#include "gradus/data/prefetch.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/random.h"
#include "core/span.h"
#include "core/thread_pool.h"
#include "data/sampler_state.h"
#include "gradus/autograd.h"
#include "gradus/random.h"

namespace gradus::data::detail {

struct RandomOfBatch::Impl {
  explicit Impl(uint64_t seed) : generator(seed), scope(generator) {}
  Generator generator;
  GeneratorScope scope;
};

RandomOfBatch::RandomOfBatch(uint64_t seed, int64_t epoch, int64_t batch)
    : impl_(std::make_unique<Impl>(mix(mix(seed, static_cast<uint64_t>(epoch)), static_cast<uint64_t>(batch)))) {}
RandomOfBatch::~RandomOfBatch() = default;

/// A ring of as many places as batches may wait.
struct Prefetcher::Queue {
  struct Item {
    std::shared_ptr<void> batch;
    std::exception_ptr error;  // in its place
  };

  explicit Queue(size_t places) : items(places) {}

  /// False when the thread is to end.
  bool wait_for_room() {
    std::unique_lock lock(mutex);
    room.wait(lock, [&] { return stopping || waiting < items.size(); });
    return !stopping;
  }
  void put(Item item) {
    const std::lock_guard lock(mutex);
    items[(first + waiting++) % items.size()] = std::move(item);
    filled.notify_one();
  }
  Item take() {
    std::unique_lock lock(mutex);
    filled.wait(lock, [&] { return waiting > 0; });
    Item item = std::exchange(items[first], {});
    first = (first + 1) % items.size();
    --waiting;
    room.notify_one();
    return item;
  }
  void leave() {
    const std::lock_guard lock(mutex);
    left = true;
    filled.notify_one();
  }
  void stop() {
    std::unique_lock lock(mutex);
    stopping = true;
    room.notify_one();
    filled.wait(lock, [&] { return left; });
  }

  std::mutex mutex;
  std::condition_variable room, filled;
  std::vector<Item> items;
  size_t first = 0, waiting = 0;
  bool stopping = false, left = false;
};

Prefetcher::Prefetcher(int64_t first, int64_t end, int64_t ahead, Prepare prepare)
    : prepare_(std::move(prepare)), next_(first), end_(end), ahead_(ahead) {
  start();
}

void Prefetcher::start() {
  process_ = ::getpid();
  if (next_ >= end_) return;
  queue_ = std::make_shared<Queue>(static_cast<size_t>(std::min(ahead_, end_ - next_)));
  try {
    // Nobody joins the thread: a child of fork() would have a handle to one that it has not. That it has ended, the queue tells.
    std::thread([this, queue = queue_, first = next_, record = is_grad_enabled()] { work(*queue, first, record); }).detach();
  } catch (const std::system_error& error) {
    queue_.reset();
    std::fprintf(stderr, "gradus: no thread can be had to prepare batches ahead (%s); the loop prepares them itself\n", error.what());
  }
}

/// What the thread does. It uses this object's batches, and so does nothing more once it said that it leaves.
void Prefetcher::work(Queue& queue, int64_t first, bool record) const noexcept {
  profiling::name_this_thread("loader thread");
  leave_pool_to_others();
  const GradMode mode(record);
  for (int64_t i = first; i < end_ && queue.wait_for_room(); ++i) {
    Queue::Item item;
    try {
      item.batch = prepare_(i);
    } catch (...) {
      item.error = std::current_exception();
    }
    queue.put(std::move(item));
  }
  queue.leave();
}

/// In a child of fork(): the queue is as the thread, which is not here, happened to leave it, locked perhaps. So nobody touches it again.
void Prefetcher::abandon() {
  struct Abandoned {
    std::shared_ptr<Queue> queue;
    Abandoned* next;
  };
  static constinit std::atomic<Abandoned*> all{nullptr};
  auto* here = new Abandoned{std::move(queue_), all.load()};
  while (!all.compare_exchange_weak(here->next, here)) {
  }
}

Prefetcher::~Prefetcher() {
  if (!queue_) return;
  if (process_ == ::getpid()) queue_->stop();
  else abandon();
}

std::shared_ptr<void> Prefetcher::take() {
  if (queue_ && process_ != ::getpid()) {
    abandon();
    start();
  }
  const int64_t i = next_++;
  if (!queue_) return prepare_(i);
  Queue::Item item = queue_->take();
  if (item.error) std::rethrow_exception(item.error);
  return std::move(item.batch);
}

void check_prefetch(int64_t prefetch) { check<ValueError>(prefetch >= 0, "DataLoader: prefetch is {}; it must be at least 0", prefetch); }

void check_in_order(bool shuffle) { check<ValueError>(!shuffle, "DataLoader: the dataset is to be read in order; leave shuffle out"); }

uint64_t seed_of_process() { return initial_seed(); }

void refuse_moved_loop() { fail<ValueError>("DataLoader: the iterator was moved from; go on with the one that it was moved to"); }

void refuse_moved_loader() { fail<StateError>("DataLoader: the loader was moved from; use the one that it was moved to"); }

}  // namespace gradus::data::detail
