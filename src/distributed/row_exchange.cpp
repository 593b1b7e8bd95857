#include "distributed/row_exchange.h"

#include "distributed/message.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"

namespace gradus::distributed {
namespace {

void* address(const Tensor& x) {
  if (x.dtype() == int64) return x.data<int64_t>();
  if (x.dtype() == float32) return x.data<float>();
  return x.data<double>();
}

}  // namespace

int RowExchange::bytes(const Tensor& x) const {
  const int64_t count = x.numel() * static_cast<int64_t>(element_size(x.dtype()));
  check<ValueError>(count < (int64_t{1} << 31),
                    "DataParallel::backward: {} rows of a gradient of shape {} are 2 GiB or more; take more shards", x.size(0),
                    parameter_.shape().str());
  return static_cast<int>(count);
}

void RowExchange::send(const Rows& rows, int peer) {
  for (const Tensor& x : {rows.indices, rows.values}) {
    peers_.push_back(peer);
    MPI_Isend(address(x), bytes(x), MPI_BYTE, peer, 0, channel_.data(), &requests_.emplace_back());
  }
}

void RowExchange::receive(const Rows& rows, int peer) {
  for (const Tensor& x : {rows.indices, rows.values}) {
    peers_.push_back(peer);
    MPI_Irecv(address(x), bytes(x), MPI_BYTE, peer, 0, channel_.data(), &requests_.emplace_back());
  }
}

void RowExchange::add(int rank, int64_t count, const Tensor& own) {
  Shape shape = parameter_.shape();
  shape[0] = count;
  if (count == 0) {
    mail_->push_back({});
  } else if (rank == channel_.rank()) {
    mail_->push_back({own.indices().contiguous(), own.values().contiguous()});
    for (int peer = 0; peer < channel_.size(); ++peer)
      if (peer != rank) send(mail_->back(), peer);
  } else {
    mail_->push_back({empty({1, count}, {.dtype = int64}), empty(shape, {.dtype = parameter_.dtype()})});
    receive(mail_->back(), rank);
  }
}

std::vector<Tensor> RowExchange::finish() {
  try {
    channel_.wait(Call::Backward, requests_, peers_);
  } catch (...) {
    static_cast<void>(mail_.release());
    throw;
  }
  std::vector<Tensor> gradients;
  for (const Rows& rows : *mail_)
    gradients.push_back(rows.indices.defined() ? sparse_coo_tensor(rows.indices, rows.values, parameter_.shape()).coalesce() : Tensor());
  return gradients;
}

}  // namespace gradus::distributed
