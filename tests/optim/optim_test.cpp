#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/reduction.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/optimizer.h"
#include "gradus/optim/sgd.h"
#include "gradus/parallel.h"
#include "gradus/random.h"

using gradus::Tensor;
using testing::error_of;
namespace optim = gradus::optim;

namespace {

using Values = std::vector<double>;
using Tensors = std::vector<Tensor>;

Tensor parameter(const Values& values) {
  return gradus::from_vector(values, {static_cast<int64_t>(values.size())}, {.requires_grad = true});
}

/// The gradient of each step: something that no symmetry makes right by chance.
Values gradient_at(int step, size_t n) {
  Values g;
  for (size_t i = 0; i < n; ++i) g.push_back(std::sin(1.7 * step + 0.9 * static_cast<double>(i)) * (i % 3 == 2 ? 10 : 1));
  return g;
}
void set_gradient(const Tensor& p, int step) {
  p.set_grad(gradus::from_vector(gradient_at(step, static_cast<size_t>(p.numel())), p.shape()).to(p.dtype()));
}

void check_close(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-12));
}

/// PyTorch's SGD, element by element.
Values naive_sgd(Values p, const optim::SGDOptions& o, int steps) {
  Values b(p.size());
  for (int t = 1; t <= steps; ++t) {
    const Values grad = gradient_at(t, p.size());
    for (size_t i = 0; i < p.size(); ++i) {
      double g = grad[i] + o.weight_decay * p[i];
      if (o.momentum != 0) {
        b[i] = t == 1 ? g : o.momentum * b[i] + (1 - o.dampening) * g;
        g = o.nesterov ? g + o.momentum * b[i] : b[i];
      }
      p[i] -= o.lr * g;
    }
  }
  return p;
}

/// PyTorch's Adam and AdamW, element by element.
Values naive_adam(Values p, const optim::AdamOptions& o, bool decoupled, int steps) {
  Values m(p.size()), v(p.size()), largest(p.size());
  for (int t = 1; t <= steps; ++t) {
    const Values grad = gradient_at(t, p.size());
    for (size_t i = 0; i < p.size(); ++i) {
      double g = grad[i];
      if (decoupled) p[i] *= 1 - o.lr * o.weight_decay;
      else g += o.weight_decay * p[i];
      m[i] = o.betas[0] * m[i] + (1 - o.betas[0]) * g;
      v[i] = o.betas[1] * v[i] + (1 - o.betas[1]) * g * g;
      largest[i] = std::max(largest[i], v[i]);
      const double second = (o.amsgrad ? largest[i] : v[i]) / (1 - std::pow(o.betas[1], t));
      p[i] -= o.lr * m[i] / (1 - std::pow(o.betas[0], t)) / (std::sqrt(second) + o.eps);
    }
  }
  return p;
}

const Values kStart{1, -2, 3, -4, 5, 0, 0.5};

void run(optim::Optimizer& optimizer, const Tensor& p, int steps) {
  for (int t = 1; t <= steps; ++t) {
    set_gradient(p, t);
    optimizer.step();
  }
}

}  // namespace

TEST_CASE("SGD takes the steps of its formula, with every combination of options") {
  for (const optim::SGDOptions& o : std::vector<optim::SGDOptions>{{.lr = 0.1},
                                                                   {.lr = 0.1, .weight_decay = 0.2},
                                                                   {.lr = 0.1, .momentum = 0.9},
                                                                   {.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.1},
                                                                   {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true},
                                                                   {.lr = 0}}) {
    const Tensor p = parameter(kStart);
    optim::SGD sgd({p}, o);
    run(sgd, p, 5);
    check_close(p.to_vector<double>(), naive_sgd(kStart, o, 5));
  }
}

