// The program of docs/tutorials/14_more_than_one_machine.md: what several machines do together, imitated by one.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace autograd = gradus::autograd;
namespace nn = gradus::nn;
namespace plot = gradus::plot;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:gradient]
/// The gradient of the mean loss over the examples begin … end - 1, all parameters end to end: (N)
static Tensor gradient(const nn::Sequential& model, const Tensor& x, const Tensor& y, int64_t begin, int64_t end) {
  Tensor loss = gradus::mse_loss(model(x.slice(0, begin, end)), y.slice(0, begin, end));  // a mean over end - begin examples
  std::vector<Tensor> parts;
  for (const Tensor& dp : autograd::grad({loss}, model.parameters())) parts.push_back(dp.flatten());
  return gradus::cat(parts, 0);
}
// [end:gradient]

// [start:naive]
/// From the left to the right: ((0 + 1) + 2) + 3 …
static Tensor in_order(const std::vector<Tensor>& parts) {
  Tensor sum = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) sum = sum + parts[i];
  return sum;
}

/// The shards of a rank, of so many ranks.
static std::vector<Tensor> shards_of(const std::vector<Tensor>& shards, size_t rank, size_t ranks) {
  const auto at = [&](size_t r) { return shards.begin() + static_cast<int64_t>(r * shards.size() / ranks); };
  return {at(rank), at(rank + 1)};
}

/// Each rank adds up its shards, and then the ranks' sums are added up.
static Tensor naive_sum(const std::vector<Tensor>& shards, size_t ranks) {
  std::vector<Tensor> sums;
  for (size_t rank = 0; rank < ranks; ++rank) sums.push_back(in_order(shards_of(shards, rank, ranks)));
  return in_order(sums);
}
// [end:naive]

// [start:tree]
/// The sum of the shards first … first + count - 1: a node of the tree. count is a power of two, and divides first.
struct Part {
  size_t first, count;
  Tensor sum;
};

/// Takes one more part, and joins neighbours as long as they are the two halves of a node.
static void push(std::vector<Part>& parts, Part part) {
  parts.push_back(std::move(part));
  while (parts.size() > 1) {
    const Part a = parts[parts.size() - 2], b = parts.back();
    if (a.count != b.count || a.first % (2 * a.count) != 0) return;
    parts.pop_back();
    parts.back() = {a.first, 2 * a.count, a.sum + b.sum};
  }
}

/// What a rank has to send: as much of the tree as its own shards fill.
static std::vector<Part> parts_of(const std::vector<Tensor>& shards, size_t rank, size_t ranks) {
  std::vector<Part> parts;
  size_t first = rank * shards.size() / ranks;
  for (const Tensor& shard : shards_of(shards, rank, ranks)) push(parts, {first++, 1, shard});
  return parts;
}

/// The sum of all shards; their number is a power of two.
static Tensor tree_sum(const std::vector<Tensor>& shards, size_t ranks) {
  std::vector<Part> all;
  for (size_t rank = 0; rank < ranks; ++rank)
    for (Part& part : parts_of(shards, rank, ranks)) push(all, std::move(part));
  return all[0].sum;
}
// [end:tree]

// [start:train]
using Sum = Tensor (*)(const std::vector<Tensor>& shards, size_t ranks);

/// 20 steps, each with 8 shards of a batch of 64; all weights at the end, (N).
static Tensor train(Sum sum, size_t ranks, bool tell) {
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({256, 8}), y = x.sum(1, true);  // (256, 8), (256, 1)
  const nn::Sequential model(nn::Linear(8, 32), nn::Tanh(), nn::Linear(32, 1));
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.01});
  for (int epoch = 1; epoch <= 5; ++epoch) {
    double loss = 0;
    for (int64_t at = 0; at < 256; at += 64) {
      adam.zero_grad();
      std::vector<std::vector<Tensor>> shards(model.parameters().size());  // by parameter, then by shard
      loss = 0;
      for (int64_t s = 0; s < 8; ++s) {
        const int64_t begin = at + 8 * s, end = begin + 8;
        Tensor mean = gradus::mse_loss(model(x.slice(0, begin, end)), y.slice(0, begin, end));
        const std::vector<Tensor> grads = autograd::grad({mean}, model.parameters());
        for (size_t p = 0; p < grads.size(); ++p) shards[p].push_back(8 * grads[p]);  // its weight: 8 examples
        loss += 8 * mean.item() / 64;
      }
      for (size_t p = 0; p < shards.size(); ++p) model.parameters()[p].set_grad(sum(shards[p], ranks) / 64);
      adam.step();
    }
    if (tell) std::printf("epoch %d: %.4f\n", epoch, loss);
  }
  std::vector<Tensor> weights;
  for (const Tensor& p : model.parameters()) weights.push_back(p.detach().flatten());
  return gradus::cat(weights, 0);
}
// [end:train]

