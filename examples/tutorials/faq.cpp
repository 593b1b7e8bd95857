// The program of docs/guides/faq.md: short answers to frequent questions.

#include "region.h"

// [start:includes]
#include <gradus/gradus.h>

#include <iostream>
#include <string>

namespace nn = gradus::nn;
using gradus::Tensor;
// [end:includes]

// [start:tied]
struct Tied : nn::Module {
  nn::Embedding embedding;  // weight (V, E)
  nn::Linear out;           // weight (V, E)

  Tied(int64_t vocab, int64_t embed)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))), out(register_module("out", nn::Linear(embed, vocab))) {
    out.weight = embedding.weight;
  }
  Tensor operator()(const Tensor& tokens) const { return out(embedding(tokens)); }  // (B, T) -> (B, T, V)
};
// [end:tied]

int main() {
  region("nan");
  // [start:nan]
  Tensor z = gradus::tensor({0.0, 4.0}, {.requires_grad = true});  // (2)
  gradus::where(z > 0, z.sqrt(), 0).sum().backward();
  std::cout << "masked behind sqrt:  " << z.grad() << "\n";
  z.set_grad({});
  gradus::where(z > 0, gradus::where(z > 0, z, 1).sqrt(), 0).sum().backward();
  std::cout << "masked before sqrt:  " << z.grad() << "\n";
  // [end:nan]

  region("anomaly");
  // [start:anomaly]
  try {
    gradus::autograd::DetectAnomalyGuard guard;
    Tensor x = gradus::zeros({2}, {.requires_grad = true});
    (x / x).sum().backward();
  } catch (const gradus::Error& error) {
    const std::string text = error.what();
    std::cout << text.substr(0, text.find('\n')) << "\n";
  }
  // [end:anomaly]

  region("batch_first");
  // [start:batch_first]
  nn::GRU gru(3, 5, {.num_layers = 2, .batch_first = true});
  auto [output, h_n] = gru(gradus::randn({4, 6, 3}));  // (batch 4, steps 6, embed 3)
  std::cout << "output " << output.shape() << ", h_n " << h_n.shape() << "\n";
  // [end:batch_first]

  region("dropout");
  // [start:dropout]
  try {
    nn::GRU one_layer(3, 5, {.dropout = 0.5});
  } catch (const gradus::ValueError& error) {
    std::cout << error.what() << "\n";
  }
  // [end:dropout]

  region("sharing");
  // [start:sharing]
  const Tied tied(10, 4);
  std::cout << "parameters: " << tied.parameters().size() << ", names in the state: " << tied.state_dict().size() << "\n";
  // [end:sharing]

  region("copying");
  // [start:copying]
  const nn::Linear original(2, 1);
  const nn::Linear handle = original;           // the same weights under another name
  const nn::Linear twin = nn::clone(original);  // weights of its own
  {
    gradus::NoGradGuard no_grad;
    original.weight.fill_(7);
  }
  std::cout << "handle " << handle.weight.detach() << "\n";
  std::cout << "clone is another: " << (gradus::equal(twin.weight, original.weight) ? "no" : "yes") << "\n";
  // [end:copying]

  region("threads");
  // [start:threads]
  const Tensor left = gradus::randn({300, 400}), right = gradus::randn({400, 500});
  gradus::set_num_threads(1);
  const Tensor by_one = left.matmul(right);  // (300, 500)
  gradus::set_num_threads(4);
  const Tensor by_four = left.matmul(right);
  std::cout << "threads: " << gradus::get_num_threads() << ", same bits: " << (gradus::equal(by_one, by_four) ? "yes" : "no") << "\n";
  // [end:threads]
}
