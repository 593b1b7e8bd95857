#include "distributed/exchange.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "core/isa.h"
#include "distributed/pieces.h"

namespace gradus::distributed {

template <class T>
void add_arrays(T* to, const T* from, int64_t n) {
  if constexpr (std::is_integral_v<T>)
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(static_cast<uint64_t>(to[i]) + static_cast<uint64_t>(from[i]));
  else
    for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

template <class T>
void scale_array(const T* from, T* to, int64_t n, T factor) {
  // Each loop has a single array, or two that are known to be different, so that it is compiled with vectors.
  if (from == to) {
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(to[i] * factor + T{0});
    return;
  }
  GRADUS_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(from[i] * factor + T{0});
}

template <class T>
TreeExchange<T>::~TreeExchange() {
  if (!is_running()) return;
  static_cast<void>(new std::vector<Array>(std::move(own_)));
  static_cast<void>(new std::vector<std::vector<T>>(std::move(received_)));
}

template <class T>
std::vector<typename TreeExchange<T>::Range> TreeExchange<T>::ranges(int rank) const {
  std::vector<Range> found;
  int64_t start = 0;  // of the piece
  for (size_t piece = 0; piece < own_.front().size(); ++piece) {
    const int64_t n = own_.front()[piece].numel();
    const int64_t begin = std::max(segment_begin(rank), start), end = std::min(segment_begin(rank + 1), start + n);
    if (begin < end) found.push_back({piece, begin - start, end - begin, begin - segment_begin(rank)});
    start += n;
  }
  return found;
}

template <class T>
void TreeExchange<T>::send(const T* from, int64_t n, int peer, int tag) {
  const auto* bytes = reinterpret_cast<const std::byte*>(from);
  in_pieces(n * int64_t{sizeof(T)}, [&](int64_t at, int count) {
    peers_.push_back(peer);
    check_mpi("send", MPI_Isend(bytes + at, count, MPI_BYTE, peer, tag, channel_.data(), &requests_.emplace_back(MPI_REQUEST_NULL)));
  });
}

template <class T>
void TreeExchange<T>::receive(T* to, int64_t n, int peer, int tag) {
  auto* bytes = reinterpret_cast<std::byte*>(to);
  in_pieces(n * int64_t{sizeof(T)}, [&](int64_t at, int count) {
    peers_.push_back(peer);
    check_mpi("receive", MPI_Irecv(bytes + at, count, MPI_BYTE, peer, tag, channel_.data(), &requests_.emplace_back(MPI_REQUEST_NULL)));
  });
}

template <class T>
void TreeExchange<T>::start(std::vector<Array> own) {
  own_ = std::move(own);
  size_ = 0;
  for (const Tensor& piece : own_.front()) size_ += piece.numel();
  is_scaled_ = false;
  factor_.reset();
  requests_.clear();
  peers_.clear();
  const int rank = channel_.rank();
  const std::vector<Range> mine = ranges(rank);
  size_t parts = 0;
  for (int peer = 0; peer < tree_.ranks(); ++peer) {
    if (peer == rank) continue;
    // Messages of one pair arrive in the order in which they were sent, so blocks and ranges need no tags of their own.
    for (size_t i = 0; i < tree_.blocks(peer).size(); ++i) {
      if (received_.size() == parts) received_.emplace_back();
      auto& part = received_[parts++];
      part.resize(static_cast<size_t>(segment_size(rank)));
      for (const Range& range : mine) receive(part.data() + range.at, range.n, peer, tag_);
    }
  }
  for (int step = 1; step < tree_.ranks(); ++step) {
    const int peer = (rank + step) % tree_.ranks();  // not all to the same one at once
    for (size_t block = 0; block < own_.size(); ++block)
      for (const Range& range : ranges(peer)) send(elements(block, range), range.n, peer, tag_);
  }
  phase_ = Phase::Parts;
}

template <class T>
void TreeExchange<T>::start_scaled(std::vector<Array> own) {
  start(std::move(own));
  is_scaled_ = true;
}

template <class T>
bool TreeExchange<T>::messages_done() {
  int all = 0;
  check_mpi("exchange", MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE));
  return all != 0;
}

template <class T>
bool TreeExchange<T>::advance() {
  if (phase_ == Phase::Parts && messages_done() && (!is_scaled_ || factor_)) send_sums();
  if (phase_ == Phase::Sums && messages_done()) phase_ = Phase::Done;
  return phase_ == Phase::Done;
}

template <class T>
void TreeExchange<T>::send_sums() {
  requests_.clear();
  peers_.clear();
  const int rank = channel_.rank();
  const std::vector<Range> mine = ranges(rank);
  for (int peer = 0; peer < tree_.ranks(); ++peer)
    if (peer != rank)
      for (const Range& range : ranges(peer)) receive(elements(0, range), range.n, peer, tag_ + 1);
  for (const Range& range : mine) sum(range);
  for (int step = 1; step < tree_.ranks(); ++step)
    for (const Range& range : mine) send(elements(0, range), range.n, (rank + step) % tree_.ranks(), tag_ + 1);
  phase_ = Phase::Sums;
}

template <class T>
void TreeExchange<T>::sum(const Range& range) {
  const int rank = channel_.rank();
  const auto add = [&](T*& a, T* b) { add_(a, b, range.n); };
  TreeSum<T*> parts;
  size_t next = 0;
  for (int from = 0; from < tree_.ranks(); ++from)
    for (size_t i = 0; i < tree_.blocks(from).size(); ++i)
      parts.push(tree_.blocks(from)[i], from == rank ? elements(i, range) : received_[next++].data() + range.at, add);
  const T* whole = parts.finish(add);
  T* to = elements(0, range);
  if (factor_) scale_array(whole, to, range.n, *factor_);
  else if (whole != to) std::copy_n(whole, range.n, to);
}

template class TreeExchange<float>;
template class TreeExchange<double>;
template class TreeExchange<int64_t>;
template void add_arrays<float>(float*, const float*, int64_t);
template void add_arrays<double>(double*, const double*, int64_t);
template void add_arrays<int64_t>(int64_t*, const int64_t*, int64_t);
template void scale_array<float>(const float*, float*, int64_t, float);
template void scale_array<double>(const double*, double*, int64_t, double);
template void scale_array<int64_t>(const int64_t*, int64_t*, int64_t, int64_t);

}  // namespace gradus::distributed
