#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "distributed/ranks.h"
#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/distributed.h"
#include "gradus/error.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/normalization.h"
#include "gradus/nn/sequential.h"
#include "gradus/operators.h"
#include "gradus/random.h"

using gradus::Tensor;
using gradus::distributed::DataParallel;
using gradus::distributed::DataParallelOptions;
using gradus::distributed::Shard;
using gradus::distributed::ShardLoss;
using testing::error_of;
using namespace distributed_test;
namespace nn = gradus::nn;

namespace {

/// A table of words, of which two layers make one number; `spare` is there for parameters that are not used.
struct Model : nn::Module {
  nn::Embedding table;
  nn::Linear out, spare;

  explicit Model(bool sparse)
      : table(register_module("table", nn::Embedding(20, 3, {.sparse = sparse}))),
        out(register_module("out", nn::Linear(3, 1))),
        spare(register_module("spare", nn::Linear(3, 1))) {}

  /// The square of the output, a number a word.
  Tensor operator()(const Tensor& words) const { return out(table(words).tanh()).square(); }
};

Model model_of(bool sparse = false) {
  gradus::manual_seed(3);
  return Model(sparse);
}

Tensor words() {
  Tensor x = gradus::arange(14);
  x.slice(0, 9) -= 9;
  return x;
}

ShardLoss mean_of(const Model& model, const Tensor& x, const Shard& shard) { return {model(x.slice(0, shard.begin, shard.end)).mean()}; }

/// At least one shard a rank.
DataParallelOptions options(int64_t shards = 4) { return {.shards = std::max<int64_t>(shards, session().size()), .seed = 5}; }

}  // namespace

TEST_CASE("DataParallel gives every rank rank 0's parameters and buffers") {
  gradus::manual_seed(static_cast<uint64_t>(session().rank()));
  const nn::Sequential model(nn::Linear(4, 4), nn::BatchNorm1d(4));
  model.buffers()[0].fill_(session().rank() + 7);
  const DataParallel parallel(session(), model, options());
  for (const auto& entry : model.state_dict()) {
    CAPTURE(entry.first);
    for (const Tensor& other : session().all_gather(entry.second)) CHECK(entry.second.equal(other));
  }
  CHECK(model.buffers()[0].equal(gradus::full({4}, 7)));
}

TEST_CASE("backward gives the gradient of the mean loss over the whole batch, and the loss") {
  const Model model = model_of(), alone = nn::clone(model);
  DataParallel parallel(session(), model, options());
  Tensor expected = alone(words()).mean();
  expected.backward();
  for (int step = 0; step < 3; ++step) {  // in the first one nothing is sent early
    model.zero_grad();
    const double loss = parallel.backward(14, [&](const Shard& shard) { return mean_of(model, words(), shard); });
    CHECK(loss == doctest::Approx(expected.item()));
    CHECK(model.table.weight.grad().allclose(alone.table.weight.grad()));
    CHECK(model.out.weight.grad().allclose(alone.out.weight.grad()));
    CHECK(model.out.bias.grad().allclose(alone.out.bias.grad()));
    CHECK_FALSE(model.spare.weight.grad().defined());
  }
}

TEST_CASE("backward adds to what is in grad") {
  const Model model = model_of();
  DataParallel parallel(session(), model, options());
  const auto run = [&] { return parallel.backward(14, [&](const Shard& shard) { return mean_of(model, words(), shard); }); };
  run();
  const Tensor once = model.out.weight.grad().clone();
  run();
  CHECK(model.out.weight.grad().equal(once * 2));
}

