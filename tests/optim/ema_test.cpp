#include "gradus/optim/ema.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <type_traits>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/optim/ema.h"

using gradus::Tensor;
using gradus::optim::EMA;

namespace {

using Values = std::vector<double>;

Tensor averaged(const Values& v) { return gradus::from_vector(v, {static_cast<int64_t>(v.size())}).requires_grad_(); }

void set(const Tensor& p, double value) { p.detach().fill_(value); }

}  // namespace

TEST_CASE("EMA refuses parameters of which an element is there twice") {
  const Tensor p = averaged({1, 2, 3});
  const auto refused = [](const std::vector<Tensor>& list) {
    try {
      EMA ema(list);
    } catch (const gradus::ValueError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused({p, p}) == "EMA: parameter 1 of shape [3] is there twice; give each parameter once");
  CHECK(refused({p.detach().narrow(0, 0, 2), p}).starts_with("EMA: parameter 1 of shape [3] shares elements with another of shape [2]"));
  CHECK(refused({p.detach().narrow(0, 0, 1).expand({4})}).starts_with("EMA: several elements of parameter 0 of shape [4]"));
  CHECK(refused({p.detach().narrow(0, 0, 1), p.detach().narrow(0, 1, 2)}).empty());
}

TEST_CASE("EMA averages with its decay, smaller at first") {
  const Tensor p = averaged({1, 1}), q = averaged({1, 1});
  EMA constant({p}, {.decay = 0.9, .use_num_updates = false}), growing({q}, {.decay = 0.3});
  double a = 1, b = 1;
  for (int n = 1; n <= 8; ++n) {
    set(p, n);
    set(q, n);
    constant.update();
    growing.update();
    a = 0.9 * a + 0.1 * n;
    const double d = std::min(0.3, (1.0 + n) / (10 + n));
    b = d * b + (1 - d) * n;
    CHECK(constant.shadow_params()[0].to_vector<double>()[1] == doctest::Approx(a).epsilon(1e-13));
    CHECK(growing.shadow_params()[0].to_vector<double>()[0] == doctest::Approx(b).epsilon(1e-13));
  }
  CHECK(growing.num_updates() == 8);
  CHECK(p.to_vector<double>() == Values{8, 8});
}

TEST_CASE("the averages stand in the parameters for as long as the guard lives") {
  const Tensor p = averaged({1, 2}), strided = gradus::zeros({2, 3}, {.dtype = gradus::float64}).t().detach().requires_grad_();
  EMA ema({p, strided}, {.decay = 0.5, .use_num_updates = false});
  set(p, 3);
  set(strided, 4);
  ema.update();
  const uint32_t version = p.version();
  {
    const auto averaged = ema.average_parameters();
    CHECK(p.to_vector<double>() == Values{2, 2.5});
    CHECK(strided.to_vector<double>() == Values(6, 2));
    CHECK(p.version() > version);
    CHECK_THROWS_AS(ema.update(), gradus::StateError);
    CHECK_THROWS_AS((void)ema.average_parameters(), gradus::StateError);
    CHECK(p.to_vector<double>() == Values{2, 2.5});
  }
  CHECK(p.to_vector<double>() == Values{3, 3});
  CHECK(strided.to_vector<double>() == Values(6, 4));
  CHECK(p.is_leaf());
  CHECK(p.requires_grad());
  ema.update();
  ema.copy_to();
  CHECK(p.to_vector<double>() == Values{2.5, 2.75});
}

TEST_CASE("an EMA goes on from its state, and refuses one that does not fit") {
  const Tensor p = averaged({1, 2}), q = averaged({7, 7}), r = averaged({0});
  EMA ema({p});
  set(p, 3);
  ema.update();
  const auto state = ema.state_dict();
  EMA other({q}), small({r});
  other.load_state_dict(state);
  CHECK(other.num_updates() == 1);
  CHECK(other.shadow_params()[0].equal(ema.shadow_params()[0]));
  set(q, 3);
  ema.update();
  other.update();
  CHECK(other.shadow_params()[0].equal(ema.shadow_params()[0]));
  CHECK_THROWS_AS(small.load_state_dict(state), gradus::ValueError);
  CHECK(small.num_updates() == 0);
  CHECK(small.shadow_params()[0].to_vector<double>() == Values{0});
}

TEST_CASE("a state is neither taken nor loaded while the parameters hold their averages, which would get into it or be put in its place") {
  const Tensor p = averaged({1, 2});
  EMA ema({p});
  set(p, 3);
  ema.update();
  const auto state = ema.state_dict();
  {
    const auto averaged = ema.average_parameters();
    CHECK_THROWS_AS(ema.state_dict(), gradus::StateError);
    CHECK_THROWS_AS(ema.load_state_dict(state), gradus::StateError);
  }
  ema.load_state_dict(state);
  CHECK(p.to_vector<double>() == Values{3, 3});
}

TEST_CASE("EMA refuses what it cannot average") {
  CHECK_THROWS_AS(EMA({averaged({1})}, {.decay = 1.5}), gradus::ValueError);
  CHECK_THROWS_AS(EMA({averaged({1})}, {.decay = -0.1}), gradus::ValueError);
  CHECK_THROWS_AS(EMA(std::vector<Tensor>{}), gradus::ValueError);
  CHECK_THROWS_AS(EMA({Tensor()}), gradus::StateError);
  CHECK_THROWS_AS(EMA({gradus::tensor({1, 2})}), gradus::DTypeError);
}

static_assert(!std::is_move_constructible_v<EMA> && !std::is_move_constructible_v<EMA::Averaged>);
