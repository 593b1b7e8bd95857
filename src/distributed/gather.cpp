#include "distributed/gather.h"

#include <memory>

namespace gradus::distributed {

std::vector<std::vector<double>> gather_numbers(Channel& channel, Call call, const std::vector<double>& own,
                                                const std::function<size_t(int)>& size_of) {
  // On the heap, since messages may still come to it where the wait ends by an exception.
  auto all = std::make_unique<std::vector<std::vector<double>>>(static_cast<size_t>(channel.size()));
  std::vector<MPI_Request> requests;
  std::vector<int> peers;
  (*all)[static_cast<size_t>(channel.rank())] = own;
  const auto bytes = [](const std::vector<double>& numbers) { return static_cast<int>(numbers.size() * sizeof(double)); };
  for (int peer = 0; peer < channel.size(); ++peer) {
    if (peer == channel.rank()) continue;
    auto& theirs = (*all)[static_cast<size_t>(peer)];
    theirs.resize(size_of(peer));
    peers.insert(peers.end(), {peer, peer});
    MPI_Irecv(theirs.data(), bytes(theirs), MPI_BYTE, peer, 0, channel.data(), &requests.emplace_back());
    const auto& mine = (*all)[static_cast<size_t>(channel.rank())];
    MPI_Isend(mine.data(), bytes(mine), MPI_BYTE, peer, 0, channel.data(), &requests.emplace_back());
  }
  try {
    channel.wait(call, requests, peers);
  } catch (...) {
    static_cast<void>(all.release());
    throw;
  }
  return std::move(*all);
}

}  // namespace gradus::distributed