TEST_CASE("a loss counts by its weight") {
  const Model model = model_of(), alone = nn::clone(model);
  DataParallel parallel(session(), model, options());
  // Only some words count, so that shards have unlike numbers of them.
  const Tensor mask = gradus::from_vector(std::vector<double>{1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0}, {14}, {.dtype = gradus::float32});
  ((alone(words()).squeeze(1) * mask).sum() / mask.sum()).backward();
  for (int step = 0; step < 2; ++step) {
    model.zero_grad();
    parallel.backward(14, [&](const Shard& shard) -> ShardLoss {
      const Tensor here = mask.slice(0, shard.begin, shard.end);
      const double count = here.sum().item();
      if (count == 0) return Tensor();
      return {(model(words().slice(0, shard.begin, shard.end)).squeeze(1) * here).sum() / count, count};
    });
    CHECK(model.out.weight.grad().allclose(alone.out.weight.grad()));
  }
}

TEST_CASE("a batch of fewer examples than shards leaves shards empty") {
  const Model model = model_of(), alone = nn::clone(model);
  DataParallel parallel(session(), model, options());
  const Tensor one = words().slice(0, 0, 1);
  alone(one).mean().backward();
  parallel.backward(1, [&](const Shard& shard) { return mean_of(model, one, shard); });
  CHECK(model.out.weight.grad().allclose(alone.out.weight.grad()));
}

TEST_CASE("a parameter that only one shard uses has its gradient on every rank") {
  const Model model = model_of();
  DataParallel parallel(session(), model, options());
  for (int step = 0; step < 3; ++step) {
    model.zero_grad();
    parallel.backward(14, [&](const Shard& shard) -> ShardLoss {
      Tensor loss = model(words().slice(0, shard.begin, shard.end)).mean();
      if (shard.index == step % 2) loss = loss + model.spare(gradus::ones({1, 3})).sum();
      return loss;
    });
    REQUIRE(model.spare.bias.grad().defined());
    CHECK(model.spare.bias.grad().item() == doctest::Approx(3.0 / 14).epsilon(0.4));
    for (const Tensor& other : session().all_gather(model.spare.bias.grad())) CHECK(other.equal(model.spare.bias.grad()));
  }
}

TEST_CASE("row-sparse gradients stay rows, with the numbers of dense ones") {
  const Model model = model_of(true), dense = model_of(false);
  DataParallel parallel(session(), model, options()), beside(session(), dense, options());
  for (int step = 0; step < 3; ++step) {
    model.zero_grad();
    dense.zero_grad();
    // The third step has no rows at all.
    const auto loss_of = [&](const Model& m) {
      return [&m, step](const Shard& shard) -> ShardLoss {
        return step == 2 ? m.out(gradus::ones({1, 3})).sum() : mean_of(m, words(), shard).loss;
      };
    };
    parallel.backward(14, loss_of(model));
    beside.backward(14, loss_of(dense));
    const Tensor grad = model.table.weight.grad();
    REQUIRE(grad.defined() == (step < 2));
    if (step == 2) continue;
    REQUIRE(grad.is_sparse());
    CHECK(grad.indices().numel() == 9);
    CHECK(grad.to_dense().equal(dense.table.weight.grad()));
  }
}

TEST_CASE("rows that come first in a later step are rows all the same") {
  const Model model = model_of(true);
  DataParallel parallel(session(), model, options());
  parallel.backward(14, [&](const Shard&) -> ShardLoss { return model.out(gradus::ones({1, 3})).sum(); });
  CHECK_FALSE(model.table.weight.grad().defined());
  parallel.backward(14, [&](const Shard& shard) { return mean_of(model, words(), shard); });
  REQUIRE(model.table.weight.grad().defined());
  CHECK(model.table.weight.grad().is_sparse());
}

TEST_CASE("no_sync keeps gradients until the next backward, which takes the mean over all") {
  const Model model = model_of(), alone = nn::clone(model);
  DataParallel parallel(session(), model, options());
  const Tensor other = gradus::arange(6);
  ((alone(words()).sum() + alone(other).sum()) / 20).backward();
  for (int step = 0; step < 2; ++step) {
    model.zero_grad();
    {
      const auto nothing_sent = parallel.no_sync();
      parallel.backward(14, [&](const Shard& shard) { return mean_of(model, words(), shard); });
      CHECK_FALSE(model.out.weight.grad().defined());
    }
    parallel.backward(6, [&](const Shard& shard) { return mean_of(model, other, shard); });
    CHECK(model.out.weight.grad().allclose(alone.out.weight.grad()));
    CHECK(model.table.weight.grad().allclose(alone.table.weight.grad()));
  }
}

