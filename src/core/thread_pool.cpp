#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/environment.h"
#include "core/error_context.h"
#include "core/fork.h"
#include "core/meanwhile.h"
#include "core/span.h"
#include "gradus/parallel.h"

namespace gradus {
namespace {

constexpr int kMaxThreads = 256;
constexpr int kSpins = 2000;  // a recurrent layer hands out work every few microseconds, faster than a thread wakes

thread_local bool inside_pool = false;

int default_threads() {
  const int at_hand = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxThreads);
  const char* wanted = environment("GRADUS_NUM_THREADS");
  if (!wanted) return at_hand;
  int threads = 0;
  const char* end = wanted + std::strlen(wanted);
  const auto [stop, error] = std::from_chars(wanted, end, threads);
  if (stop == end && error == std::errc() && threads >= 1 && threads <= kMaxThreads) return threads;
  const bool too_many = stop == end && (error == std::errc::result_out_of_range ? *wanted != '-' : threads > kMaxThreads);
  const int used = too_many ? kMaxThreads : at_hand;
  warn_of_environment("GRADUS_NUM_THREADS", wanted, fmt::format("a whole number from 1 to {}", kMaxThreads).c_str(),
                      std::to_string(used).c_str());
  return used;
}

/// One job at a time: the pieces of a call. Each thread starts in a part of its own, which after the last call over the same memory is
/// nearer to it than to others, and then helps elsewhere.
class Pool {
 public:
  Pool(int threads, const Pool* before) noexcept : threads_(threads), before_(before) {}

  int threads() const noexcept { return threads_.load(std::memory_order_relaxed); }

  void resize(int threads) {
    check<StateError>(!inside_pool, "set_num_threads: called from inside a parallel operation; call it between operations");
    std::lock_guard lock(job_mutex_);
    if (threads == threads_) return;
    stop_workers();
    threads_ = threads;
  }

  void run(int64_t pieces, FunctionRef<void(int64_t)> body) {
    std::unique_lock busy(job_mutex_, std::defer_lock);
    if (inside_pool || !busy.try_lock() || threads_ == 1 || (workers_.empty() && !start_workers())) {
      for (int64_t piece = 0; piece < pieces; ++piece) {
        body(piece);
        Meanwhile::attend();
      }
      return;
    }
    open_job(pieces, body);
    take_pieces(0);
    close_job();
    if (!error_) return;
    const std::exception_ptr error = std::exchange(error_, nullptr);
    if (is_helpers_error_) rethrow_from_helper(error);
    std::rethrow_exception(error);
  }

 private:
  struct alignas(64) Part {  // each in a cache line of its own
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void open_job(int64_t pieces, FunctionRef<void(int64_t)> body) {
    bool asleep = false;
    {
      std::lock_guard lock(mutex_);
      body_ = body;
      operation_ = profiling::current_name();
      const auto parts = static_cast<int64_t>(parts_.size());
      for (int64_t i = 0; i < parts; ++i) {
        parts_[static_cast<size_t>(i)].next.store(pieces * i / parts, std::memory_order_relaxed);
        parts_[static_cast<size_t>(i)].end = pieces * (i + 1) / parts;
      }
      error_ = nullptr;
      open_ = true;
      asleep = sleeping_ > 0;
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (asleep) wake_.notify_all();
  }

  /// All pieces have been taken: waits for the workers that are at one. A worker that was slow to wake is not waited for; it finds the job
  /// closed.
  void close_job() {
    {
      std::lock_guard lock(mutex_);
      open_ = false;
    }
    for (int spin = 0; spin < kSpins && working_.load(std::memory_order_acquire) != 0; ++spin) std::this_thread::yield();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return working_.load(std::memory_order_acquire) == 0; });
  }

