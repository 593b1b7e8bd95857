
#include "gradus/optim/sparse_adam.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/memory.h"
#include "gradus/nn/clip.h"
#include "gradus/nn/embedding.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/adaptive.h"
#include "gradus/optim/optimizer.h"
#include "gradus/optim/sgd.h"
#include "gradus/random.h"
#include "ops/op_test.h"

using namespace op_test;
namespace optim = gradus::optim;

namespace {

Tensor rows_gradient(const Ints& indices, const Values& values) {
  const auto n = static_cast<int64_t>(indices.size());
  return gradus::sparse_coo_tensor(gradus::from_vector(indices, {n}), gradus::from_vector(values, {n, 2}, {.dtype = gradus::float64}),
                                   {4, 2});
}

Tensor table() { return gradus::tensor({{1, 2}, {3, 4}, {5, 6}, {7, 8}}).to(gradus::float64).requires_grad_(); }

void take_steps(optim::Optimizer& optimizer, const Tensor& p) {
  for (const Tensor& grad :
       {rows_gradient({3, 1, 3}, {1, -2, 0.5, 1, 2, 3}), rows_gradient({1, 0}, {-1, 2, 4, 0.25}), rows_gradient({3}, {0, 1})}) {
    p.set_grad(grad);
    optimizer.step();
  }
}

const Tensor& entry(const std::vector<std::pair<std::string, Tensor>>& state, const std::string& name) {
  for (const auto& [key, value] : state)
    if (key == name) return value;
  throw gradus::ValueError("no " + name);
}

}  // namespace

TEST_CASE("SparseAdam gives PyTorch's numbers; rows that were not seen keep theirs, and their moments") {
  const Tensor p = table(), up = table();
  optim::SparseAdam adam({p}, {.lr = 0.1, .betas = {0.8, 0.9}, .eps = 1e-3});
  take_steps(adam, p);
  // torch.optim.SparseAdam, PyTorch 1.13
  CHECK(p.detach().allclose(
      gradus::from_vector(Values{0.923482443817, 1.924378496146, 2.942023532367, 3.803588990295, 5.0, 6.0, 6.843274825374, 7.812413925464},
                          {4, 2}, {.dtype = gradus::float64}),
      1e-12, 1e-12));
  const auto state = adam.state_dict();
  CHECK(entry(state, "state.0.exp_avg")
            .reshape(-1)
            .allclose(gradus::tensor({0.8, 0.05, -0.12, 0.56, 0.0, 0.0, 0.48, 0.36}).to(gradus::float64), 1e-6, 0));
  CHECK(entry(state, "state.0.step").item() == 3);

  optim::SparseAdam climb({up}, {.lr = 0.1, .betas = {0.8, 0.9}, .eps = 1e-3, .maximize = true});
  take_steps(climb, up);
  CHECK((up.detach() + p.detach()).allclose(table().detach() * 2, 1e-12, 1e-12));
}

TEST_CASE("SparseAdam goes on from a state as if never interrupted, also with a parameter that is not contiguous") {
  const Tensor p = table(), other = gradus::tensor({{1, 3, 5, 7}, {2, 4, 6, 8}}).to(gradus::float64).t().requires_grad_();
  REQUIRE_FALSE(other.is_contiguous());
  optim::SparseAdam first({p}), second({other}), third({p});
  take_steps(first, p);
  take_steps(second, other);
  check_equal(p.detach(), other.detach());
  third.load_state_dict(first.state_dict());
  take_steps(third, p);
  take_steps(second, other);
  check_equal(p.detach(), other.detach());
}

TEST_CASE("SparseAdam refuses dense gradients, and then changes nothing") {
  const Tensor p = table(), q = table();
  optim::SparseAdam adam({p, q});
  p.set_grad(rows_gradient({1}, {1, 1}));
  q.set_grad(gradus::ones({4, 2}, {.dtype = gradus::float64}));
  CHECK(error_of<gradus::ValueError>([&] { adam.step(); }) ==
        "SparseAdam: the gradient of a parameter of shape [4, 2] is dense; give this optimizer the weights of embeddings with sparse, and "
        "the others to Adam");
  check_equal(p.detach(), table().detach());
}

TEST_CASE("SparseAdam names the option that is out of range") {
  const Tensor p = table();
  CHECK(error_of<gradus::ValueError>([&] { optim::SparseAdam({p}, {.lr = 0}); }) == "SparseAdam: lr is 0; it must be finite and above 0");
  CHECK(error_of<gradus::ValueError>([&] { optim::SparseAdam({p}, {.eps = 0}); }) == "SparseAdam: eps is 0; it must be finite and above 0");
  CHECK(error_of<gradus::ValueError>([&] {
          optim::SparseAdam({p}, {.betas = {0.9, 1}});
        }) == "SparseAdam: betas[1] is 1; it must be in [0, 1)");
  CHECK_THROWS_AS(optim::SparseAdam(Tensors{}), gradus::ValueError);
}

TEST_CASE("the other optimizers give a row-sparse gradient the numbers of the dense one") {
  const auto compare = [](auto make) {
    const Tensor sparse = table(), dense = table();
    const auto a = make(sparse), b = make(dense);
    for (const Tensor& grad : {rows_gradient({3, 1, 3}, {1, -2, 0.5, 1, 2, 3}), rows_gradient({}, {}), rows_gradient({0}, {4, 0.25})}) {
      sparse.set_grad(grad);
      dense.set_grad(grad.to_dense());
      a->step();
      b->step();
      check_equal(sparse.detach(), dense.detach());
    }
  };
  compare([](const Tensor& p) { return std::make_unique<optim::SGD>(Tensors{p}, optim::SGDOptions{.lr = 0.1}); });
  compare([](const Tensor& p) { return std::make_unique<optim::SGD>(Tensors{p}, optim::SGDOptions{.lr = 0.1, .momentum = 0.9}); });
  compare([](const Tensor& p) { return std::make_unique<optim::SGD>(Tensors{p}, optim::SGDOptions{.lr = 0.1, .weight_decay = 0.1}); });
  compare([](const Tensor& p) { return std::make_unique<optim::Adagrad>(Tensors{p}, optim::AdagradOptions{.lr = 0.1, .lr_decay = 0.1}); });
  compare([](const Tensor& p) { return std::make_unique<optim::Adagrad>(Tensors{p}, optim::AdagradOptions{.weight_decay = 0.1}); });
  compare([](const Tensor& p) { return std::make_unique<optim::Adam>(Tensors{p}, optim::AdamOptions{.lr = 0.1}); });
  compare([](const Tensor& p) { return std::make_unique<optim::AdamW>(Tensors{p}, optim::AdamWOptions{.lr = 0.1}); });
}

TEST_CASE("a step of training with few rows of a large table takes memory for these rows only") {
  gradus::manual_seed(1);
  const gradus::nn::Embedding table(100000, 64, {.sparse = true});
  const Tensor tokens = gradus::randint(100000, {64});
  optim::SparseAdam adam(table.parameters());
  const auto train = [&] {
    adam.zero_grad();
    table(tokens).square().sum().backward();
    gradus::nn::clip_grad_norm_(table.parameters(), 1);
    adam.step();
  };
  train();  // makes the moments
  gradus::release_cached_memory();
  const size_t before = gradus::memory_stats().live_bytes;
  train();
  const gradus::MemoryStats after = gradus::memory_stats();
  CHECK(after.live_bytes + after.cached_bytes < before + 1000000);  // the table has 25 600 000
}