TEST_CASE("a batch norm has the mean of the shards' statistics on all ranks") {
  const nn::Sequential model(nn::Linear(2, 3), nn::BatchNorm1d(3));
  gradus::manual_seed(1);
  const DataParallelOptions four = options();
  DataParallel parallel(session(), model, four);
  const Tensor x = gradus::arange(32).to(gradus::float32).reshape({16, 2}) / 10;
  const Tensor before = model.buffers()[0].clone();
  const auto run = [&] { parallel.backward(16, [&](const Shard& s) -> ShardLoss { return model(x.slice(0, s.begin, s.end)).sum(); }); };
  run();
  CHECK_FALSE(model.buffers()[0].equal(before));
  for (const Tensor& buffer : model.buffers())
    for (const Tensor& other : session().all_gather(buffer)) CHECK(other.equal(buffer));
  CHECK(model.buffers()[2].item<int64_t>() == 1);
  run();
  CHECK(model.buffers()[2].item<int64_t>() == 2);
}

TEST_CASE("the generator is after backward where it was before, and each shard and step has numbers of its own") {
  const Model model = model_of();
  DataParallel parallel(session(), model, options());
  gradus::manual_seed(9);
  const Tensor before = gradus::get_rng_state();
  std::vector<double> drawn;
  for (int step = 0; step < 2; ++step)
    parallel.backward(14, [&](const Shard& shard) {
      drawn.push_back(gradus::rand({1}).item());
      return mean_of(model, words(), shard);
    });
  CHECK(gradus::get_rng_state().equal(before));
  for (size_t i = 0; i < drawn.size(); ++i)
    for (size_t k = i + 1; k < drawn.size(); ++k) CHECK(drawn[i] != drawn[k]);
}

TEST_CASE("a function that knows its shards is called for each of the rank's own") {
  const Model model = model_of();
  DataParallel parallel(session(), model, options());
  std::vector<int64_t> seen;
  parallel.backward([&](const Shard& shard) -> ShardLoss {
    seen.push_back(shard.index);
    CHECK(shard.size() == 0);
    return model(words()).mean();
  });
  REQUIRE(!seen.empty());
  CHECK(seen.front() == parallel.first_shard());
  CHECK(seen.back() == parallel.last_shard());
  CHECK(static_cast<int64_t>(seen.size()) == parallel.last_shard() - parallel.first_shard() + 1);
}

TEST_CASE("a hook that a user adds is heeded, early or late") {
  const Model model = model_of(), alone = nn::clone(model);
  DataParallel parallel(session(), model, options());
  model.out.weight.register_hook([](const Tensor& dy) { return dy * 2; });
  alone(words()).mean().backward();
  for (int step = 0; step < 2; ++step) {
    model.zero_grad();
    parallel.backward(14, [&](const Shard& shard) { return mean_of(model, words(), shard); });
    CHECK(model.out.weight.grad().allclose(alone.out.weight.grad() * 2));
  }
}

TEST_CASE("a checkpointed part gives the same gradients") {
  const Model model = model_of(), alone = nn::clone(model);
  DataParallel parallel(session(), model, options());
  alone(words()).mean().backward();
  for (int step = 0; step < 2; ++step) {
    model.zero_grad();
    parallel.backward(14, [&](const Shard& shard) -> ShardLoss {
      const Tensor x = model.table(words().slice(0, shard.begin, shard.end));
      const auto rest = [&](const std::vector<Tensor>& in) { return model.out(in[0].tanh()); };
      return gradus::autograd::checkpoint(rest, {x}).square().mean();
    });
    CHECK(model.out.weight.grad().allclose(alone.out.weight.grad()));
    CHECK(model.table.weight.grad().allclose(alone.table.weight.grad()));
  }
}

