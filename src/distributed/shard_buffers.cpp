#include "distributed/shard_buffers.h"

#include <algorithm>
#include <utility>

#include "distributed/exchange.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"

namespace gradus::distributed {

ShardBuffers::ShardBuffers(Channel& channel, const ShardTree& tree, std::vector<Tensor> buffers)
    : channel_(channel), tree_(tree), buffers_(std::move(buffers)), changed_(buffers_.size()) {
  own_.resize(static_cast<size_t>(tree.first(channel.rank() + 1) - tree.first(channel.rank())));
  for (auto& shard : own_) shard.resize(buffers_.size());
}

void ShardBuffers::begin() {
  start_.clear();
  for (const Tensor& x : buffers_) start_.push_back(x.detach().clone());
}

void ShardBuffers::begin_shard(int64_t shard) {
  const NoGradGuard no_grad;
  versions_.clear();
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (changed_[i]) buffers_[i].copy_(own_[static_cast<size_t>(shard)][i].defined() ? own_[static_cast<size_t>(shard)][i] : start_[i]);
    versions_.push_back(buffers_[i].version());
  }
}

void ShardBuffers::end_shard(int64_t shard) {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (buffers_[i].version() == versions_[i]) continue;
    changed_[i] = true;
    own_[static_cast<size_t>(shard)][i] = buffers_[i].detach().clone();
  }
}

void ShardBuffers::discard() {
  const NoGradGuard no_grad;
  // All of them: what the shard that failed has changed is known of none.
  for (size_t i = 0; i < start_.size(); ++i) buffers_[i].copy_(start_[i]);
  reset();
}

void ShardBuffers::reset() {
  for (auto& shard : own_) shard.assign(buffers_.size(), {});
  changed_.assign(buffers_.size(), false);
}

void ShardBuffers::end() {
  const NoGradGuard no_grad;
  for (size_t i = 0; i < buffers_.size(); ++i)
    if (changed_[i]) buffers_[i].copy_(start_[i]);
}

std::vector<double> ShardBuffers::numbers_of(int64_t shard, const std::vector<size_t>& which) const {
  std::vector<double> numbers;
  const auto& own = own_[static_cast<size_t>(shard)];
  const bool is_first = shard == 0 && channel_.rank() == 0;
  for (const size_t i : which) {
    const Tensor& x = own[i].defined() ? own[i] : start_[i];
    std::vector<double> values = x.to(float64).to_vector<double>();
    const bool is_mean = x.dtype() == float32 || x.dtype() == float64;
    if (!is_mean && !is_first) std::fill(values.begin(), values.end(), 0);
    numbers.insert(numbers.end(), values.begin(), values.end());
  }
  return numbers;
}

void ShardBuffers::finish(const std::vector<std::vector<double>>& notes) {
  std::vector<size_t> which;
  for (size_t i = 0; i < buffers_.size(); ++i)
    if (std::any_of(notes.begin(), notes.end(), [&](const auto& numbers) { return numbers[numbers.size() - buffers_.size() + i] != 0; }))
      which.push_back(i);
  if (which.empty()) return;
  TreeSum<std::vector<double>> sum;
  const auto add = [](std::vector<double>& a, const std::vector<double>& b) {
    add_arrays(a.data(), b.data(), static_cast<int64_t>(a.size()));
  };
  const int64_t first = tree_.first(channel_.rank());
  for (size_t shard = 0; shard < own_.size(); ++shard)
    sum.push({first + static_cast<int64_t>(shard), 1}, numbers_of(static_cast<int64_t>(shard), which), add);
  TreeExchange<double> exchange(channel_, tree_, add_arrays<double>, 0);
  std::vector<std::vector<Tensor>> parts;
  for (const auto& part : sum.parts()) parts.push_back({from_vector(part.second, {static_cast<int64_t>(part.second.size())})});
  exchange.start(std::move(parts));
  channel_.wait(
      Call::Backward, [&] { return exchange.advance(); }, [&] { return exchange.missing(); });
  const double* next = exchange.arrays().front().front().data<double>();
  for (const size_t i : which) {
    const Tensor& buffer = buffers_[i];
    std::vector<double> values(next, next + buffer.numel());
    next += buffer.numel();
    if (buffer.dtype() == float32 || buffer.dtype() == float64)
      for (double& value : values) value /= static_cast<double>(tree_.shards());
    buffer.copy_(from_vector(values, buffer.shape()).to(buffer.dtype()));
  }
  reset();
}

}  // namespace gradus::distributed
