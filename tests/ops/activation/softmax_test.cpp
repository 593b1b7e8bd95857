#include <algorithm>
#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;

namespace {

/// Softmax along the last dimension of (rows, n), in double.
Values softmax_rows(const Values& x, size_t n, bool logarithm) {
  Values y(x.size());
  for (size_t row = 0; row < x.size(); row += n) {
    double top = -kInf, total = 0;
    for (size_t i = row; i < row + n; ++i) top = std::max(top, x[i]);
    for (size_t i = row; i < row + n; ++i) total += std::exp(x[i] - top);
    for (size_t i = row; i < row + n; ++i) y[i] = logarithm ? x[i] - top - std::log(total) : std::exp(x[i] - top) / total;
  }
  return y;
}

}  // namespace

TEST_CASE("softmax and log_softmax agree with plain loops for rows of every length") {
  gradus::manual_seed(1);
  for (int64_t n : {1, 2, 7, 31, 32, 33, 64, 200, 511, 512, 513, 3000})
    for (gradus::DType dtype : {gradus::float32, gradus::float64}) {
      CAPTURE(n);
      const Tensor x = (gradus::randn({5, n}) * 4).to(dtype);
      const Tensor y = gradus::softmax(x, 1), z = gradus::log_softmax(x, -1);
      CHECK(y.dtype() == dtype);
      const double tolerance = dtype == gradus::float32 ? 1e-6 : 1e-14;
      const Values soft = softmax_rows(values(x), static_cast<size_t>(n), false),
                   logs = softmax_rows(values(x), static_cast<size_t>(n), true);
      const Values got = values(y), got_logs = values(z);
      for (size_t i = 0; i < soft.size(); ++i) {
        if (std::fabs(got[i] - soft[i]) > tolerance * 4 * soft[i]) FAIL_CHECK(i, ": ", got[i], " for ", soft[i]);
        if (std::fabs(got_logs[i] - logs[i]) > tolerance * (1 + std::fabs(logs[i]))) FAIL_CHECK(i, ": ", got_logs[i], " for ", logs[i]);
      }
    }
}

TEST_CASE("softmax runs along any dimension of any strides") {
  gradus::manual_seed(2);
  const Tensor dense = gradus::randn({3, 4, 5}, {.dtype = gradus::float64});
  for (const Tensor& x : {dense, dense.permute({2, 0, 1}), dense.slice(2, 0, 5, 2)})
    for (int64_t d = -3; d < 3; ++d) {
      const Tensor last = x.transpose(d, -1).contiguous();
      const Tensor y =
          gradus::from_vector(softmax_rows(values(last), static_cast<size_t>(x.size(d)), false), last.shape()).transpose(d, -1);
      CHECK(gradus::softmax(x, d).allclose(y, 1e-13, 0));
      CHECK(gradus::log_softmax(x, d).allclose(y.log(), 1e-12, 1e-13));
    }
}

TEST_CASE("softmax takes large numbers and -kInf as PyTorch does") {
  const Tensor x = gradus::tensor({{1000.0, 1000.0, -kInf}, {-1e30, 0.0, -1000.0}});
  CHECK(values(gradus::softmax(x, 1)) == Values{0.5, 0.5, 0, 0, 1, 0});
  CHECK(values(gradus::log_softmax(x, 1))[2] == -kInf);
  CHECK(values(gradus::log_softmax(x, 1))[5] == -1000);
  for (int64_t n : {3, 100}) {
    const Tensor rows = gradus::zeros({4, n});
    rows.select(0, 0).fill_(-kInf);
    rows.select(0, 1).select(0, n - 1).fill_(kInf);
    rows.select(0, 2).select(0, 1).fill_(kNan);
    for (const Tensor& y : {gradus::softmax(rows, 1), gradus::log_softmax(rows, 1)}) {
      CHECK(gradus::isnan(y.slice(0, 0, 3)).all().item<bool>());
      CHECK(gradus::isfinite(y.select(0, 3)).all().item<bool>());
    }
  }
}

TEST_CASE("softmax of nothing and of a scalar") {
  CHECK(gradus::softmax(gradus::zeros({2, 0}), 1).shape() == Shape{2, 0});
  CHECK(gradus::log_softmax(gradus::zeros({0, 2}), 1).shape() == Shape{0, 2});
  CHECK(gradus::softmax(gradus::tensor(3.0), 0).item() == 1);
  CHECK(gradus::log_softmax(gradus::tensor(3.0), -1).item() == 0);
}

TEST_CASE("softmax names what it cannot take") {
  CHECK(error_of<gradus::DTypeError>([] {
          gradus::softmax(gradus::tensor({1, 2}), 0);
        }).starts_with("softmax: takes float32 or float64, got int64"));
  CHECK(error_of<gradus::IndexError>([] {
          gradus::log_softmax(gradus::zeros({2, 2}), 2);
        }).starts_with("log_softmax: dimension 2 is out of range"));
  CHECK_THROWS_AS(gradus::softmax(Tensor(), 0), gradus::StateError);
}

TEST_CASE("derivatives of softmax and log_softmax") {
  gradus::manual_seed(3);
  for (int64_t d : {0, 1, -1}) {
    check_gradients([d](const Tensors& in) { return gradus::softmax(in[0], d); }, {input({3, 4, 2})});
    check_gradients([d](const Tensors& in) { return gradus::log_softmax(in[0], d); }, {input({3, 4, 2})});
  }
  check_gradients([](const Tensors& in) { return gradus::softmax(in[0], 0) + gradus::log_softmax(in[0], 0) * in[0]; }, {input({})});
}

TEST_CASE("the fused backward pass of softmax gives what the composed one gives") {
  gradus::manual_seed(4);
  const Tensor x = gradus::randn({6, 70}, {.requires_grad = true}), w = gradus::randn({6, 70});
  for (int64_t d : {0, 1}) {
    CHECK(gradient(gradus::softmax(x, d), x, w).allclose(gradient(gradus::softmax(x, d), x, w, true), 1e-5, 1e-6));
    CHECK(gradient(gradus::log_softmax(x, d), x, w).allclose(gradient(gradus::log_softmax(x, d), x, w, true), 1e-5, 1e-6));
  }
}

TEST_CASE("softmax has the same bits for any number of threads") {
  gradus::manual_seed(5);
  const int threads = gradus::get_num_threads();
  const Tensor x = gradus::randn({3000, 20}, {.requires_grad = true}), w = gradus::randn({3000, 20});
  gradus::set_num_threads(1);
  const Values y = values(gradus::softmax(x, 1)), dx = values(gradient(gradus::log_softmax(x, 1), x, w));
  gradus::set_num_threads(3);
  CHECK(values(gradus::softmax(x, 1)) == y);
  CHECK(values(gradient(gradus::log_softmax(x, 1), x, w)) == dx);
  gradus::set_num_threads(threads);
}

TEST_CASE("softmax's result is a tensor of its own, with PyTorch's name") {
  const Tensor x = gradus::randn({2, 3}, {.requires_grad = true});
  const Tensor y = gradus::softmax(x, 1);
  CHECK(y.grad_fn() == "SoftmaxBackward0");
  CHECK(gradus::log_softmax(x, 0).grad_fn() == "LogSoftmaxBackward0");
  y.mul_(2);
  CHECK(y.grad_fn() == "MulBackward0");
}