// [start:cost]
/// A step on paper, in seconds.
struct Step {
  double compute;     // the gradients of the whole batch on one rank
  double bytes;       // of all gradients
  double bits_per_s;  // of the network

  double messages(double ranks) const { return 2 * (ranks - 1) / ranks * bytes * 8 / bits_per_s; }
  double time(double ranks) const { return compute / ranks + messages(ranks); }
  /// With messages that go while the last of a rank's shards runs backward, which is two thirds of its time.
  double overlapped(double ranks, double shards) const {
    return compute / ranks + std::max(0.0, messages(ranks) - compute / shards * 2 / 3);
  }
};
// [end:cost]

int main() {
  region("mean");
  // [start:mean]
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({64, 8}), y = x.sum(1, true);  // (B 64, 8), (B 64, 1)
  const nn::Sequential model(nn::Linear(8, 32), nn::Tanh(), nn::Linear(32, 1));
  const Tensor whole = gradient(model, x, y, 0, 64);  // (N)
  Tensor sum = gradus::zeros_like(whole);             // (N)
  for (int64_t s = 0; s < 8; ++s) sum += 8 * gradient(model, x, y, 8 * s, 8 * s + 8);
  const Tensor of_shards = sum / 64;  // (N)
  std::cout << whole.numel() << " numbers, equal but for rounding: " << (gradus::allclose(of_shards, whole, 1e-4, 1e-6) ? "yes" : "no")
            << "\n";
  // [end:mean]

  region("uneven");
  // [start:uneven]
  const Tensor a = gradient(model, x, y, 0, 60), b = gradient(model, x, y, 60, 64);  // (N), of 60 examples and of 4
  const auto right = [&](const Tensor& g) { return gradus::allclose(g, whole, 1e-4, 1e-6) ? "right" : "wrong"; };
  std::cout << "(a + b) / 2          " << right((a + b) / 2) << "\n";
  std::cout << "(60 a + 4 b) / 64    " << right((60 * a + 4 * b) / 64) << "\n";
  // [end:uneven]

  region("rounding");
  // [start:rounding]
  const Tensor large = gradus::tensor(1e8), small = gradus::tensor(1.0);  // float32, of about 7 digits
  std::cout << "(large - large) + small is " << ((large - large) + small).item() << "\n";
  std::cout << "large - (large - small) is " << (large - (large - small)).item() << "\n";
  // [end:rounding]

  region("naive");
  // [start:orders]
  std::vector<Tensor> shards;
  for (int s = 0; s < 8; ++s) shards.push_back((gradus::rand({1000}) - 0.5) * gradus::rand({1000}));  // (1000) each
  const Tensor alone = naive_sum(shards, 1);                                                          // (1000)
  for (const size_t ranks : {2, 3, 4})
    std::printf("%d ranks: %d of 1000 sums are others than on one\n", static_cast<int>(ranks),
                (naive_sum(shards, ranks) != alone).sum().item<int>());
  // [end:orders]

  region("tree");
  // [start:trees]
  const Tensor tree = tree_sum(shards, 1);  // (1000)
  for (const size_t ranks : {2, 3, 4, 5, 6, 7, 8})
    std::printf("%d ranks: %d of 1000 sums are others than on one\n", static_cast<int>(ranks),
                (tree_sum(shards, ranks) != tree).sum().item<int>());
  // [end:trees]

  region("training");
  // [start:training]
  const Tensor trained = train(tree_sum, 1, true);  // (N)
  const Tensor naive = train(naive_sum, 1, false);  // (N)
  for (const size_t ranks : {2, 3, 4})
    std::printf("%d ranks: the same bits with the naive sum: %s, with the tree: %s\n", static_cast<int>(ranks),
                gradus::equal(train(naive_sum, ranks, false), naive) ? "yes" : "no",
                gradus::equal(train(tree_sum, ranks, false), trained) ? "yes" : "no");
  // [end:training]

  region("cost");
  // [start:paper]
  const Step slow{.compute = 0.4, .bytes = 14.4e6, .bits_per_s = 1e9}, fast{.compute = 0.4, .bytes = 14.4e6, .bits_per_s = 1e10};
  for (const double ranks : {1.0, 2.0, 4.0, 8.0, 16.0})
    std::printf("%2.0f ranks: compute %.3f s, messages %.3f s or %.3f s, %.1f or %.1f times as fast\n", ranks, slow.compute / ranks,
                slow.messages(ranks), fast.messages(ranks), slow.time(1) / slow.time(ranks), fast.time(1) / fast.time(ranks));
  // [end:paper]

  region("picture");
  // [start:picture]
  std::vector<double> ranks, ideal, at_10, at_1, hidden;
  for (double r = 1; r <= 16; ++r) {
    ranks.push_back(r), ideal.push_back(slow.compute / r);
    at_10.push_back(fast.time(r)), at_1.push_back(slow.time(r)), hidden.push_back(slow.overlapped(r, 16));
  }
  plot::Figure({.x_label = "ranks", .y_label = "seconds a step", .y_range = plot::Range{0, 0.45}})
      .line(ranks, at_1, "1 Gbit/s")
      .line(ranks, hidden, "1 Gbit/s, overlapped")
      .line(ranks, at_10, "10 Gbit/s")
      .line(ranks, ideal, "nothing to send")
      .save("scaling.svg");
  // [end:picture]

  region("early");
  // [start:early]
  const nn::Sequential deep(nn::Linear(8, 32), nn::Tanh(), nn::Linear(32, 32), nn::Tanh(), nn::Linear(32, 1));
  for (const auto& [name, p] : deep.named_parameters())
    p.register_hook([name = name](const Tensor& dp) {
      std::cout << name << " " << dp.shape() << "\n";
      return Tensor();  // the gradient stays as it is
    });
  autograd::backward({gradus::mse_loss(deep(x), y)}, {}, {.leaves_early = true});
  // [end:early]

  region("answer_1");
  // [start:answer_1]
  const gradus::Options in_float64{.dtype = gradus::float64};
  std::vector<Tensor> doubles;
  for (int s = 0; s < 8; ++s) doubles.push_back((gradus::rand({1000}, in_float64) - 0.5) * gradus::rand({1000}, in_float64));
  for (const std::vector<Tensor>& parts : {shards, doubles}) {
    const Tensor difference = (naive_sum(parts, 4) - naive_sum(parts, 1)).abs();  // (1000)
    std::cout << difference.dtype() << ": " << (difference > 0).sum().item<int>() << " of 1000 are others, by at most "
              << difference.max().item() << "\n";
  }
  // [end:answer_1]

  region("answer_2");
  // [start:answer_2]
  for (size_t r = 1; r <= 8; ++r) {
    size_t most = 0, sent = 0;
    for (size_t rank = 0; rank < r; ++rank) {
      most = std::max(most, shards_of(shards, rank, r).size());
      sent += parts_of(shards, rank, r).size();
    }
    std::printf("%d ranks: at most %d shards, %.2f times as fast, %d parts\n", static_cast<int>(r), static_cast<int>(most),
                8.0 / static_cast<double>(most), static_cast<int>(sent));
  }
  // [end:answer_2]

  region("answer_3");
  // [start:answer_3]
  double factor = 1;
  const auto speed_up = [&] {
    const Step larger{.compute = factor * slow.compute, .bytes = slow.bytes, .bits_per_s = slow.bits_per_s};
    return larger.time(1) / larger.time(8);
  };
  while (speed_up() < 4) factor += 0.01;
  std::printf("a batch %.2f times as large\n", factor);
  // [end:answer_3]
}
