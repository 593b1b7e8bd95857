#include "distributed/gradient_sums.h"

#include <algorithm>
#include <utility>

#include "distributed/message.h"
#include "distributed/nonzero_rows.h"
#include "distributed/row_exchange.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"

namespace gradus::distributed {

namespace {

/// Rows of a and then those of b, along the first dimension.
Tensor joined(const Tensor& a, const Tensor& b) {
  Shape shape = a.shape();
  shape[0] += b.size(0);
  const Tensor both = empty(shape, {.dtype = a.dtype()});
  both.slice(0, 0, a.size(0)).copy_(a);
  both.slice(0, a.size(0)).copy_(b);
  return both;
}

}  // namespace

Tensor sum_of(Tensor a, const Tensor& b) {
  if (!a.defined()) return b;
  if (!b.defined()) return a;
  if (a.is_sparse() && b.is_sparse())
    return sparse_coo_tensor(joined(a.indices()[0], b.indices()[0]), joined(a.values(), b.values()), a.shape()).coalesce();
  if (a.is_sparse()) a = a.to_dense();
  a.add_(b.to_dense());
  return a;
}

GradientSums::GradientSums(Channel& channel, const ShardTree& tree, std::vector<Tensor> parameters, int64_t bucket_bytes)
    : channel_(channel), tree_(tree), parameters_(std::move(parameters)), bucket_bytes_(bucket_bytes), announced_(channel, 1) {}

void GradientSums::begin() {
  sums_.assign(parameters_.size(), {});
  thin_.assign(parameters_.size(), {});
  arrivals_.assign(parameters_.size(), 0);
  sequence_.clear();
  is_announced_ = false;
  factor_.reset();
  for (const auto& bucket : buckets_) bucket->clear();
}

Tensor GradientSums::as_rows(size_t i, const Tensor& gradient) {
  if (!gradient.defined() || gradient.is_sparse()) return gradient;
  thin_[i] = gradient.contiguous();
  return nonzero_rows(thin_[i]);
}

void GradientSums::push(size_t i, int64_t shard, Tensor gradient) {
  if (is_known() && places_[i].is_thin) gradient = as_rows(i, gradient);
  sums_[i].push({shard, 1}, std::move(gradient), add);
}

void GradientSums::announce(const std::vector<double>& numbers, const std::function<size_t(int)>& count_of,
                            const std::function<double(const Notes&)>& factor_of) {
  is_announced_ = true;
  factor_of_ = factor_of;
  announced_.start(numbers, count_of);
}

void GradientSums::go_on() {
  constexpr std::chrono::microseconds pause{50};
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return;
  next_look_ = now + pause;
  advance();
}

void GradientSums::push_last(size_t i, int64_t shard, Tensor& kept) {
  if (++arrivals_[i] == 1 && !is_known()) sequence_.push_back(i);
  if (!is_early(i)) return;
  check<StateError>(arrivals_[i] == 1,
                    "DataParallel::backward: the gradient of parameter {}, of shape {}, came again after it was sent, as with "
                    "autograd::checkpoint; give DataParallelOptions overlap = false",
                    i, parameters_[i].shape().str());
  const Tensor gradient = parameters_[i].grad();
  parameters_[i].set_grad({});
  sums_[i].push({shard, 1}, sum_of(std::exchange(kept, {}), gradient), add);
  fill(i);
  advance();
}

std::vector<Tensor> GradientSums::thin() const {
  std::vector<Tensor> found;
  for (size_t i = 0; i < places_.size(); ++i)
    if (places_[i].is_thin) found.push_back(parameters_[i]);
  return found;
}

void GradientSums::fill(size_t i) {
  Bucket& bucket = *buckets_[places_[i].bucket];
  if (bucket.is_filled(places_[i].place)) return;
  std::vector<Tensor> sums;
  for (auto& [block, sum] : sums_[i].parts()) sums.push_back(sum.defined() ? std::exchange(sum, {}).to_dense() : Tensor());
  bucket.fill(places_[i].place, std::move(sums));
}

void GradientSums::advance() {
  if (!factor_ && is_announced_ && announced_.advance()) factor_ = factor_of_(announced_.all());
  for (const auto& bucket : buckets_) bucket->advance(factor_);
}

bool GradientSums::holds(size_t i, bool rows) {
  const auto& parts = sums_[i].parts();
  return std::any_of(parts.begin(), parts.end(),
                     [&](const auto& part) { return part.second.defined() && part.second.is_sparse() == rows; });
}

int64_t GradientSums::count_rows(size_t i) {
  int64_t count = 0;
  for (const auto& [block, sum] : sums_[i].parts())
    if (sum.defined()) count += sum.is_sparse() ? sum.indices().numel() : count_nonzero_rows(sum);
  return count;
}

void GradientSums::agree_on_places() {
  // Of every parameter: is there a dense gradient, are there rows, does it not come just once in backward, how many of its rows are not 0.
  // Then rank 0's order.
  const size_t n = parameters_.size();
  std::vector<double> own(5 * n);
  for (size_t i = 0; i < n; ++i) {
    own[4 * i] = holds(i, false);
    own[4 * i + 1] = holds(i, true);
    own[4 * i + 2] = arrivals_[i] != 1;
    if (parameters_[i].dim() > 1) own[4 * i + 3] = static_cast<double>(count_rows(i));
  }
  std::vector<bool> has_place(n);
  std::vector<size_t> order = sequence_;
  for (const size_t i : order) has_place[i] = true;
  for (size_t i = n; i-- > 0;)
    if (!has_place[i]) order.push_back(i);
  std::copy(order.begin(), order.end(), own.begin() + static_cast<int64_t>(4 * n));
  const Notes all = gather_numbers(channel_, Call::Backward, own, [&](int) { return own.size(); });
  make_places(all);
  if (channel_.size() > 1) make_buckets(all);
}

void GradientSums::make_places(const Notes& all) {
  constexpr int64_t fewest_thin = 16384;  // elements, for which it is worth its while
  const size_t n = parameters_.size();
  places_.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const auto sum = [&](size_t column) {
      double total = 0;
      for (const auto& numbers : all) total += numbers[4 * i + column];
      return total;
    };
    const bool has_dense = sum(0) > 0, has_rows = sum(1) > 0;
    places_[i].is_dense = has_dense;
    places_[i].is_rows = has_rows && !has_dense;
    // Each rank is sent the others' rows, and of dense gradients twice a share of all rows. Where all are 0 that tells nothing.
    const bool is_thin = has_dense && !has_rows && parameters_[i].dim() > 1 && parameters_[i].numel() >= fewest_thin && sum(3) > 0 &&
                         2 * sum(3) <= static_cast<double>(parameters_[i].size(0));
    places_[i].is_thin = is_thin && tree_.shards() > 1;
    places_[i].is_late = sum(2) > 0;
  }
}

