// The program of docs/tutorials/15_from_pytorch.md: each region prints what the same region of 15_from_pytorch.py prints.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace autograd = gradus::autograd;
namespace data = gradus::data;
namespace io = gradus::io;
namespace nn = gradus::nn;
namespace optim = gradus::optim;
using gradus::Ellipsis, gradus::None, gradus::Slice, gradus::Tensor;
// [end:includes]

#include <filesystem>

#include "region.h"

// [start:function]
struct Clipped : autograd::Function<Clipped> {  // the identity, whose gradient is at most 1
  static constexpr const char* name = "Clipped";
  static std::vector<Tensor> forward(autograd::Context&, const std::vector<Tensor>& in) { return {in[0].clone()}; }
  static std::vector<Tensor> backward(autograd::Context&, const std::vector<Tensor>& dy) { return {dy[0].clamp(-1, 1)}; }
};
// [end:function]

// [start:module]
struct Net : nn::Module {
  nn::Linear first;
  nn::Parameter scale;
  nn::Dropout dropout;
  nn::Linear last;

  Net(int64_t inputs, int64_t hidden)
      : first(register_module("first", nn::Linear(inputs, hidden))),
        scale(register_parameter("scale", gradus::ones({hidden}))),
        dropout(register_module("dropout", nn::Dropout(0.5))),
        last(register_module("last", nn::Linear(hidden, 1))) {}

  Tensor operator()(const Tensor& x) const {  // (B, inputs)
    Tensor h = first(x).tanh() * scale;       // (B, hidden)
    return last(dropout(h));                  // (B, 1)
  }
};
// [end:module]

// [start:answer_1]
static Tensor masked_mean(const Tensor& x, const Tensor& lengths) {  // (B, T, E), (B)
  Tensor mask = gradus::arange(x.size(1)) < lengths.unsqueeze(1);    // (B, T)
  return (x * mask.unsqueeze(2)).sum(1) / lengths.unsqueeze(1);      // (B, E)
}
// [end:answer_1]

