#include "gradus/nn/key_value_cache.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <numeric>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"

namespace gradus::nn {
namespace {

constexpr const char* kKeyValueCache = "KeyValueCache";
constexpr int64_t kLeastCapacity = 16;

/// A copy of x's first `steps` steps in memory for `capacity`.
Tensor with_room(const Tensor& x, int64_t steps, int64_t capacity) {
  Shape shape = x.shape();
  shape[2] = capacity;
  const Tensor larger = empty(shape, {.dtype = x.dtype()});
  larger.narrow(2, 0, steps).copy_(x.narrow(2, 0, steps));
  return larger;
}

/// Those rows of x, their first `steps` steps and the room behind them.
Tensor rows_of(const Tensor& x, const std::vector<int64_t>& rows, int64_t steps) {
  Shape shape = x.shape();
  shape[0] = std::ssize(rows);
  const Tensor taken = empty(shape, {.dtype = x.dtype()}), from = x.detach().narrow(2, 0, steps), to = taken.narrow(2, 0, steps);
  for (int64_t i = 0; i < shape[0]; ++i) to[i].copy_(from[rows[static_cast<size_t>(i)]]);
  return taken;
}

std::vector<int64_t> numbered(int64_t rows) {
  std::vector<int64_t> numbers(static_cast<size_t>(rows));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  return numbers;
}

}  // namespace

/// The elements, with room for more steps. Several caches may share them; the first that appends behind the last step that any of them has
/// written may use the room.
struct KeyValueCache::Store {
  Tensor keys, values;
  std::atomic<int64_t> used;

  Store(const Tensor& k, const Tensor& v, int64_t steps) : keys(k), values(v), used(steps) {}
  int64_t capacity() const { return keys.size(2); }
  bool claim(int64_t from, int64_t to) { return to <= capacity() && used.compare_exchange_strong(from, to); }
};

KeyValueCache::KeyValueCache(const Tensor& keys, const Tensor& values, const Tensor& key_padding_mask) {
  check_fits(keys, values, key_padding_mask);
  steps_ = keys.size(2);
  store_ = std::make_shared<Store>(keys, values, steps_);
  key_padding_mask_ = key_padding_mask;
  origins_ = numbered(keys.size(0));
}

int64_t KeyValueCache::batch() const { return store_ ? store_->keys.size(0) : 0; }
Tensor KeyValueCache::keys() const { return store_ ? store_->keys.narrow(2, 0, steps_) : Tensor(); }
Tensor KeyValueCache::values() const { return store_ ? store_->values.narrow(2, 0, steps_) : Tensor(); }

void KeyValueCache::check_fits(const Tensor& keys, const Tensor& values, const Tensor& mask) const {
  check<ShapeError>(keys.dim() == 4 && keys.shape() == values.shape(),
                    "{}: keys have shape {} and values {}; both must be (batch, heads, steps, features)", kKeyValueCache, keys.shape(),
                    values.shape());
  check<DTypeError>(keys.dtype() == values.dtype(), "{}: keys are {} and values {}", kKeyValueCache, name(keys.dtype()),
                    name(values.dtype()));
  const Shape padding{keys.size(0), keys.size(2)};
  check<ShapeError>(!mask.defined() || mask.shape() == padding, "{}: key_padding_mask has shape {}, expected {}", kKeyValueCache,
                    mask.defined() ? mask.shape() : padding, padding);
  if (!store_) return;
  const Tensor& ours = store_->keys;
  check<ShapeError>(keys.size(0) == ours.size(0) && keys.size(1) == ours.size(1) && keys.size(3) == ours.size(3),
                    "{}: steps of shape {} do not fit behind those of shape {}; batch, heads and features must be the same", kKeyValueCache,
                    keys.shape(), this->keys().shape());
  check<DTypeError>(keys.dtype() == ours.dtype(), "{}: steps of {} do not fit behind those of {}", kKeyValueCache, name(keys.dtype()),
                    name(ours.dtype()));
  check<DTypeError>(!mask.defined() || !key_padding_mask_.defined() || mask.dtype() == key_padding_mask_.dtype(),
                    "{}: key_padding_mask is {}, and was {} before", kKeyValueCache, mask.defined() ? name(mask.dtype()) : "",
                    key_padding_mask_.defined() ? name(key_padding_mask_.dtype()) : "");
}

void KeyValueCache::append(const Tensor& keys, const Tensor& values, const Tensor& mask) {
  check_fits(keys, values, mask);
  const NoGradGuard no_grad;
  const int64_t before = steps(), added = keys.size(2), total = before + added;
  Tensor joined_mask;
  if (mask.defined() || key_padding_mask_.defined()) {
    joined_mask = zeros({keys.size(0), total}, {.dtype = mask.defined() ? mask.dtype() : key_padding_mask_.dtype()});
    if (key_padding_mask_.defined()) joined_mask.narrow(1, 0, before).copy_(key_padding_mask_.detach());
    if (mask.defined()) joined_mask.narrow(1, before, added).copy_(mask.detach());
  }

  std::shared_ptr<Store> store = store_;
  if (!store || !store->claim(before, total)) {
    const int64_t capacity = std::max(kLeastCapacity, 2 * total);
    const Tensor &old_keys = store ? store->keys : keys, &old_values = store ? store->values : values;
    store =
        std::make_shared<Store>(with_room(old_keys.detach(), before, capacity), with_room(old_values.detach(), before, capacity), total);
  }
  store->keys.narrow(2, before, added).copy_(keys.detach());
  store->values.narrow(2, before, added).copy_(values.detach());
  store_ = std::move(store);
  steps_ = total;
  key_padding_mask_ = joined_mask;
  origins_ = numbered(keys.size(0));
}

KeyValueCache KeyValueCache::reorder(const Tensor& rows) const {
  if (!store_) return *this;
  const Tensor mask = key_padding_mask_.defined() ? key_padding_mask_.index_select(0, rows) : Tensor();
  KeyValueCache other = *this;
  other.origins_.clear();
  const std::vector<int64_t> indices = rows.to_vector<int64_t>();
  for (const int64_t row : indices) {
    check<IndexError>(row >= 0 && row < batch(), "{}: row {} is out of range for a batch of {}", kKeyValueCache, row, batch());
    other.origins_.push_back(origins_[static_cast<size_t>(row)]);
  }
  if (other.origins_ == origins_) return other;
  const NoGradGuard no_grad;
  other.store_ = std::make_shared<Store>(rows_of(store_->keys, indices, steps_), rows_of(store_->values, indices, steps_), steps_);
  other.key_padding_mask_ = mask;
  return other;
}

}  // namespace gradus::nn
