#include "distributed/gather.h"

#include <utility>

namespace gradus::distributed {

NumberGather::~NumberGather() {
  if (!advance()) static_cast<void>(all_.release());
}

void NumberGather::start(const std::vector<double>& own, const std::function<size_t(int)>& size_of) {
  all_ = std::make_unique<Numbers>(static_cast<size_t>(channel_.size()));
  requests_.clear();
  peers_.clear();
  const auto& mine = (*all_)[static_cast<size_t>(channel_.rank())] = own;
  const auto bytes = [](const std::vector<double>& numbers) { return static_cast<int>(numbers.size() * sizeof(double)); };
  for (int peer = 0; peer < channel_.size(); ++peer) {
    if (peer == channel_.rank()) continue;
    auto& theirs = (*all_)[static_cast<size_t>(peer)];
    theirs.resize(size_of(peer));
    peers_.insert(peers_.end(), {peer, peer});
    MPI_Irecv(theirs.data(), bytes(theirs), MPI_BYTE, peer, tag_, channel_.data(), &requests_.emplace_back());
    MPI_Isend(mine.data(), bytes(mine), MPI_BYTE, peer, tag_, channel_.data(), &requests_.emplace_back());
  }
}

bool NumberGather::advance() {
  int all = 0;
  MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE);
  return all != 0;
}

void NumberGather::wait(Call call) { channel_.wait(call, requests_, peers_); }

std::vector<std::vector<double>> gather_numbers(Channel& channel, Call call, const std::vector<double>& own,
                                                const std::function<size_t(int)>& size_of) {
  NumberGather gather(channel, 0);
  gather.start(own, size_of);
  gather.wait(call);
  return gather.all();
}

}  // namespace gradus::distributed