void GradientSums::make_buckets(const Notes& all) {
  // Those that come late are in buckets of their own, so that no other one waits for them.
  const size_t n = parameters_.size();
  for (const bool late : {false, true})
    for (const DType dtype : {float32, float64}) {
      bool is_open = false;
      for (size_t k = 0; k < n; ++k) {
        const auto i = static_cast<size_t>(all[0][4 * n + k]);
        if (travels_as_rows(i) || places_[i].is_late != late || parameters_[i].dtype() != dtype) continue;
        if (!is_open) buckets_.push_back(make_bucket(dtype, channel_, tree_, 2 * static_cast<int>(buckets_.size()) + 2));
        places_[i].bucket = buckets_.size() - 1;
        places_[i].place = buckets_.back()->add(parameters_[i]);
        is_open = buckets_.back()->bytes() < bucket_bytes_;
      }
    }
  for (const auto& bucket : buckets_) bucket->clear();
}

void GradientSums::wait_for_buckets() {
  announced_.wait(Call::Backward);
  for (const auto& bucket : buckets_)
    channel_.wait(
        Call::Backward,
        [&] {
          advance();
          return bucket->advance(factor_);
        },
        [&] { return bucket->missing(); });
  advance();
}

void GradientSums::sum_rows(const std::vector<size_t>& parameters, std::vector<Tensor>& sums) {
  // How many rows each block has, of every parameter.
  std::vector<double> counts;
  for (const size_t i : parameters)
    for (auto& [block, sum] : sums_[i].parts()) {
      if (sum.defined() && !sum.is_sparse()) sum = sparse_coo_tensor(arange(sum.size(0)), sum, sum.shape());
      counts.push_back(sum.defined() ? static_cast<double>(sum.indices().numel()) : 0);
    }
  const auto all =
      gather_numbers(channel_, Call::Backward, counts, [&](int rank) { return parameters.size() * tree_.blocks(rank).size(); });
  for (size_t k = 0; k < parameters.size(); ++k) {
    const Tensor& parameter = parameters_[parameters[k]];
    RowExchange exchange(channel_, parameter);
    for (int rank = 0; rank < channel_.size(); ++rank)
      for (size_t b = 0; b < tree_.blocks(rank).size(); ++b) {
        const auto count = static_cast<int64_t>(all[static_cast<size_t>(rank)][k * tree_.blocks(rank).size() + b]);
        exchange.add(rank, count, rank == channel_.rank() ? sums_[parameters[k]].parts()[b].second : Tensor());
      }
    const std::vector<Tensor> parts = exchange.finish();
    Sum sum;
    size_t part = 0;
    for (int rank = 0; rank < channel_.size(); ++rank)
      for (const Block& block : tree_.blocks(rank)) sum.push(block, parts[part++], add);
    sums[parameters[k]] = sum.finish(add);
  }
}

