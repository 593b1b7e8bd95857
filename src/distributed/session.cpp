#include "gradus/distributed/session.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "distributed/channel.h"
#include "distributed/exchange.h"
#include "distributed/message.h"
#include "distributed/pieces.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"

namespace gradus::distributed {
namespace {

std::atomic<bool> is_there_a_session{false};

Header header_of(Call call, const Tensor& x, int32_t detail) {
  Header header{.call = call, .detail = detail};
  if (!x.defined()) return header;
  header.dtype = static_cast<int32_t>(x.dtype());
  header.dims = static_cast<int32_t>(x.dim());
  std::copy(x.shape().begin(), x.shape().end(), header.sizes.begin());
  return header;
}

/// All ranks agree on x before one of them refuses it, so that all do.
void agree_on(Channel& channel, Call call, const Tensor& x, int32_t detail) {
  channel.agree(header_of(call, x, detail));
  check<StateError>(x.defined(), "{}: the tensor is undefined; give it a value first", name(call));
  check<StateError>(!x.is_sparse(), "{}: the tensor is row-sparse; call to_dense() first", name(call));
  check<DTypeError>(x.dtype() != boolean, "{}: the tensor is bool; take float32, float64 or int64", name(call));
}

/// A contiguous tensor's elements as bytes.
std::byte* bytes_of(const Tensor& x) {
  if (x.dtype() == float32) return reinterpret_cast<std::byte*>(x.data<float>());
  if (x.dtype() == float64) return reinterpret_cast<std::byte*>(x.data<double>());
  return reinterpret_cast<std::byte*>(x.data<int64_t>());
}

int64_t byte_count(const Tensor& x) { return x.numel() * static_cast<int64_t>(element_size(x.dtype())); }

template <class T>
void max_arrays(T* to, const T* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (!(to[i] >= from[i]) && to[i] == to[i]) to[i] = from[i];
}

template <class T>
void min_arrays(T* to, const T* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (!(to[i] <= from[i]) && to[i] == to[i]) to[i] = from[i];
}

template <class T>
Tensor reduce(Channel& channel, const Tensor& x, ReduceOp op) {
  const ShardTree tree(channel.size(), channel.size());
  TreeExchange<T> exchange(channel, tree, op == ReduceOp::Sum ? add_arrays<T> : op == ReduceOp::Max ? max_arrays<T> : min_arrays<T>, 0);
  exchange.start({std::vector<Tensor>{x}});
  channel.wait(
      Call::AllReduce, [&] { return exchange.advance(); }, [&] { return exchange.missing(); });
  return x;
}

/// Runs f, whose messages are written to and read from the memory of `tensors`; where it throws they may still be on their way, and the
/// memory stays.
template <class F>
void with_messages(const std::vector<Tensor>& tensors, const F& f) {
  try {
    f();
  } catch (...) {
    static_cast<void>(new std::vector<Tensor>(tensors));
    throw;
  }
}

}  // namespace

Session::Session(const SessionOptions& options) : exceptions_(std::uncaught_exceptions()) {
  check<ValueError>(options.timeout.count() > 0, "Session: a timeout of {} s; it must be positive", options.timeout.count());
  check<StateError>(!is_there_a_session.exchange(true), "Session: there is one already; make one, and pass it on");
  try {
    channel_ = std::make_unique<Channel>(options.timeout);
  } catch (...) {
    is_there_a_session = false;
    throw;
  }
}

Session::~Session() {
  is_there_a_session = false;
  try {
    if (std::uncaught_exceptions() > exceptions_)
      channel_->leave(fmt::format("rank {} left with an error, which it tells itself", rank()), rank());
    if (!channel_->is_broken()) channel_->finish();
  } catch (const std::exception& error) {
    channel_->leave(fmt::format("rank {} left", rank()), rank());
    std::fprintf(stderr, "gradus: rank %d: %s\n", rank(), error.what());
  }
  // Without MPI_Finalize, which waits for ranks that will not come: mpirun ends those.
  if (channel_->is_broken()) channel_->linger();
}

int Session::rank() const noexcept { return channel_->rank(); }
int Session::size() const noexcept { return channel_->size(); }

Tensor Session::all_reduce(const Tensor& x, ReduceOp op) const {
  agree_on(*channel_, Call::AllReduce, x, static_cast<int32_t>(op));
  Tensor y = x.detach().clone();
  if (size() == 1) return y;
  if (y.dtype() == float32) return reduce<float>(*channel_, y, op);
  if (y.dtype() == float64) return reduce<double>(*channel_, y, op);
  return reduce<int64_t>(*channel_, y, op);
}

Tensor Session::broadcast(const Tensor& x, int root) const {
  agree_on(*channel_, Call::Broadcast, x, root);
  check<IndexError>(root >= 0 && root < size(), "broadcast: no rank {} among {}", root, size());
  Tensor y = x.detach().clone();
  if (size() == 1) return y;
  // A binomial tree: who has it gives it to one who has not, 1, 2, 4, … at a time. Ranks are counted from the root.
  const int place = (rank() - root + size()) % size();
  const auto at = [&](int other) { return (other + root) % size(); };
  with_messages({y}, [&] {
    in_pieces(byte_count(y), [&](int64_t offset, int count) {
      std::vector<MPI_Request> requests;
      std::vector<int> peers;
      int step = 1;
      for (; step < size() && (place & step) == 0; step *= 2) {
      }
      if (place != 0) {
        peers.push_back(at(place - step));
        MPI_Irecv(bytes_of(y) + offset, count, MPI_BYTE, peers.back(), 0, channel_->data(), &requests.emplace_back());
        channel_->wait(Call::Broadcast, requests, peers);
        requests.clear();
        peers.clear();
      }
      for (step /= 2; step > 0; step /= 2) {
        if (place + step >= size()) continue;
        peers.push_back(at(place + step));
        MPI_Isend(bytes_of(y) + offset, count, MPI_BYTE, peers.back(), 0, channel_->data(), &requests.emplace_back());
      }
      channel_->wait(Call::Broadcast, requests, peers);
    });
  });
  return y;
}

std::vector<Tensor> Session::all_gather(const Tensor& x) const {
  agree_on(*channel_, Call::AllGather, x, 0);
  std::vector<Tensor> all;
  for (int i = 0; i < size(); ++i) all.push_back(i == rank() ? x.detach().clone() : empty(x.shape(), {.dtype = x.dtype()}));
  with_messages(all, [&] {
    in_pieces(byte_count(x), [&](int64_t offset, int count) {
      std::vector<MPI_Request> requests;
      std::vector<int> peers;
      for (int peer = 0; peer < size(); ++peer) {
        if (peer == rank()) continue;
        peers.insert(peers.end(), {peer, peer});
        MPI_Irecv(bytes_of(all[static_cast<size_t>(peer)]) + offset, count, MPI_BYTE, peer, 0, channel_->data(), &requests.emplace_back());
        MPI_Isend(bytes_of(all[static_cast<size_t>(rank())]) + offset, count, MPI_BYTE, peer, 0, channel_->data(),
                  &requests.emplace_back());
      }
      channel_->wait(Call::AllGather, requests, peers);
    });
  });
  return all;
}

bool Session::any(bool is_true) const {
  return all_reduce(from_vector(std::vector<int64_t>{is_true}, {}), ReduceOp::Max).item<int64_t>() != 0;
}

void Session::barrier() const { channel_->agree({.call = Call::Barrier}); }

}  // namespace gradus::distributed