TEST_CASE("Adam and AdamW take the steps of their formulas, with every combination of options") {
  for (const bool amsgrad : {false, true})
    for (const double decay : {0.0, 0.1}) {
      const optim::AdamOptions o{.lr = 0.05, .betas = {0.8, 0.95}, .eps = 1e-3, .weight_decay = decay, .amsgrad = amsgrad};
      const Tensor p = parameter(kStart), q = parameter(kStart);
      optim::Adam adam({p}, o);
      optim::AdamW adamw({q}, {.lr = 0.05, .betas = {0.8, 0.95}, .eps = 1e-3, .weight_decay = decay, .amsgrad = amsgrad});
      run(adam, p, 6);
      run(adamw, q, 6);
      check_close(p.to_vector<double>(), naive_adam(kStart, o, false, 6));
      check_close(q.to_vector<double>(), naive_adam(kStart, o, true, 6));
    }
}

TEST_CASE("defaults are PyTorch's") {
  const Tensor p = parameter({1}), q = parameter({1}), r = parameter({1});
  optim::Adam adam({p});
  CHECK(adam.options().lr == 1e-3);
  CHECK(adam.options().betas == std::array<double, 2>{0.9, 0.999});
  CHECK(adam.options().eps == 1e-8);
  CHECK(adam.options().weight_decay == 0);
  CHECK_FALSE(adam.options().amsgrad);
  CHECK(optim::AdamW({q}).options().weight_decay == 1e-2);
  CHECK(optim::SGD({r}).options().momentum == 0);
  run(adam, p, 1);
  CHECK(p.item() == doctest::Approx(1 - 1e-3).epsilon(1e-9));  // the first step has the size of the learning rate
}

TEST_CASE("an optimizer trains: a least-squares line is found") {
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({64, 1}), target = x * 3 - 2;
  const Tensor w = gradus::zeros({1}, {.requires_grad = true}), b = gradus::zeros({1}, {.requires_grad = true});
  optim::Adam adam({w, b}, {.lr = 0.1});
  for (int i = 0; i < 300; ++i) {
    adam.zero_grad();
    const Tensor error = x * w + b - target;
    (error * error).mean().backward();
    adam.step();
  }
  CHECK(w.item() == doctest::Approx(3).epsilon(1e-2));
  CHECK(b.item() == doctest::Approx(-2).epsilon(1e-2));
  CHECK(w.is_leaf());
  CHECK(w.requires_grad());
}

TEST_CASE("parameters without gradient are left alone, and start from step one when theirs comes") {
  const Tensor p = parameter({1, 2}), q = parameter({3, 4});
  optim::Adam adam({p, q}, {.lr = 0.1});
  run(adam, p, 3);
  CHECK(q.to_vector<double>() == Values{3, 4});
  CHECK(q.version() == 0);
  p.set_grad({});
  const auto before = p.to_vector<double>();
  set_gradient(q, 1);
  adam.step();
  CHECK(p.to_vector<double>() == before);
  check_close(q.to_vector<double>(), naive_adam({3, 4}, {.lr = 0.1}, false, 1));
}

TEST_CASE("a step counts as a change in place: a graph that saved the parameter notices") {
  const Tensor p = parameter({1, 2});
  const Tensor y = (p * p).sum();
  y.backward({}, true);
  optim::SGD({p}, {.lr = 0.1}).step();
  CHECK(p.version() == 1);
  CHECK_THROWS_AS(y.backward(), gradus::AutogradError);
}

TEST_CASE("strided parameters and strided gradients are updated as dense ones are") {
  gradus::manual_seed(3);
  const Tensor start = gradus::randn({4, 3}, {.dtype = gradus::float64});
  const Tensor grad = gradus::randn({4, 3}, {.dtype = gradus::float64});
  const Tensor dense = start.clone().requires_grad_();
  const Tensor strided = start.t().clone().t().detach().requires_grad_();
  REQUIRE_FALSE(strided.is_contiguous());
  optim::SGD a({dense}, {.lr = 0.1, .momentum = 0.9}), b({strided}, {.lr = 0.1, .momentum = 0.9});
  for (int t = 0; t < 3; ++t) {
    dense.set_grad(grad);
    strided.set_grad(grad.t().clone().t());
    a.step();
    b.step();
  }
  CHECK(gradus::equal(dense, strided));
  CHECK(strided.version() == 3);
}

