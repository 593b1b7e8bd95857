#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/span.h"
#include "gradus/parallel.h"

namespace gradus {
namespace {

constexpr int kMaxThreads = 256;
constexpr int kSpins = 2000;  // a recurrent layer hands out work every few microseconds, faster than a thread wakes

thread_local bool inside_pool = false;

int default_threads() noexcept {
  const char* wanted = std::getenv("GRADUS_NUM_THREADS");
  const int threads = wanted ? std::atoi(wanted) : 0;
  return std::clamp(threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxThreads);
}

/// One job at a time: the pieces of a call. Each thread starts in a part of its own, which after the last call over the same memory is
/// nearer to it than to others, and then helps elsewhere.
class Pool {
 public:
  ~Pool() { resize(1); }

  int threads() const noexcept { return threads_.load(std::memory_order_relaxed); }

  void resize(int threads) {
    check<StateError>(!inside_pool, "set_num_threads: called from inside a parallel operation; call it between operations");
    std::lock_guard lock(job_mutex_);
    if (threads == threads_) return;
    stop_workers();
    threads_ = threads;
  }

  void run(int64_t pieces, void (*call)(const void*, int64_t), const void* body) {
    std::unique_lock busy(job_mutex_, std::defer_lock);
    if (inside_pool || !busy.try_lock() || threads_ == 1) {
      for (int64_t piece = 0; piece < pieces; ++piece) call(body, piece);
      return;
    }
    if (workers_.empty()) start_workers();
    open_job(pieces, call, body);
    take_pieces(0);
    close_job();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  struct alignas(64) Part {  // each in a cache line of its own
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void open_job(int64_t pieces, void (*call)(const void*, int64_t), const void* body) {
    bool asleep = false;
    {
      std::lock_guard lock(mutex_);
      call_ = call;
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
          call_(body_, piece);
        } catch (...) {
          std::lock_guard lock(mutex_);
          if (!error_) error_ = std::current_exception();
        }
      }
    }
    inside_pool = false;
  }

  void work(size_t part, uint64_t seen) noexcept {
    profiling::name_this_thread("pool thread");
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

  void start_workers() {
    stopping_ = false;
    const auto threads = static_cast<size_t>(threads_.load());
    parts_ = std::vector<Part>(threads);
    for (size_t i = 1; i < threads; ++i) workers_.emplace_back([this, i, seen = generation_.load()] { work(i, seen); });
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
  std::atomic<int> threads_{default_threads()};
  std::vector<std::thread> workers_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::atomic<uint64_t> generation_{0};  // counts the jobs
  int sleeping_ = 0;                     // workers that must be woken
  bool open_ = false;                    // whether the job still has room for workers
  bool stopping_ = false;
  void (*call_)(const void*, int64_t) = nullptr;
  const void* body_ = nullptr;
  const char* operation_ = nullptr;  // whose pieces they are, for a profile
  std::vector<Part> parts_;          // one a thread
  std::atomic<int> working_{0};      // workers at a piece
  std::exception_ptr error_;
};

Pool& pool() {
  static Pool instance;
  return instance;
}

}  // namespace

void run_pieces(int64_t pieces, void (*call)(const void* body, int64_t piece), const void* body) { pool().run(pieces, call, body); }

void set_num_threads(int threads) {
  check<ValueError>(threads >= 1 && threads <= kMaxThreads, "set_num_threads: {} threads; give 1 to {}", threads, kMaxThreads);
  pool().resize(threads);
}

int get_num_threads() { return pool().threads(); }

}  // namespace gradus
