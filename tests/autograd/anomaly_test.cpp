#include <doctest/doctest.h>

#include <string>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/elementwise.h"

using gradus::Tensor;
namespace autograd = gradus::autograd;

TEST_CASE("while anomalies are looked for, backward names the operation whose gradient is NaN and where it was called") {
  const autograd::DetectAnomalyGuard guard;
  const Tensor x = gradus::tensor({1.0, 0.0}, {.requires_grad = true});
  const Tensor y = (gradus::sqrt(x) * gradus::tensor({1.0, 0.0})).sum();  // 0 times infinity
  std::string text;
  try {
    y.backward();
  } catch (const gradus::AutogradError& e) {
    text = e.what();
  }
  CHECK(text.starts_with("backward: SqrtBackward0 gave NaN in the gradient of its input 0 of shape [2]; \"sqrt\" was called at:\n  "));
  CHECK(text.find("+0x") != std::string::npos);
}

TEST_CASE("anomalies are looked for only while the guard lives, and finite gradients pass") {
  const Tensor x = gradus::tensor({1.0, 0.0}, {.requires_grad = true});
  (gradus::sqrt(x) * gradus::tensor({1.0, 0.0})).sum().backward();
  CHECK(gradus::isnan(x.grad())[1].item<bool>());
  const autograd::DetectAnomalyGuard guard;
  const Tensor z = gradus::tensor({1.0, 4.0}, {.requires_grad = true});
  gradus::sqrt(z).sum().backward();
  CHECK(z.grad()[1].item() == 0.25);
}

TEST_CASE("while anomalies are looked for, every error tells the calls that led to it") {
  const auto text = [] {
    try {
      gradus::zeros({2}) + gradus::zeros({3});
    } catch (const gradus::ShapeError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(text().find("called at:") == std::string::npos);
  const autograd::DetectAnomalyGuard guard;
  CHECK(text().starts_with("add: "));
  CHECK(text().find("\ncalled at:\n  ") != std::string::npos);
}