  void take_pieces(size_t first_part) noexcept {
    inside_pool = true;
    const profiling::Span span(profiling::Kind::Piece, operation_);
    for (size_t i = 0; i < parts_.size(); ++i) {
      Part& part = parts_[(first_part + i) % parts_.size()];
      for (int64_t piece; (piece = part.next.fetch_add(1, std::memory_order_relaxed)) < part.end;) {
        try {
          (*body_)(piece);
          Meanwhile::attend();
        } catch (...) {
          std::lock_guard lock(mutex_);
          if (error_) continue;
          error_ = std::current_exception();
          is_helpers_error_ = first_part != 0;
        }
      }
    }
    inside_pool = false;
  }

  void work(size_t part, uint64_t seen) noexcept {
    profiling::name_this_thread("pool thread");
    leave_errors_bare();
    for (;;) {
      for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin) std::this_thread::yield();
      {
        std::unique_lock lock(mutex_);
        ++sleeping_;
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        --sleeping_;
        seen = generation_.load(std::memory_order_relaxed);
        if (stopping_) return;
        if (!open_) continue;
        working_.fetch_add(1, std::memory_order_relaxed);
      }
      take_pieces(part);
      std::lock_guard lock(mutex_);
      if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.notify_one();
    }
  }

  /// Starts as many as the system allows, which from then on is the number; false where that is this thread alone.
  bool start_workers() {
    stopping_ = false;
    const auto wanted = static_cast<size_t>(threads_.load());
    try {
      parts_ = std::vector<Part>(wanted);
      workers_.reserve(wanted);
      for (size_t i = 1; i < wanted; ++i) workers_.emplace_back([this, i, seen = generation_.load()] { work(i, seen); });
    } catch (const std::bad_alloc&) {  // no memory for the lists: another call may find some
    } catch (const std::system_error& error) {
      const size_t there = workers_.size() + 1;
      std::fprintf(stderr, "gradus: only %zu of %zu threads can be had (%s); going on with %s\n", there, wanted, error.what(),
                   there == 1 ? "one" : "these");
      threads_ = static_cast<int>(there);
    }
    return !workers_.empty();
  }

  void stop_workers() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  std::mutex job_mutex_;
  std::atomic<int> threads_;
  [[maybe_unused]] const Pool* before_;  // the pool of the process that this one was forked from, whose threads are not here
  std::vector<std::thread> workers_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::atomic<uint64_t> generation_{0};  // counts the jobs
  int sleeping_ = 0;                     // workers that must be woken
  bool open_ = false;                    // whether the job still has room for workers
  bool stopping_ = false;
  std::optional<FunctionRef<void(int64_t)>> body_;
  const char* operation_ = nullptr;  // whose pieces they are, for a profile
  std::vector<Part> parts_;          // one a thread
  std::atomic<int> working_{0};      // workers at a piece
  std::exception_ptr error_;         // the first, and whether a worker threw it
  bool is_helpers_error_ = false;
};

std::atomic<Pool*> current{nullptr};

/// Never destroyed: a thread, or an object in static storage, may compute until the program has ended. The pool's threads end with it.
Pool& pool() {
  if (Pool* made = current.load(std::memory_order_acquire)) [[likely]]
    return *made;
  static Pool* const first = [] {
    auto* fresh = new Pool(default_threads(), nullptr);
    current.store(fresh, std::memory_order_release);
    return fresh;
  }();
  return *first;
}

/// A child of fork() has none of the threads, and finds the locks as they happened to be. What it inherits stays as it is.
void replace_pool() {
  const Pool& inherited = pool();
  current.store(new Pool(inherited.threads(), &inherited), std::memory_order_release);
}

[[maybe_unused]] const bool pool_prepared = at_fork(ForkOrder::Pool, {.before = [] { pool(); }, .in_child = replace_pool});

}  // namespace

void run_pieces(int64_t pieces, FunctionRef<void(int64_t piece)> body) { pool().run(pieces, body); }

void leave_pool_to_others() noexcept { inside_pool = true; }

void set_num_threads(int threads) {
  check<ValueError>(threads >= 1 && threads <= kMaxThreads, "set_num_threads: {} threads; give 1 to {}", threads, kMaxThreads);
  pool().resize(threads);
}

int get_num_threads() { return pool().threads(); }

}  // namespace gradus