TEST_CASE("float32 parameters follow the float64 formula to rounding, for sizes around the vector and thread borders") {
  for (const int64_t n : {1, 7, 16, 33, 70000}) {
    const Tensor p = gradus::full({n}, 0.5, {.requires_grad = true});
    optim::Adam adam({p}, {.lr = 0.01, .weight_decay = 0.1});
    run(adam, p, 3);
    const auto expected = naive_adam(Values(static_cast<size_t>(n), 0.5), {.lr = 0.01, .weight_decay = 0.1}, false, 3);
    CHECK(gradus::allclose(p.detach().to(gradus::float64), gradus::from_vector(expected, {n}), 1e-5, 1e-6));
  }
}

TEST_CASE("a step has the same bits for every number of threads") {
  const int threads = gradus::get_num_threads();
  const auto result = [](int count) {
    gradus::set_num_threads(count);
    const Tensor p = gradus::full({100'000}, 0.5, {.requires_grad = true});
    optim::Adam adam({p}, {.lr = 0.01, .amsgrad = true});
    run(adam, p, 2);
    return p.detach();
  };
  const Tensor one = result(1), three = result(3);
  gradus::set_num_threads(threads);
  CHECK(gradus::equal(one, three));
}

TEST_CASE("groups have options of their own, or those of the optimizer") {
  const Tensor p = parameter({1}), q = parameter({1}), r = parameter({1});
  optim::SGD sgd({{.params = {p}}, {.params = {q}, .options = optim::SGDOptions{.lr = 0.5}}}, {.lr = 0.1});
  auto slow = sgd.options();
  slow.lr = 0.01;
  sgd.add_param_group({.params = {r}, .options = slow});
  CHECK(sgd.num_groups() == 3);
  CHECK(sgd.params(1)[0].is_same(q));
  CHECK(sgd.lr(1) == 0.5);
  for (const Tensor& x : {p, q, r}) x.set_grad(gradus::ones({1}, {.dtype = gradus::float64}));
  sgd.step();
  CHECK(p.item() == doctest::Approx(0.9));
  CHECK(q.item() == doctest::Approx(0.5));
  CHECK(r.item() == doctest::Approx(0.99));
  sgd.set_lr(0);
  CHECK(sgd.lr(2) == 0);
  sgd.set_lr(0.25, 1);
  CHECK(sgd.lr(0) == 0);
  CHECK(sgd.options(1).lr == 0.25);
  sgd.step();
  CHECK(p.item() == doctest::Approx(0.9));
  CHECK(q.item() == doctest::Approx(0.25));
  CHECK_THROWS_AS(sgd.set_lr(0.1, 3), gradus::IndexError);
  CHECK_THROWS_AS(sgd.lr(3), gradus::IndexError);
  CHECK_THROWS_AS(sgd.params(3), gradus::IndexError);
  optim::AdamW adamw({{.params = {p}, .options = optim::AdamWOptions{.weight_decay = 0.3}}, {.params = {q}}});
  CHECK(adamw.options(0).weight_decay == 0.3);
  CHECK(adamw.options(1).weight_decay == 1e-2);
}

TEST_CASE("zero_grad takes gradients away, or sets them to zero in place") {
  const Tensor p = parameter({1, 2});
  const optim::SGD sgd({p});
  set_gradient(p, 1);
  const Tensor grad = p.grad();
  sgd.zero_grad(false);
  CHECK(grad.to_vector<double>() == Values{0, 0});
  CHECK(p.grad().is_same(grad));
  sgd.zero_grad();
  CHECK_FALSE(p.grad().defined());
  (p * p).sum().backward({}, false, true);
  sgd.zero_grad(false);
  CHECK_FALSE(p.grad().requires_grad());
  CHECK(p.grad().to_vector<double>() == Values{0, 0});
}

TEST_CASE("training goes on from a state_dict as if never interrupted") {
  const auto resume = [](auto make) {
    const Tensor p = parameter(kStart), q = parameter({7});
    auto first = make(p, q);
    run(first, p, 3);
    first.set_lr(0.03);
    const auto state = first.state_dict();
    const Tensor p2 = p.detach().clone().requires_grad_(), q2 = parameter({7});
    auto second = make(p2, q2);
    second.load_state_dict(state);
    CHECK(second.lr() == 0.03);
    for (int t = 4; t <= 6; ++t)
      for (const auto& [optimizer, x, y] : {std::tuple<optim::Optimizer*, Tensor, Tensor>{&first, p, q}, {&second, p2, q2}}) {
        set_gradient(x, t);
        set_gradient(y, t);
        optimizer->step();
      }
    CHECK(gradus::equal(p, p2));
    CHECK(gradus::equal(q, q2));
    CHECK_FALSE(gradus::equal(p, gradus::from_vector(kStart, p.shape())));
    return state;
  };
  const auto adam = resume([](const Tensor& p, const Tensor& q) { return optim::Adam({p, q}, {.lr = 0.1, .amsgrad = true}); });
  std::vector<std::string> names;
  for (const auto& [name, x] : adam) names.push_back(name);
  CHECK(names == std::vector<std::string>{"param_groups.0.lr", "param_groups.0.betas", "state.0.step", "state.0.exp_avg",
                                          "state.0.exp_avg_sq", "state.0.max_exp_avg_sq"});
  CHECK(adam[2].second.item<int64_t>() == 3);
  resume([](const Tensor& p, const Tensor& q) { return optim::SGD({p, q}, {.lr = 0.1, .momentum = 0.9, .dampening = 0.5}); });
  resume([](const Tensor& p, const Tensor& q) { return optim::AdamW({p, q}, {.lr = 0.1}); });
}

TEST_CASE("a state_dict is a copy") {
  const Tensor p = parameter(kStart);
  optim::Adam adam({p});
  run(adam, p, 1);
  const auto state = adam.state_dict();
  const auto before = state[3].second.to_vector<double>();
  run(adam, p, 1);
  CHECK(state[3].second.to_vector<double>() == before);
  adam.load_state_dict(state);
  run(adam, p, 1);
  CHECK(state[3].second.to_vector<double>() == before);
}

TEST_CASE("a state that does not fit is refused with all that is wrong, and nothing is changed") {
  const Tensor p = parameter({1, 2});
  optim::Adam adam({p}, {.lr = 0.1});
  run(adam, p, 2);
  const auto good = adam.state_dict();
  auto bad = good;
  bad[0].second = gradus::full({}, std::nan(""), {.dtype = gradus::float64});
  bad[1].second = gradus::full({2}, 1.0, {.dtype = gradus::float64});
  bad[3].second = gradus::zeros({3});
  bad[4].first = "state.0.surprise";
  const std::string text = error_of<gradus::Error>([&] { adam.load_state_dict(bad); });
  CAPTURE(text);
  CHECK(text.starts_with("Adam: load_state_dict: the state does not fit: "));
  CHECK(text.find("param_groups.0.lr is nan") != std::string::npos);
  CHECK(text.find("param_groups.0.betas is [1, 1], out of range") != std::string::npos);
  CHECK(text.find("state.0.exp_avg is float32 of shape [3], expected float64 of shape [2]") != std::string::npos);
  CHECK(text.find("state.0.exp_avg_sq is missing") != std::string::npos);
  CHECK(text.find("state.0.surprise is unexpected") != std::string::npos);
  CHECK_THROWS_AS(adam.load_state_dict({}), gradus::ValueError);
  auto twice = good;
  twice.push_back(good[0]);
  CHECK_THROWS_AS(adam.load_state_dict(twice), gradus::ValueError);
  auto negative = good;
  negative[2].second = gradus::tensor(-3);
  CHECK_THROWS_AS(adam.load_state_dict(negative), gradus::ValueError);
  auto undefined = good;
  undefined[2].second = Tensor();
  CHECK_THROWS_AS(adam.load_state_dict(undefined), gradus::ValueError);

  const auto after = adam.state_dict();
  REQUIRE(after.size() == good.size());
  for (size_t i = 0; i < good.size(); ++i) {
    CHECK(after[i].first == good[i].first);
    CHECK(gradus::equal(after[i].second, good[i].second));
  }
}

TEST_CASE("an optimizer refuses parameters that it cannot train") {
  const Tensor p = parameter({1, 2});
  CHECK_THROWS_AS(optim::SGD(Tensors{}), gradus::ValueError);
  CHECK_THROWS_AS(optim::Adam(std::vector<optim::ParamGroup<optim::AdamOptions>>{}), gradus::ValueError);
  CHECK(error_of<gradus::Error>([&] { optim::Adam adam(Tensors{}); }) == "Adam: the parameter list is empty; there is nothing to train");
  CHECK(error_of<gradus::Error>([&] {
          optim::SGD sgd({p, p});
        }) == "SGD: parameter 1 of shape [2] is there twice; give each parameter once");
  CHECK(error_of<gradus::Error>([&] { optim::SGD sgd({p * 2}); }) ==
        "SGD: parameter 0 of shape [2] is the output of MulBackward0, not a leaf; give the tensors that it was computed from");
  CHECK_THROWS_AS(optim::SGD({Tensor()}), gradus::StateError);
  CHECK_THROWS_AS(optim::SGD({gradus::tensor({1, 2})}), gradus::DTypeError);
  optim::SGD sgd({p});
  CHECK_THROWS_AS(sgd.add_param_group({.params = {p}}), gradus::ValueError);
  CHECK(sgd.num_groups() == 1);
}

TEST_CASE("an optimizer refuses parameters of which an element is there twice, and takes views that lie apart") {
  const auto part = [](const Tensor& view) { return view.requires_grad_(); };
  const Tensor flat = gradus::zeros({4, 6});
  CHECK(error_of<gradus::Error>([&] {
          optim::SGD sgd({part(gradus::ones({2, 1}).expand({2, 3}))});
        }) == "SGD: several elements of parameter 0 of shape [2, 3] with strides [1, 0] are one place in memory; clone() it first");
  CHECK(error_of<gradus::Error>([&] {
          optim::Adam adam({part(flat.narrow(0, 0, 2)), part(flat.narrow(0, 1, 2))});
        }) == "Adam: parameter 1 of shape [2, 6] shares elements with another of shape [2, 6]; give each element once, or clone() one");
  CHECK(error_of<gradus::Error>([&] {
          optim::NAdam nadam({part(flat.select(1, 5)), part(flat.slice(0, 1, 4, 2).slice(1, 1, 6, 2))});
        }).starts_with("NAdam: parameter 1 of shape [2, 3] shares elements with another of shape [4]"));
  CHECK_THROWS_AS(optim::SGD({part(flat.detach()), part(flat.detach())}), gradus::ValueError);
  optim::SGD sgd({part(flat.slice(1, 0, 6, 2)), part(flat.slice(1, 1, 6, 2))}, {.lr = 1});
  CHECK_THROWS_AS(sgd.add_param_group({.params = {part(flat.select(0, 3))}}), gradus::ValueError);
  CHECK(sgd.num_groups() == 1);
  sgd.params()[1].set_grad(gradus::ones({4, 3}));
  sgd.step();
  CHECK(flat.sum().item() == -12);
  optim::SGD neighbours({part(flat.narrow(0, 0, 2)), part(flat.narrow(0, 2, 2)), part(gradus::zeros(0)), part(gradus::zeros(0))});
}

TEST_CASE("an optimizer refuses options out of range and names the value") {
  const Tensors p{parameter({1})};
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  CHECK(error_of<gradus::Error>([&] { optim::Adam adam(p, {.lr = -1}); }) == "Adam: lr is -1; it must be finite and not negative");
  CHECK(error_of<gradus::Error>([&] { optim::AdamW adam(p, {.eps = -0.5}); }) == "AdamW: eps is -0.5; it must be finite and not negative");
  CHECK(error_of<gradus::Error>([&] { optim::Adam adam(p, {.betas = {0.9, 1}}); }) == "Adam: betas[1] is 1; it must be in [0, 1)");
  CHECK_THROWS_AS(optim::Adam(p, {.betas = {-0.1, 0.9}}), gradus::ValueError);
  CHECK_THROWS_AS(optim::Adam(p, {.betas = {nan, 0.9}}), gradus::ValueError);
  CHECK_THROWS_AS(optim::Adam(p, {.weight_decay = -1}), gradus::ValueError);
  CHECK_THROWS_AS(optim::Adam(p, {.lr = nan}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SGD(p, {.lr = inf}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SGD(p, {.lr = -1}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SGD(p, {.momentum = -1}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SGD(p, {.weight_decay = -1}), gradus::ValueError);
  CHECK_THROWS_AS(optim::SGD(p, {.dampening = nan}), gradus::ValueError);
  CHECK(error_of<gradus::Error>([&] { optim::SGD sgd(p, {.nesterov = true}); }) ==
        "SGD: nesterov needs momentum above 0 and dampening 0, but they are 0 and 0");
  CHECK_THROWS_AS(optim::SGD(p, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}), gradus::ValueError);
  optim::SGD sgd(p, {.lr = 0.1});
  CHECK_THROWS_AS(sgd.set_lr(-1), gradus::ValueError);
  CHECK_THROWS_AS(sgd.add_param_group({.params = {parameter({1})}, .options = optim::SGDOptions{.lr = -1}}), gradus::ValueError);
  CHECK(sgd.num_groups() == 1);
  CHECK(sgd.lr() == 0.1);
}

TEST_CASE("a step that throws leaves every parameter as it was") {
  const Tensor p = parameter({1, 2});
  const Tensor q = gradus::zeros({2}, {.dtype = gradus::float64});
  optim::SGD sgd({p, q}, {.lr = 0.1, .momentum = 0.9});
  set_gradient(p, 1);
  q.requires_grad_();
  set_gradient(q, 1);
  q.requires_grad_(false);
  q.add_(p);                  // no longer a leaf
  CHECK_NOTHROW(sgd.step());  // it collects no gradient, so it is left alone
  q.retain_grad();
  (q * q).sum().backward();
  const auto before = p.to_vector<double>();
  CHECK(error_of<gradus::Error>([&] { sgd.step(); }).find("has become the output of AddBackward0") != std::string::npos);
  CHECK(p.to_vector<double>() == before);
  CHECK(sgd.state_dict()[2].second.item<int64_t>() == 1);
}

TEST_CASE("an optimizer that was moved from has no groups: its methods do nothing or throw IndexError") {
  const Tensor p = parameter({1, 2});
  optim::Adam from({p}, {.lr = 0.5});
  set_gradient(p, 1);
  from.step();
  optim::Adam to = std::move(from);
  // NOLINTBEGIN(bugprone-use-after-move)
  CHECK(from.num_groups() == 0);
  from.step();
  from.zero_grad();
  from.set_lr(0.1);
  CHECK(from.state_dict().empty());
  from.load_state_dict({});
  CHECK_THROWS_AS(from.load_state_dict(to.state_dict()), gradus::ValueError);
  CHECK_THROWS_AS(from.lr(), gradus::IndexError);
  CHECK_THROWS_AS(from.set_lr(0.1, 0), gradus::IndexError);
  CHECK_THROWS_AS(from.momentum(), gradus::IndexError);
  CHECK_THROWS_AS(from.params(), gradus::IndexError);
  CHECK_THROWS_AS(from.options(), gradus::IndexError);
  from = std::move(to);
  CHECK(from.lr() == 0.5);
  CHECK(from.state_dict().size() == 5);  // lr, betas, step, exp_avg, exp_avg_sq
  CHECK_THROWS_AS(from.options(1), gradus::IndexError);
  to.add_param_group({.params = {parameter({3})}});
  CHECK(to.num_groups() == 1);
  // NOLINTEND(bugprone-use-after-move)
}

TEST_CASE("an optimizer of one's own may throw in its update, and the program goes on") {
  struct Fragile final : optim::GroupedOptimizer<optim::SGDOptions> {
    using GroupedOptimizer::GroupedOptimizer;
    std::vector<Buffer> buffers(size_t) const override { return {}; }
    void update(size_t, const Update&) const override { throw gradus::StateError("Fragile: no"); }
  };
  const Tensor p = parameter({1, 2});
  Fragile optimizer(std::vector<Tensor>{p});
  set_gradient(p, 1);
  CHECK_THROWS_AS(optimizer.step(), gradus::StateError);
  CHECK(p.to_vector<double>() == Values{1, 2});
}