TEST_CASE("a table of which few rows are looked up has the dense gradient of the whole batch, also where it is not used at all") {
  const nn::Embedding table(3000, 8), alone = nn::clone(table), hooked = nn::clone(table), dense = nn::clone(table);
  int64_t dense_seen = 0;
  hooked.weight.register_hook([&](const Tensor& dy) {
    dense_seen += dy.is_sparse() ? 0 : 1;
    return dy;
  });
  DataParallel parallel(session(), table, options()), with_hook(session(), hooked, options()), as_dense(session(), dense, options());
  const Tensor factors = gradus::linspace(-1, 1, 8);
  // What most rows were looked up of in the first step is sent as a whole.
  as_dense.backward(3000, [&](const Shard& shard) { return ShardLoss(dense(gradus::arange(shard.begin, shard.end)).mean()); });
  for (int step = 0; step < 5; ++step) {
    // Each word is there 12 times, enough for sums in double; in the fourth step most rows are looked up, in the fifth none.
    const Tensor x = step == 3 ? gradus::arange(2800).reshape({14, 200}) : (words().unsqueeze(1) * step).expand({14, 12});
    const auto loss_of = [&](const nn::Embedding& t, const Tensor& part) { return (t(part) * factors).square().sum(); };
    for (const nn::Embedding* t : {&table, &alone, &hooked, &dense}) t->zero_grad();
    const auto of = [&](const nn::Embedding& t) {
      return [&, step](const Shard& shard) -> ShardLoss {
        if (step == 4) return {(t.weight.detach() * factors).sum().requires_grad_(), 1};
        return {loss_of(t, x.slice(0, shard.begin, shard.end)), 1};
      };
    };
    parallel.backward(14, of(table));
    with_hook.backward(14, of(hooked));
    as_dense.backward(14, of(dense));
    REQUIRE(table.weight.grad().defined() == (step < 4));
    if (step == 4) continue;
    (loss_of(alone, x) / static_cast<double>(options().shards)).backward();
    CHECK_FALSE(table.weight.grad().is_sparse());
    CHECK(table.weight.grad().allclose(alone.weight.grad()));
    CHECK(table.weight.grad().equal(hooked.weight.grad()));
    CHECK(table.weight.grad().equal(dense.weight.grad()));
  }
  CHECK(dense_seen == 4 * (parallel.last_shard() - parallel.first_shard() + 1));
}

TEST_CASE("a table that is frozen after the first step has no gradient from then on") {
  const nn::Embedding table(3000, 8);
  const nn::Linear out(8, 1);
  nn::Sequential model(table, out);
  DataParallel parallel(session(), model, options());
  for (int step = 0; step < 3; ++step) {
    model.zero_grad();
    if (step == 1) table.weight.requires_grad_(false);
    parallel.backward(14, [&](const Shard& shard) -> ShardLoss { return model(words().slice(0, shard.begin, shard.end)).square().mean(); });
    CHECK(table.weight.grad().defined() == (step == 0));
    CHECK(out.weight.grad().defined());
  }
}