int main() {
  region("tensors");
  // [start:tensors]
  Tensor x = gradus::tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});  // (2, 3) float32
  Tensor i = gradus::arange(6).reshape({2, 3});                   // (2, 3) int64
  std::cout << x + i << "\n";                                     // float32
  std::cout << (x > 2).sum(1) << "\n";                            // int64
  std::cout << x.matmul(x.t()) << "\n";                           // (2, 2)
  std::cout << x.mean().item() << "\n";
  // [end:tensors]

  region("indexing");
  // [start:indexing]
  std::cout << x[0] << " " << x[-1][2] << "\n";
  std::cout << x.index({Slice{}, 1}) << " " << x.index({Ellipsis, Slice{.step = 2}}) << "\n";
  std::cout << x.index({Slice{}, None}).shape() << "\n";
  std::cout << x.index({x > 4}) << "\n";
  std::cout << x.index({gradus::tensor({1, 0})}) << "\n";
  x[0] = 0;
  x.index({Slice{}, Slice{1}}) += 10;
  std::cout << x << "\n";
  // [end:indexing]

  region("broadcasting");
  // [start:broadcasting]
  Tensor rows = gradus::arange(3).unsqueeze(1);  // (3, 1)
  Tensor columns = gradus::arange(4);            // (4)
  std::cout << 10 * rows + columns << "\n";      // (3, 4)
  // [end:broadcasting]

  region("autograd");
  // [start:autograd]
  Tensor w = gradus::tensor({1.0, 2.0, 3.0}).requires_grad_();  // (3)
  Tensor loss = (w * w).sum();
  loss.backward();
  std::cout << loss << " " << w.grad() << "\n";
  {
    gradus::NoGradGuard no_grad;
    w -= 0.1 * w.grad();
  }
  w.set_grad({});
  Tensor slope = autograd::grad({w.pow(3).sum()}, {w}, {}, {.create_graph = true})[0];
  std::cout << autograd::grad({slope.sum()}, {w})[0] << "\n";  // 6 w
  // [end:autograd]

  region("function");
  // [start:run_function]
  Tensor v = gradus::tensor({1.0, 2.0, 3.0}).requires_grad_();  // (3)
  (Clipped::apply({v})[0] * gradus::tensor({0.5, 5.0, -5.0})).sum().backward();
  std::cout << v.grad() << "\n";
  // [end:run_function]

  region("module");
  // [start:run_module]
  gradus::manual_seed(0);
  Net net(2, 3);
  for (const auto& [name, p] : net.named_parameters()) std::cout << name << " " << p.numel() << "\n";
  std::cout << net.first.weight.detach() << "\n";
  std::cout << net << "\n";
  // [end:run_module]

  region("modes");
  // [start:modes]
  Tensor ones = gradus::ones({2, 2});  // (2, 2)
  net.train();                         // dropout on
  std::cout << net(ones).detach().squeeze(1) << "\n";
  net.eval();  // dropout off
  {
    gradus::NoGradGuard no_grad;
    std::cout << net(ones).squeeze(1) << "\n";
  }
  // [end:modes]

  region("seeds");
  // [start:seeds]
  gradus::manual_seed(7);
  std::cout << gradus::rand({3}) << "\n";
  std::cout << gradus::randn({2, 2}) << "\n";
  std::cout << gradus::randperm(6) << " " << gradus::randint(10, {4}) << "\n";
  std::cout << gradus::dropout(gradus::ones({6}), 0.5) << "\n";
  // [end:seeds]

  region("optimizer");
  // [start:optimizer]
  std::vector<Tensor> biases, others;
  for (const auto& [name, p] : net.named_parameters()) (name.ends_with("bias") ? biases : others).push_back(p);
  const optim::AdamWOptions decayed{.lr = 0.1, .weight_decay = 0.01}, not_decayed{.lr = 0.1, .weight_decay = 0};
  optim::AdamW adamw({{others, decayed}, {biases, not_decayed}});
  optim::LambdaLR warm_up(adamw, [](int64_t epoch) { return std::min(1.0, (static_cast<double>(epoch) + 1) / 4); });
  for (int epoch = 0; epoch < 5; ++epoch) {
    adamw.zero_grad();
    gradus::mse_loss(net(ones), gradus::zeros({2, 1})).backward();
    const double norm = nn::clip_grad_norm_(net.parameters(), 0.5);
    adamw.step();
    std::printf("lr %.3f, norm %.3f\n", adamw.lr(), norm);
    warm_up.step();
  }
  // [end:optimizer]

  region("data");
  // [start:data]
  Tensor features = gradus::arange(10.0).reshape({5, 2});  // (N 5, 2)
  Tensor targets = gradus::arange(5);                      // (N 5)
  data::TensorDataset dataset({features, targets});
  data::DataLoader loader(dataset, {.batch_size = 2});
  for (const auto& batch : loader)  // (B, 2), (B)
    std::cout << batch[0].shape() << " " << batch[1] << "\n";
  // [end:data]

  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::temp_directory_path());
  region("files");
  // [start:files]
  io::save_safetensors("net.safetensors", net.state_dict());
  const Net loaded(2, 3);
  loaded.load_state_dict(io::load_safetensors("net.safetensors").tensors);
  std::cout << "the same: " << (gradus::equal(loaded.last.weight, net.last.weight) ? "yes" : "no") << "\n";
  // [end:files]
  std::filesystem::remove("net.safetensors");
  std::filesystem::current_path(here);

  region("lengths");
  // [start:lengths]
  gradus::manual_seed(0);
  const nn::GRU gru(2, 3);
  Tensor padded = gradus::randn({4, 2, 2});       // (T, B, E)
  Tensor lengths = gradus::tensor({4, 2});        // (B)
  auto [output, h_n] = gru(padded, {}, lengths);  // (T, B, H), (1, B, H)

  std::cout << output.index({Slice{}, 1}).detach() << "\n";  // 0 past the length
  std::cout << h_n.detach() << "\n";                         // each at its sequence's end
  // [end:lengths]

  region("answer_1");
  // [start:run_1]
  std::cout << masked_mean(gradus::arange(12.0).reshape({2, 3, 2}), gradus::tensor({3, 1})) << "\n";
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  gradus::manual_seed(0);
  nn::Linear one(2, 1);
  optim::SGD sgd(one.parameters(), {.lr = 0.1, .momentum = 0.5});
  optim::StepLR halving(sgd, 2, 0.5);
  for (int step = 0; step < 6; ++step) {
    Tensor fit = gradus::mse_loss(one(ones), gradus::full({2, 1}, 3.0));
    sgd.zero_grad();
    fit.backward();
    sgd.step();
    halving.step();
    std::printf("%.4f %.4f\n", fit.item(), halving.get_last_lr()[0]);
  }
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  Tensor scores = gradus::zeros({2, 5}).requires_grad_();  // (N 2, C 5)
  Tensor empty = gradus::cross_entropy(scores, gradus::tensor({1, 1}), {.ignore_index = 1});
  empty.backward();
  std::cout << empty.item() << " " << scores.grad().sum().item() << "\n";
  // [end:run_3]
}
