// The program of docs/tutorials/01_getting_started.md: tensors, views, gradients and error messages.

// [start:includes]
#include <gradus/gradus.h>

#include <iostream>

using gradus::Ellipsis;
using gradus::None;
using gradus::Slice;
using gradus::Tensor;
// [end:includes]

#include "region.h"

static void first_tensor() {
  region("first");
  // [start:first]
  Tensor first = gradus::tensor({{1, 2, 3}, {4, 5, 6}});
  std::cout << first << "\n";
  std::cout << "shape " << first.shape().str() << ", dtype " << name(first.dtype()) << "\n";
  // [end:first]
}

static void dtypes() {
  region("dtypes");
  // [start:dtypes]
  Tensor whole = gradus::tensor({1, 2, 3});                                 // int64
  Tensor real = gradus::tensor({1.5, 2.0, 3.0});                            // float32, although C++ calls 1.5 a double
  Tensor precise = gradus::tensor({1.5, 2.0}, {.dtype = gradus::float64});  // float64, because we ask for it
  Tensor answer = real.gt(1.8);                                             // boolean: is it greater?
  std::cout << "whole + real has dtype " << name((whole + real).dtype()) << "\n";
  std::cout << "whole / 2 is " << whole / 2 << "\n";
  std::cout << "answer is " << answer << "\n";
  std::cout << "precise is " << precise << "\n";
  // [end:dtypes]
}

static void views() {
  region("views");
  // [start:views]
  Tensor grid = gradus::arange(12).view({3, 4});  // (3, 4)
  Tensor turned = grid.permute({1, 0});           // (4, 3): rows and columns change places
  std::cout << "grid:\n" << grid << "\n";
  std::cout << "grid has shape " << grid.shape().str() << " and strides " << grid.strides().str() << "\n";
  std::cout << "turned has shape " << turned.shape().str() << " and strides " << turned.strides().str() << "\n";
  std::cout << "one memory: " << (grid.shares_storage_with(turned) ? "yes" : "no") << "\n";
  turned[0].fill_(-1);  // the first row of turned ...
  std::cout << "grid now:\n" << grid << "\n";
  // [end:views]
}

static void indexing() {
  region("indexing");
  // [start:indexing]
  Tensor x = gradus::arange(24).view({2, 3, 4});         // (2, 3, 4)
  Tensor matrix = x[1];                                  // (3, 4)      x[1] in Python
  Tensor column = x.index({Slice{}, Slice{}, 0});        // (2, 3)      x[:, :, 0]
  Tensor same = x.index({Ellipsis, 0});                  // (2, 3)      x[..., 0]
  Tensor part = x.index({0, Slice{1, 3}, Slice{0, 2}});  // (2, 2)      x[0, 1:3, 0:2]
  Tensor stretched = x.index({0, None});                 // (1, 3, 4)   x[0, None]
  std::cout << "matrix " << matrix.shape().str() << ", stretched " << stretched.shape().str() << "\n";
  std::cout << "column:\n" << column << "\n";
  std::cout << "same as column: " << (gradus::equal(same, column) ? "yes" : "no") << "\n";
  std::cout << "part:\n" << part << "\n";
  // [end:indexing]

  region("picking");
  // [start:picking]
  Tensor rows = x[0].index({gradus::tensor({2, 0, 2})});  // (3, 4): rows 2, 0 and 2 again
  Tensor large = x.index({x.gt(19)});                     // (4): every element above 19
  std::cout << "rows:\n" << rows << "\n";
  std::cout << "above 19: " << large << "\n";
  std::cout << "one element: " << x[1][2][3].item<int64_t>() << "\n";
  // [end:picking]

  region("writing");
  // [start:writing]
  Tensor scores = gradus::tensor({{1.0, -2.0, 3.0}, {-4.0, 5.0, -6.0}});  // (2, 3)
  Tensor positive = scores > 0;                                           // (2, 3) boolean, as scores.gt(0)
  scores[0] = 7;                                                          // the whole first row
  scores.index({1, Slice{1, 3}}) = gradus::tensor({8.0, 9.0});            // two places of the second
  std::cout << "positive:\n" << positive << "\n";
  std::cout << "scores:\n" << scores << "\n";
  std::cout << "above 7 and below 9: " << scores.index({(scores > 7) & (scores < 9)}) << "\n";
  // [end:writing]
}

static void broadcasting() {
  region("broadcasting");
  // [start:broadcasting]
  Tensor tens = gradus::tensor({{10}, {20}, {30}});  // (3, 1)
  Tensor ones = gradus::tensor({1, 2, 3, 4});        //    (4)
  std::cout << tens + ones << "\n";                  // (3, 4)
  // [end:broadcasting]
}

static void first_gradient() {
  region("forward");
  // [start:forward]
  Tensor a = gradus::tensor(2.0, {.requires_grad = true});  // ()
  Tensor b = gradus::tensor(1.0, {.requires_grad = true});  // ()
  Tensor line = a * 3 + b;                                  // ()
  Tensor loss = (line - 10).pow(2);                         // ()
  std::cout << "a    " << a << "\n";
  std::cout << "line " << line << "\n";
  std::cout << "loss " << loss << "\n";
  // [end:forward]

  region("backward");
  // [start:backward]
  loss.backward();
  std::cout << "dloss/da " << a.grad() << "\n";
  std::cout << "dloss/db " << b.grad() << "\n";
  // [end:backward]

  region("accumulate");
  // [start:accumulate]
  (a * 3 + b - 10).pow(2).backward();
  std::cout << "after a second backward: " << a.grad() << "\n";
  a.set_grad({});  // an undefined tensor: the gradient is taken away
  b.set_grad({});
  (a * 3 + b - 10).pow(2).backward();
  std::cout << "cleared, then a third:   " << a.grad() << "\n";
  // [end:accumulate]

  region("step");
  // [start:step]
  {
    gradus::NoGradGuard no_grad;  // until the closing brace, nothing is recorded
    a -= a.grad() * 0.02;
    b -= b.grad() * 0.02;
    Tensor again = (a * 3 + b - 10).pow(2);
    std::cout << "a " << a << "\nb " << b << "\n";
    std::cout << "loss " << again << "\n";
  }
  // [end:step]
}

