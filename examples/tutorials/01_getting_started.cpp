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

int main() {
  first_tensor();
  dtypes();
  views();
  indexing();
  broadcasting();
  first_gradient();
  first_errors();
}
