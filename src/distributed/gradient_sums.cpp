#include "distributed/gradient_sums.h"

#include <algorithm>
#include <utility>

#include "distributed/gather.h"
#include "distributed/message.h"
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
    : channel_(channel), tree_(tree), parameters_(std::move(parameters)), bucket_bytes_(bucket_bytes) {}

void GradientSums::begin() {
  sums_.assign(parameters_.size(), {});
  arrivals_.assign(parameters_.size(), 0);
  sequence_.clear();
  for (const auto& bucket : buckets_) bucket->clear();
}

void GradientSums::push_last(size_t i, int64_t shard, const Tensor& kept, const Tensor& gradient) {
  if (++arrivals_[i] == 1 && !is_known()) sequence_.push_back(i);
  if (!is_early(i)) return;
  check<StateError>(arrivals_[i] == 1,
                    "DataParallel::backward: the gradient of parameter {}, of shape {}, came again after it was sent, as with "
                    "autograd::checkpoint; give DataParallelOptions overlap = false",
                    i, parameters_[i].shape().str());
  // What others hold is not added to: in a sum the left one is changed, and this one is the last on the right.
  sums_[i].push({shard, 1}, sum_of(kept, gradient), add);
  fill(i);
  advance();
}

void GradientSums::fill(size_t i) {
  for (auto& [block, sum] : sums_[i].parts())
    if (sum.defined()) sum = sum.to_dense();
  buckets_[places_[i].bucket]->fill(places_[i].place, sums_[i].parts());
}

void GradientSums::advance() {
  for (const auto& bucket : buckets_) bucket->advance();
}

bool GradientSums::holds(size_t i, bool rows) {
  const auto& parts = sums_[i].parts();
  return std::any_of(parts.begin(), parts.end(),
                     [&](const auto& part) { return part.second.defined() && part.second.is_sparse() == rows; });
}

void GradientSums::agree_on_places() {
  // Of every parameter: is there a dense gradient, are there rows, does it not come just once in backward. Then rank 0's order.
  const size_t n = parameters_.size();
  std::vector<double> own(4 * n);
  for (size_t i = 0; i < n; ++i) {
    own[3 * i] = holds(i, false);
    own[3 * i + 1] = holds(i, true);
    own[3 * i + 2] = arrivals_[i] != 1;
  }
  std::vector<bool> has_place(n);
  std::vector<size_t> order = sequence_;
  for (const size_t i : order) has_place[i] = true;
  for (size_t i = n; i-- > 0;)
    if (!has_place[i]) order.push_back(i);
  std::copy(order.begin(), order.end(), own.begin() + static_cast<int64_t>(3 * n));
  make_buckets(gather_numbers(channel_, Call::Backward, own, [&](int) { return own.size(); }));
}

void GradientSums::make_buckets(const std::vector<std::vector<double>>& all) {
  const size_t n = parameters_.size();
  const auto says = [&](size_t column) {
    return std::any_of(all.begin(), all.end(), [&](const auto& numbers) { return numbers[column] != 0; });
  };
  places_.resize(n);
  for (size_t i = 0; i < n; ++i) {
    places_[i].is_rows = says(3 * i + 1) && !says(3 * i);
    places_[i].is_late = says(3 * i + 2);
  }
  // Those that come late are in buckets of their own, so that no other one waits for them.
  for (const bool late : {false, true})
    for (const DType dtype : {float32, float64}) {
      bool is_open = false;
      for (size_t k = 0; k < n; ++k) {
        const auto i = static_cast<size_t>(all[0][3 * n + k]);
        if (places_[i].is_rows || places_[i].is_late != late || parameters_[i].dtype() != dtype) continue;
        if (!is_open) buckets_.push_back(make_bucket(dtype, channel_, tree_, 2 * static_cast<int>(buckets_.size()) + 2));
        places_[i].bucket = buckets_.size() - 1;
        places_[i].place = buckets_.back()->add(parameters_[i]);
        is_open = buckets_.back()->bytes() < bucket_bytes_;
      }
    }
  for (const auto& bucket : buckets_) bucket->clear();
}

void GradientSums::wait_for_buckets() {
  for (const auto& bucket : buckets_)
    channel_.wait(
        Call::Backward,
        [&] {
          advance();
          return bucket->advance();
        },
        [&] { return bucket->missing(); });
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

GradientSums::Result GradientSums::finish(const std::vector<double>& notes, const std::function<size_t(int)>& notes_of,
                                          const std::function<double(const Notes&)>& factor_of) {
  const size_t n = parameters_.size();
  Result result;
  result.sums.resize(n);
  if (channel_.size() == 1) {
    result.notes = {notes};
    const double factor = factor_of(result.notes);
    for (size_t i = 0; i < n; ++i)
      if (const Tensor sum = sums_[i].finish(add); sum.defined()) result.sums[i] = scaled(sum, factor);
    return result;
  }
  if (!is_known()) agree_on_places();
  // Of every parameter: is there a dense gradient here, are there rows.
  std::vector<double> own(2 * n);
  for (size_t i = 0; i < n; ++i) {
    own[2 * i] = holds(i, false) || is_pushed(i);
    own[2 * i + 1] = holds(i, true);
  }
  own.insert(own.end(), notes.begin(), notes.end());
  const auto all = gather_numbers(channel_, Call::Backward, own, [&](int rank) { return 2 * n + notes_of(rank); });
  const auto says = [&](size_t column) {
    return std::any_of(all.begin(), all.end(), [&](const auto& numbers) { return numbers[column] != 0; });
  };
  std::vector<size_t> with_rows;
  for (size_t i = 0; i < n; ++i) {
    const bool only_rows = says(2 * i + 1) && !says(2 * i);
    if (places_[i].is_rows ? says(2 * i) || only_rows : only_rows && places_[i].is_late) with_rows.push_back(i);
  }
  if (!with_rows.empty()) sum_rows(with_rows, result.sums);
  for (size_t i = 0; i < n; ++i)
    if (!places_[i].is_rows) fill(i);
  wait_for_buckets();
  for (auto& numbers : all) result.notes.emplace_back(numbers.begin() + static_cast<int64_t>(2 * n), numbers.end());
  const double factor = factor_of(result.notes);
  for (size_t i = 0; i < n; ++i) {
    Tensor& sum = result.sums[i];
    const bool has_dense = says(2 * i), has_rows = says(2 * i + 1);
    if (sum.defined()) {
      sum = scaled(has_dense ? sum.to_dense() : sum, factor);
    } else if (places_[i].is_rows) {
      if (has_rows) sum = sparse_coo_tensor(empty({0}, {.dtype = int64}), parameters_[i].detach().slice(0, 0, 0), parameters_[i].shape());
    } else if (has_dense || has_rows) {
      sum = buckets_[places_[i].bucket]->take(places_[i].place, factor);
    }
  }
  return result;
}

}  // namespace gradus::distributed
