#include "distributed/exchange.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

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
TreeExchange<T>::~TreeExchange() {
  if (!is_running()) return;
  static_cast<void>(new std::vector<std::vector<T>>(std::move(own_)));
  static_cast<void>(new std::vector<std::vector<T>>(std::move(received_)));
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
void TreeExchange<T>::start(std::vector<std::vector<T>> own) {
  own_ = std::move(own);
  requests_.clear();
  peers_.clear();
  const int rank = channel_.rank();
  size_t parts = 0;
  for (int peer = 0; peer < tree_.ranks(); ++peer) {
    if (peer == rank) continue;
    // Messages of one pair arrive in the order in which they were sent, so the blocks need no tags of their own.
    for (size_t i = 0; i < tree_.blocks(peer).size(); ++i) {
      if (received_.size() == parts) received_.emplace_back();
      auto& part = received_[parts++];
      part.resize(static_cast<size_t>(segment_size(rank)));
      receive(part.data(), segment_size(rank), peer, tag_);
    }
  }
  for (int step = 1; step < tree_.ranks(); ++step) {
    const int peer = (rank + step) % tree_.ranks();  // not all to the same one at once
    for (const auto& block : own_) send(block.data() + segment_begin(peer), segment_size(peer), peer, tag_);
  }
  phase_ = Phase::Parts;
}

template <class T>
bool TreeExchange<T>::messages_done() {
  int all = 0;
  check_mpi("exchange", MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE));
  return all != 0;
}

template <class T>
bool TreeExchange<T>::advance() {
  if (phase_ == Phase::Parts && messages_done()) {
    sum_segment();
    requests_.clear();
    peers_.clear();
    const int rank = channel_.rank();
    for (int peer = 0; peer < tree_.ranks(); ++peer)
      if (peer != rank) receive(own_.front().data() + segment_begin(peer), segment_size(peer), peer, tag_ + 1);
    for (int step = 1; step < tree_.ranks(); ++step)
      send(own_.front().data() + segment_begin(rank), segment_size(rank), (rank + step) % tree_.ranks(), tag_ + 1);
    phase_ = Phase::Sums;
  }
  if (phase_ == Phase::Sums && messages_done()) phase_ = Phase::Done;
  return phase_ == Phase::Done;
}

template <class T>
void TreeExchange<T>::sum_segment() {
  const int rank = channel_.rank();
  const int64_t n = segment_size(rank), begin = segment_begin(rank);
  const auto add = [&](T*& a, T* b) { add_(a, b, n); };
  TreeSum<T*> sum;
  size_t next = 0;
  for (int from = 0; from < tree_.ranks(); ++from)
    for (size_t i = 0; i < tree_.blocks(from).size(); ++i)
      sum.push(tree_.blocks(from)[i], from == rank ? own_[i].data() + begin : received_[next++].data(), add);
  const T* whole = sum.finish(add);
  if (whole != own_.front().data() + begin) std::copy_n(whole, n, own_.front().data() + begin);
}

template class TreeExchange<float>;
template class TreeExchange<double>;
template class TreeExchange<int64_t>;
template void add_arrays<float>(float*, const float*, int64_t);
template void add_arrays<double>(double*, const double*, int64_t);
template void add_arrays<int64_t>(int64_t*, const int64_t*, int64_t);

}  // namespace gradus::distributed
