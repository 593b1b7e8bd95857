#include "core/storage.h"

#include <new>

#include "core/allocator.h"

namespace gradus {

Ref<Storage> Storage::create(std::size_t bytes) {
  static_assert(sizeof(Storage) <= header_size);
  return Ref<Storage>(new (allocate(header_size + bytes)) Storage(bytes));
}

void release(Storage* storage) noexcept {
  if (storage->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::size_t bytes = Storage::header_size + storage->bytes_;
  storage->~Storage();
  deallocate(storage, bytes);
}

}  // namespace gradus