TEST_CASE("a table has the same bits whether its few rows travel alone or all, looked up twice, and with -0 in other rows") {
  const nn::Embedding table(3000, 8), dense = nn::clone(table);
  DataParallel parallel(session(), table, options()), as_dense(session(), dense, options());
  as_dense.backward(3000, [&](const Shard& shard) { return ShardLoss(dense(gradus::arange(shard.begin, shard.end)).mean()); });
  gradus::manual_seed(8);
  const Tensor at = gradus::randint(0, 9, {14, 60}), also = gradus::randint(0, 9, {14, 60}), c = gradus::randn({14, 60, 8});
  Tensor mask = gradus::zeros({3000, 8});
  mask.slice(0, 0, 5).fill_(1);
  for (int step = 0; step < 4; ++step) {
    const auto of = [&](const nn::Embedding& t) {
      return [&, step](const Shard& shard) -> ShardLoss {
        const auto part = [&](const Tensor& x) { return x.slice(0, shard.begin, shard.end); };
        const Tensor twice = (t(part(at)) * part(c)).sum() + (t(part(also)) * part(c)).sum();
        const Tensor masked = (t.weight * mask).sum() * (shard.index % 2 == 0 ? 1.0 : -1.0);
        return {step < 2 ? twice : masked, 1};
      };
    };
    table.zero_grad();
    dense.zero_grad();
    parallel.backward(14, of(table));
    as_dense.backward(14, of(dense));
    const auto bits = [](const Tensor& x) { return std::vector<float>(x.data<float>(), x.data<float>() + x.numel()); };
    const auto ours = bits(table.weight.grad()), theirs = bits(dense.weight.grad());
    CHECK(std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)) == 0);
    for (const Tensor& other : session().all_gather(table.weight.grad()))
      CHECK(std::memcmp(ours.data(), other.data<float>(), ours.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("what is frozen inside the function, or while its gradient is kept, gets none, and the others get theirs") {
  const nn::Linear first(3, 3), last(3, 1);
  const nn::Sequential model(first, last);
  DataParallel parallel(session(), model, options());
  const auto loss_of = [&](const Shard& shard) -> ShardLoss { return model(gradus::ones({shard.size(), 3})).square().mean(); };
  first.weight.set_grad(gradus::ones({3, 3}));
  parallel.backward(14, [&](const Shard& shard) {
    first.weight.requires_grad_(false);
    return loss_of(shard);
  });
  CHECK_FALSE(first.weight.grad().defined());
  CHECK(last.weight.grad().defined());
  {
    const auto kept = parallel.no_sync();
    parallel.backward(14, loss_of);
  }
  first.bias.requires_grad_(false);
  parallel.backward(14, loss_of);
  CHECK_FALSE(first.bias.grad().defined());
}

TEST_CASE("a gradient that was dense at first stays so when rows alone come, on any number of ranks") {
  const nn::Embedding table(20, 3, {.sparse = true});
  DataParallel parallel(session(), table, options());
  for (int step = 0; step < 3; ++step) {
    table.zero_grad();
    parallel.backward(14, [&](const Shard& shard) -> ShardLoss {
      const Tensor y = table(words().slice(0, shard.begin, shard.end)).square().mean();
      return step == 0 ? y + table.weight.sum() : y;
    });
    REQUIRE(table.weight.grad().defined());
    CHECK_FALSE(table.weight.grad().is_sparse());
  }
}

TEST_CASE("a state goes on as it was, and what does not fit is refused whole") {
  const Model model = model_of();
  DataParallel parallel(session(), model, options()), other(session(), model, options());
  double drawn = 0, again = 0;
  const auto draw = [&](double& to) {
    return [&](const Shard& shard) {
      to = gradus::rand({1}).item();
      return mean_of(model, words(), shard);
    };
  };
  parallel.backward(14, draw(drawn));
  other.load_state_dict(parallel.state_dict());
  parallel.backward(14, draw(drawn));
  other.backward(14, draw(again));
  CHECK(drawn == again);
  auto state = parallel.state_dict();
  state.pop_back();
  CHECK_THROWS_AS(other.load_state_dict(state), gradus::ValueError);
  state.emplace_back("shards", gradus::full({}, 99, {.dtype = gradus::int64}));
  CHECK(error_of<gradus::ValueError>([&] { other.load_state_dict(state); }).find("99 shards") != std::string::npos);
  state.emplace_back("more", gradus::ones({}));
  CHECK(error_of<gradus::ValueError>([&] { other.load_state_dict(state); }).find("unexpected: more") != std::string::npos);
}

TEST_CASE("options and models that do not do are refused on every rank") {
  const Model model = model_of();
  CHECK_THROWS_AS(DataParallel(session(), model, {.shards = session().size() - 1}), gradus::ValueError);
  CHECK_THROWS_AS(DataParallel(session(), model, {.shards = 64, .bucket_bytes = 0}), gradus::ValueError);
  model.requires_grad_(false);
  CHECK_THROWS_AS(DataParallel(session(), model, options()), gradus::ValueError);
  session().barrier();
}

TEST_CASE("weights that are all 0, and a negative number of examples, are refused on every rank") {
  const Model model = model_of();
  DataParallel parallel(session(), model, options());
  const auto no_weight = [&](const Shard& shard) { return ShardLoss(mean_of(model, words(), shard).loss, 0); };
  CHECK_THROWS_AS(parallel.backward(14, no_weight), gradus::ValueError);
  CHECK_THROWS_AS(parallel.backward(0, no_weight), gradus::ValueError);
  CHECK_THROWS_AS(parallel.backward(-3, no_weight), gradus::ValueError);
  parallel.backward(14, [&](const Shard& shard) { return mean_of(model, words(), shard); });
  CHECK(model.out.weight.grad().defined());
}

TEST_CASE("ranks with other models, other numbers of examples or at other steps all throw") {
  if (session().size() == 1) return;
  const bool is_first = session().rank() == 0;
  const nn::Linear narrow(2, 1), wide(3, 1);
  CHECK_THROWS_AS(DataParallel(session(), is_first ? narrow : wide, options()), gradus::ShapeError);
  const Model model = model_of();
  DataParallel parallel(session(), model, options());
  const auto loss = [&](const Shard& shard) { return mean_of(model, words(), shard); };
  const std::string text = error_of<gradus::ShapeError>([&] { parallel.backward(is_first ? 14 : 13, loss); });
  CHECK(text.find("with 14 examples") != std::string::npos);
  CHECK(text.find("with 13 examples") != std::string::npos);
  if (is_first) {
    const auto nothing_sent = parallel.no_sync();
    parallel.backward(14, loss);
  }
  CHECK_THROWS_AS(parallel.backward(14, loss), gradus::StateError);
}

TEST_CASE("what a single rank's function throws leaves everything as it was") {
  if (session().size() > 1) return;  // where others wait, the session is over: tests/distributed/run
  const Model model = model_of();
  DataParallel parallel(session(), model, options());
  const auto ok = [&](const Shard& shard) { return mean_of(model, words(), shard); };
  parallel.backward(14, ok);
  const Tensor before = model.out.weight.grad().clone();
  CHECK_THROWS_AS(parallel.backward(14, [&](const Shard& s) -> ShardLoss { return model(words().slice(0, s.begin, s.end)); }),
                  gradus::ShapeError);
  CHECK_THROWS_AS(parallel.backward(14, [&](const Shard& s) { return ShardLoss(mean_of(model, words(), s).loss, -1); }),
                  gradus::ValueError);
  CHECK(model.out.weight.grad().equal(before));
  model.zero_grad();
  parallel.backward(14, ok);
  CHECK(model.out.weight.grad().equal(before));
}

TEST_CASE("a step that failed leaves buffers as they were, and nothing of it to the next one") {
  if (session().size() > 1) return;
  nn::BatchNorm1d norm(2), alone(2);
  DataParallel parallel(session(), norm, options()), beside(session(), alone, options());
  const Tensor x = gradus::linspace(0, 1, 28).reshape({14, 2});
  const auto loss_of = [&](nn::BatchNorm1d& m, const Shard& shard, int64_t bad) -> ShardLoss {
    const Tensor loss = m(x.slice(0, shard.begin, shard.end)).square().mean();
    if (shard.index == bad) throw std::runtime_error("damaged");
    return loss;
  };
  for (const int64_t bad : {0, 3}) {
    CHECK_THROWS_AS(parallel.backward(14, [&](const Shard& s) { return loss_of(norm, s, bad); }), std::runtime_error);
    CHECK(norm.running_mean.equal(gradus::zeros({2})));
  }
  parallel.backward(14, [&](const Shard& s) { return loss_of(norm, s, -1); });
  beside.backward(14, [&](const Shard& s) { return loss_of(alone, s, -1); });
  CHECK(norm.running_mean.equal(alone.running_mean));
  CHECK(norm.num_batches_tracked.equal(alone.num_batches_tracked));
}
