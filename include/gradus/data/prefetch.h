#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "gradus/export.h"

/// What a DataLoader's loop needs beside its types.
namespace gradus::data::detail {

/// While it lives, the random numbers that this thread draws come from a generator of their own, seeded by the three numbers alone.
class GRADUS_API RandomOfBatch {
 public:
  RandomOfBatch(uint64_t seed, int64_t epoch, int64_t batch);
  ~RandomOfBatch();
  RandomOfBatch(const RandomOfBatch&) = delete;
  RandomOfBatch& operator=(const RandomOfBatch&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Prepares batches in a thread of its own, at most `ahead` more than were taken, in order. Where the system has no thread to give, and
/// after the last one, `take` prepares them itself. A child of fork(), which has not the thread, starts one of its own. Work of the thread
/// is recorded for backward passes if that of the thread which made the object was.
class GRADUS_API Prefetcher {
 public:
  /// Makes batch i. It is called in the thread, one call at a time.
  using Prepare = std::function<std::shared_ptr<void>(int64_t i)>;

  /// Of batches `first` … `end - 1`.
  Prefetcher(int64_t first, int64_t end, int64_t ahead, Prepare prepare);
  /// Waits for a batch that is being prepared; it and those that were not taken are dropped.
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The next batch, once it is there. Throws what its preparation threw; the batches after it can be taken all the same.
  std::shared_ptr<void> take();

 private:
  struct Queue;
  void start();
  void work(Queue& queue, int64_t first, bool record) const noexcept;
  void abandon();

  Prepare prepare_;
  int64_t next_, end_, ahead_;
  int64_t process_ = 0;           // that the thread is of
  std::shared_ptr<Queue> queue_;  // shared with the thread; null when there is none
};

/// What a Prefetcher's or loader's option must be: throws ValueError when it is negative.
GRADUS_API void check_prefetch(int64_t prefetch);
/// Throws ValueError when a dataset that is to be read in order would be shuffled.
GRADUS_API void check_in_order(bool shuffle);
/// The seed of random numbers where a sampler has none: the one last given to manual_seed.
GRADUS_API uint64_t seed_of_process();
/// Throws ValueError: the loop was moved from.
[[noreturn]] GRADUS_API void refuse_moved_loop();
/// Throws StateError: the loader was moved from.
[[noreturn]] GRADUS_API void refuse_moved_loader();

}  // namespace gradus::data::detail