static void first_errors() {
  region("errors");
  // [start:errors]
  Tensor left = gradus::ones({2, 3});
  Tensor right = gradus::ones({4, 5});
  try {
    left.matmul(right);
  } catch (const gradus::ShapeError& error) {
    std::cout << error.what() << "\n";
  }
  try {
    left[2];
  } catch (const gradus::IndexError& error) {
    std::cout << error.what() << "\n";
  }
  Tensor w = gradus::ones({3}, {.requires_grad = true});
  try {
    w.mul_(2);
  } catch (const gradus::Error& error) {  // the base of all of them
    std::cout << error.what() << "\n";
  }
  // [end:errors]
}

// [start:answer_1]
void answer_1() {
  Tensor x = gradus::tensor(2.0, {.requires_grad = true});  // ()
  (x.pow(3) - x * 2).backward();
  std::cout << "at 2: " << x.grad() << "\n";

  Tensor points = gradus::linspace(-1, 1, 10).requires_grad_();  // (10)
  (points.pow(3) - points * 2).sum().backward();                 // (10) -> ()
  Tensor by_hand = points.detach().pow(2) * 3 - 2;               // (10)
  std::cout << "at ten points, as by hand: " << (gradus::allclose(points.grad(), by_hand) ? "yes" : "no") << "\n";
}
// [end:answer_1]

// [start:answer_2]
void answer_2(double rate) {
  Tensor a = gradus::tensor(2.0, {.requires_grad = true});
  Tensor b = gradus::tensor(1.0, {.requires_grad = true});
  for (int step = 0; step <= 20; ++step) {
    Tensor loss = (a * 3 + b - 10).pow(2);
    if (loss.item() < 0.0001 || step == 20) {
      std::cout << "rate " << rate << ": " << (loss.item() < 0.0001 ? "done" : "not done") << " after " << step << " steps\n";
      return;
    }
    a.set_grad({});
    b.set_grad({});
    loss.backward();
    gradus::NoGradGuard no_grad;  // until the end of this round
    a -= a.grad() * rate;
    b -= b.grad() * rate;
  }
}
// [end:answer_2]

// [start:answer_3]
// The loss after 500 steps on a wave of one year: x and y are (365, 1).
double loss_after_training(const gradus::nn::Sequential& model, const Tensor& x, const Tensor& y) {
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.01});
  for (int step = 0; step < 500; ++step) {
    adam.zero_grad();
    (model(x) - y).pow(2).mean().backward();
    adam.step();
  }
  return (model(x) - y).pow(2).mean().item();
}

void answer_3() {
  namespace nn = gradus::nn;
  gradus::manual_seed(0);
  const Tensor day = gradus::arange(365).unsqueeze(1);           // (365, 1) int64
  const Tensor y = ((day - 80) * (2 * 3.14159265 / 365)).sin();  // (365, 1) float32
  const Tensor x = day / 182.0 - 1;                              // (365, 1) float32
  const auto network = [] { return nn::Sequential(nn::Linear(1, 16), nn::Tanh(), nn::Linear(16, 16), nn::Tanh(), nn::Linear(16, 1)); };
  const nn::Sequential lines(nn::Linear(1, 16), nn::Linear(16, 16), nn::Linear(16, 1));
  std::cout << "tanh, scaled days:   " << (loss_after_training(network(), x, y) < 0.01 ? "below 0.01" : "above 0.01") << "\n";
  std::cout << "no tanh:             " << (loss_after_training(lines, x, y) < 0.1 ? "below 0.1" : "above 0.1") << "\n";
  std::cout << "days from 0 to 364:  " << (loss_after_training(network(), day.to(gradus::float32), y) < 0.01 ? "below 0.01" : "above 0.01")
            << "\n";
  try {
    network()(day);
  } catch (const gradus::DTypeError& error) {
    std::cout << error.what() << "\n";
  }
}
// [end:answer_3]

// [start:answer_4]
void answer_4() {
  namespace nn = gradus::nn;
  const nn::Sequential saved(nn::Linear(1, 16), nn::Tanh(), nn::Linear(16, 16), nn::Tanh(), nn::Linear(16, 1));
  const nn::Sequential other(nn::Linear(1, 8), nn::Tanh(), nn::Linear(8, 1));
  try {
    other.load_state_dict(saved.state_dict());
  } catch (const gradus::Error& error) {
    std::cout << error.what() << "\n";
  }
}
// [end:answer_4]

int main() {
  first_tensor();
  dtypes();
  views();
  indexing();
  broadcasting();
  first_gradient();
  first_errors();
  region("answer_1");
  answer_1();
  region("answer_2");
  for (const double rate : {0.02, 0.2, 0.05}) answer_2(rate);
  region("answer_3");
  answer_3();
  region("answer_4");
  answer_4();
}
