#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "gradus/ref.h"

namespace gradus {

/// A block of at least `bytes` bytes, aligned to 64. Freed blocks are kept by size class and handed out again: a training step
/// asks for the same sizes every time, and fresh pages cost as much as the arithmetic. Throws OutOfMemoryError.
void* allocate(std::size_t bytes);

/// Gives a block from `allocate(bytes)` back.
void deallocate(void* block, std::size_t bytes) noexcept;

/// Room for n values while it lives, not initialised. It comes from the caching allocator: a kernel asks for the same sizes every time.
/// Throws OutOfMemoryError.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n) : bytes_(bytes_of(n)), data_(static_cast<T*>(allocate(bytes_))) {}
  ~Scratch() { deallocate(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const noexcept { return data_; }

 private:
  /// More than there can be where the product is beyond an integer, so that `allocate` refuses it.
  static std::size_t bytes_of(int64_t n) noexcept {
    std::size_t bytes = 0;
    return __builtin_mul_overflow(n, sizeof(T), &bytes) ? ~std::size_t{0} : bytes;
  }

  std::size_t bytes_;
  T* data_;
};

/// What was made of a storage's elements and goes with them.
class Attachment {
 public:
  virtual ~Attachment() = default;
};

/// The memory behind one tensor and its views: a header and the bytes after it, in one block.
class Storage {
 public:
  /// `bytes` bytes, not initialised.
  static Ref<Storage> create(std::size_t bytes) {
    static_assert(sizeof(Storage) <= header_size);
    return Ref<Storage>(new (allocate(header_size + bytes)) Storage(bytes));
  }

  void* data() noexcept { return reinterpret_cast<std::byte*>(this) + header_size; }
  std::size_t bytes() const noexcept { return bytes_; }

  /// True when one reference is all there is.
  bool unshared() const noexcept { return references_.load(std::memory_order_acquire) == 1; }

  /// Counts the changes made in place, so that a tensor saved for backward can tell that it is no longer what it was.
  uint32_t version() const noexcept { return version_.load(std::memory_order_relaxed); }
  void bump_version() noexcept { version_.fetch_add(1, std::memory_order_relaxed); }
  /// Counts on from a storage in whose place this one comes: who saved a tensor there finds it changed.
  void succeed(const Storage& other) noexcept {
    const uint32_t next = other.version() + 1;
    if (version() < next) version_.store(next, std::memory_order_relaxed);
  }

  /// Whether somebody outside got the elements' address, and may write them without its being counted.
  bool is_lent() const noexcept { return lent_.load(std::memory_order_relaxed); }
  void lend() noexcept {
    if (!is_lent()) lent_.store(true, std::memory_order_relaxed);
  }

  /// The one attachment, or null.
  Attachment* attachment() const noexcept { return attachment_.load(std::memory_order_acquire); }
  /// Hangs `one` on a storage that has none, and gives what hangs there then.
  Attachment* attach(std::unique_ptr<Attachment> one) noexcept {
    Attachment* there = nullptr;
    return attachment_.compare_exchange_strong(there, one.get(), std::memory_order_acq_rel) ? one.release() : there;
  }

  friend void retain(Storage* storage) noexcept { storage->references_.fetch_add(1, std::memory_order_relaxed); }
  friend void release(Storage* storage) noexcept {
    if (storage->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const std::size_t bytes = header_size + storage->bytes_;
    storage->~Storage();
    deallocate(storage, bytes);
  }

 private:
  explicit Storage(std::size_t bytes) noexcept : bytes_(bytes) {}
  ~Storage() { delete attachment(); }

  static constexpr std::size_t header_size = 64;  // keeps the data aligned to a cache line

  std::atomic<int64_t> references_{0};
  std::atomic<uint32_t> version_{0};
  std::atomic<bool> lent_{false};
  std::atomic<Attachment*> attachment_{nullptr};
  std::size_t bytes_;
};

/// Memory for one of the small objects that a graph is made of. Like `operator new`, but throws OutOfMemoryError.
void* allocate_object(std::size_t bytes);

/// Gives memory from `allocate_object` back.
void deallocate_object(void* object) noexcept;

/// The base of small objects whose memory comes from `allocate_object`.
struct SmallObject {
  static void* operator new(std::size_t bytes) { return allocate_object(bytes); }
  static void operator delete(void* object) noexcept { deallocate_object(object); }
};

}  // namespace gradus
