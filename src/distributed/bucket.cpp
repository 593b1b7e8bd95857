#include "distributed/bucket.h"

#include <algorithm>
#include <utility>

#include "distributed/exchange.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"

namespace gradus::distributed {
namespace {

/// Gradients of fewer bytes are copied: a message costs more.
constexpr int64_t fewest_alone = int64_t{32} << 10;

template <class T>
class BucketOf final : public Bucket {
 public:
  BucketOf(Channel& channel, const ShardTree& tree, int tag)
      : own_(tree.blocks(channel.rank()).size(), Array(1)), exchange_(channel, tree, add_arrays<T>, tag) {}

  size_t add(const Tensor& parameter) override {
    const int64_t n = parameter.numel();
    Place place{parameter.shape(), 0, 0, false};
    if (n * int64_t{sizeof(T)} >= fewest_alone) {
      place.piece = own_.front().size();
      for (Array& block : own_) block.emplace_back();
    } else {
      place.begin = small_;
      small_ += n;
    }
    places_.push_back(place);
    size_ += n;
    return places_.size() - 1;
  }

  int64_t bytes() const noexcept override { return size_ * int64_t{sizeof(T)}; }

  void clear() override {
    if (exchange_.is_running()) return;  // a rank is missing, and there will be no step
    if (!exchange_.arrays().empty()) own_ = std::move(exchange_.arrays());
    exchange_.arrays().clear();
    for (Array& block : own_)
      if (!block.front().defined()) block.front() = empty({small_}, {.dtype = dtype_of<T>});
    for (Place& place : places_) place.is_filled = false;
    filled_ = 0;
  }

  void fill(size_t place, std::vector<Tensor> sums) override {
    Place& at = places_[place];
    at.is_filled = true;
    sums.resize(own_.size());
    for (size_t i = 0; i < own_.size(); ++i) {
      Tensor& sum = sums[i];
      if (at.is_alone()) {
        own_[i][at.piece] = sum.defined() ? sum.contiguous() : zeros(at.shape, {.dtype = dtype_of<T>});
        continue;
      }
      T* to = own_[i].front().template data<T>() + at.begin;
      if (sum.defined()) std::copy_n(sum.contiguous().template data<T>(), at.shape.numel(), to);
      else std::fill_n(to, at.shape.numel(), T{0});
    }
    if (++filled_ == places_.size()) exchange_.start_scaled(std::move(own_));
  }

  bool is_filled(size_t place) const override { return places_[place].is_filled; }

  bool advance(std::optional<double> factor) override {
    if (factor) exchange_.scale(static_cast<T>(*factor));
    return exchange_.advance();
  }
  std::vector<int> missing() override { return exchange_.missing(); }

  Tensor take(size_t place) override {
    const Place& at = places_[place];
    const Tensor sum = exchange_.arrays().front()[at.piece];
    if (at.is_alone()) {
      for (Array& block : exchange_.arrays()) block[at.piece] = {};
      return sum;
    }
    return sum.slice(0, at.begin, at.begin + at.shape.numel()).clone().reshape(at.shape);
  }

 private:
  using Array = std::vector<Tensor>;
  struct Place {
    Shape shape;
    size_t piece;   // of its own, or 0, that of the small ones
    int64_t begin;  // among those
    bool is_filled = false;
    bool is_alone() const noexcept { return piece > 0; }
  };

  int64_t size_ = 0, small_ = 0;
  std::vector<Place> places_;
  size_t filled_ = 0;
  std::vector<Array> own_;  // by block
  TreeExchange<T> exchange_;
};

}  // namespace

Tensor scaled(const Tensor& x, double factor) {
  if (x.is_sparse()) {
    const Tensor values = scaled(x.values(), factor);
    return x.values().is_contiguous() ? x : sparse_coo_tensor(x.indices()[0], values, x.shape());
  }
  const Tensor y = x.contiguous();
  if (y.dtype() == float32) scale_array(y.data<float>(), y.data<float>(), y.numel(), static_cast<float>(factor));
  else scale_array(y.data<double>(), y.data<double>(), y.numel(), factor);
  return y;
}

std::unique_ptr<Bucket> make_bucket(DType dtype, Channel& channel, const ShardTree& tree, int tag) {
  if (dtype == float32) return std::make_unique<BucketOf<float>>(channel, tree, tag);
  return std::make_unique<BucketOf<double>>(channel, tree, tag);
}

}  // namespace gradus::distributed
