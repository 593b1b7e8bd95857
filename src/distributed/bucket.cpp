#include "distributed/bucket.h"

#include <algorithm>

#include "distributed/exchange.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"

namespace gradus::distributed {
namespace {

template <class T>
void scale(const T* from, T* to, int64_t n, T factor) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i] * factor + T{0};
}

template <class T>
class BucketOf final : public Bucket {
 public:
  BucketOf(Channel& channel, const ShardTree& tree, int tag)
      : blocks_(tree.blocks(channel.rank()).size()), exchange_(channel, tree, add_arrays<T>, tag) {}

  size_t add(const Tensor& parameter) override {
    places_.push_back({parameter.shape(), size_, false});
    size_ += parameter.numel();
    return places_.size() - 1;
  }

  int64_t bytes() const noexcept override { return size_ * int64_t{sizeof(T)}; }

  void clear() override {
    if (own_.empty()) own_ = exchange_.give_back();
    own_.resize(blocks_);
    for (std::vector<T>& block : own_) block.resize(static_cast<size_t>(size_));
    for (Place& place : places_) place.is_filled = false;
    filled_ = 0;
  }

  void fill(size_t place, const std::vector<std::pair<Block, Tensor>>& sums) override {
    Place& at = places_[place];
    if (at.is_filled) return;
    at.is_filled = true;
    for (size_t i = 0; i < blocks_; ++i) {
      T* to = own_[i].data() + at.begin;
      if (i >= sums.size() || !sums[i].second.defined()) {
        std::fill_n(to, at.shape.numel(), T{0});
        continue;
      }
      const Tensor dense = sums[i].second.contiguous();
      std::copy_n(dense.data<T>(), dense.numel(), to);
    }
    if (++filled_ == places_.size()) exchange_.start(std::move(own_));
  }

  bool advance() override { return exchange_.advance(); }
  std::vector<int> missing() override { return exchange_.missing(); }

  Tensor take(size_t place, double factor) const override {
    const Place& at = places_[place];
    Tensor sum = empty(at.shape, {.dtype = dtype_of<T>});
    scale(exchange_.sum().data() + at.begin, sum.data<T>(), sum.numel(), static_cast<T>(factor));
    return sum;
  }

 private:
  struct Place {
    Shape shape;
    int64_t begin;
    bool is_filled;
  };

  const size_t blocks_;
  int64_t size_ = 0;
  std::vector<Place> places_;
  size_t filled_ = 0;
  std::vector<std::vector<T>> own_;  // by block
  TreeExchange<T> exchange_;
};

}  // namespace

Tensor scaled(const Tensor& x, double factor) {
  if (x.is_sparse()) {
    const Tensor values = scaled(x.values(), factor);
    return x.values().is_contiguous() ? x : sparse_coo_tensor(x.indices()[0], values, x.shape());
  }
  const Tensor y = x.contiguous();
  if (y.dtype() == float32) scale(y.data<float>(), y.data<float>(), y.numel(), static_cast<float>(factor));
  else scale(y.data<double>(), y.data<double>(), y.numel(), factor);
  return y;
}

std::unique_ptr<Bucket> make_bucket(DType dtype, Channel& channel, const ShardTree& tree, int tag) {
  if (dtype == float32) return std::make_unique<BucketOf<float>>(channel, tree, tag);
  return std::make_unique<BucketOf<double>>(channel, tree, tag);
}

}  // namespace gradus::distributed