Tensor GradientSums::result_of(size_t i, const Tensor& rows, bool has_dense, bool has_rows) {
  const Place& place = places_[i];
  const Tensor& parameter = parameters_[i];
  if (place.is_thin) {
    if (!has_dense && !has_rows) return {};
    const Tensor sum = thin_[i].defined() ? thin_[i] : zeros(parameter.shape(), {.dtype = parameter.dtype()});
    if (rows.defined()) put_rows(sum, scaled(rows, *factor_));
    return sum;
  }
  if (rows.defined()) return scaled(has_dense || place.is_dense ? rows.to_dense() : rows, *factor_);
  if (!has_dense && !has_rows) return {};
  if (place.is_rows) return sparse_coo_tensor(empty({0}, {.dtype = int64}), parameter.detach().slice(0, 0, 0), parameter.shape());
  return buckets_[place.bucket]->take(place.place);
}

GradientSums::Result GradientSums::finish(const std::vector<double>& notes, const std::function<size_t(int)>& notes_of) {
  const size_t n = parameters_.size();
  if (!is_known()) agree_on_places();
  for (size_t i = 0; i < n; ++i)
    if (places_[i].is_thin)
      for (auto& [block, sum] : sums_[i].parts()) sum = as_rows(i, sum);
  // Of every parameter: is there a dense gradient here, are there rows.
  std::vector<double> own(2 * n);
  for (size_t i = 0; i < n; ++i) {
    own[2 * i] = holds(i, false) || is_pushed(i);
    own[2 * i + 1] = holds(i, true);
  }
  own.insert(own.end(), notes.begin(), notes.end());
  const Notes all = gather_numbers(channel_, Call::Backward, own, [&](int rank) { return 2 * n + notes_of(rank); });
  const auto says = [&](size_t column) {
    return std::any_of(all.begin(), all.end(), [&](const auto& numbers) { return numbers[column] != 0; });
  };
  std::vector<Tensor> rows(n);
  std::vector<size_t> with_rows;
  for (size_t i = 0; i < n; ++i) {
    const bool only_rows = says(2 * i + 1) && !says(2 * i);
    if (travels_as_rows(i) ? says(2 * i) || only_rows : only_rows && places_[i].is_late && !places_[i].is_dense) with_rows.push_back(i);
  }
  if (channel_.size() == 1) {
    for (size_t i = 0; i < n; ++i) rows[i] = sums_[i].finish(add);
  } else {
    if (!with_rows.empty()) sum_rows(with_rows, rows);
    for (size_t i = 0; i < n; ++i)
      if (!travels_as_rows(i)) fill(i);
  }
  wait_for_buckets();
  Result result;
  for (size_t i = 0; i < n; ++i) result.sums.push_back(result_of(i, rows[i], says(2 * i), says(2 * i + 1)));
  for (const auto& numbers : all) result.notes.emplace_back(numbers.begin() + static_cast<int64_t>(2 * n), numbers.end());
  return result;
}

}  // namespace gradus::distributed
