#include "gradus/optim/sgd.h"

#include <algorithm>
#include <cmath>

#include "optim/update.h"
#include "optim/validate.h"

namespace gradus::optim {

void SGDOptions::validate() const {
  check_not_negative(name, "lr", lr);
  check_not_negative(name, "momentum", momentum);
  check_not_negative(name, "weight_decay", weight_decay);
  check<ValueError>(std::isfinite(dampening), "SGD: dampening is {}; it must be finite", dampening);
  check<ValueError>(!nesterov || (momentum > 0 && dampening == 0),
                    "SGD: nesterov needs momentum above 0 and dampening 0, but they are {} and {}", momentum, dampening);
}

std::vector<Optimizer::Buffer> SGD::buffers(size_t) const { return {{.name = "momentum_buffer", .of_momentum = true}}; }

Optimizer::RowSparseGradients SGD::row_sparse_gradients(size_t group) const noexcept {
  const SGDOptions& o = options(group);
  return o.momentum == 0 && o.weight_decay == 0 ? RowSparseGradients::ByRows : RowSparseGradients::Densified;
}

void SGD::update(size_t group, const Update& u) const {
  const SGDOptions& o = options(group);
  if (o.momentum == 0) {
    update_elements<0>(o, u, [&]<class T>() { return [lr = static_cast<T>(o.lr)](T& p, T g) { p -= lr * g; }; });
    return;
  }
  update_elements<1>(o, u, [&]<class T>() {
    return [lr = static_cast<T>(o.lr), momentum = static_cast<T>(o.momentum), take = static_cast<T>(u.fresh ? 1 : 1 - o.dampening),
            nesterov = o.nesterov](T& p, T g, T& b) {
      b = momentum * b + take * g;
      p -= lr * (nesterov ? g + momentum * b : b);
    };
  });
}

void ASGDOptions::validate() const {
  check_not_negative(name, "lr", lr);
  check_not_negative(name, "weight_decay", weight_decay);
  check<ValueError>(std::isfinite(lambd), "ASGD: lambd is {}; it must be finite", lambd);
  check<ValueError>(std::isfinite(alpha), "ASGD: alpha is {}; it must be finite", alpha);
  check<ValueError>(!std::isnan(t0), "ASGD: t0 is {}; it must be a number", t0);
}

std::vector<Optimizer::Buffer> ASGD::buffers(size_t group) const { return {{"ax"}, {"eta", options(group).lr, true}, {"mu", 1, true}}; }

void ASGD::update(size_t group, const Update& u) const {
  const ASGDOptions& o = options(group);
  float &eta = *u.buffers[1].data<float>(), &mu = *u.buffers[2].data<float>();
  update_elements<1>(o, u, [&]<class T>() {
    return [shrink = static_cast<T>(1 - o.lambd * static_cast<double>(eta)), size = static_cast<T>(eta), share = static_cast<T>(mu)](
               T& p, T g, T& ax) {
      p = shrink * p - size * g;
      ax = share == 1 ? p : ax + share * (p - ax);
    };
  });
  const auto t = static_cast<double>(u.step);
  eta = static_cast<float>(o.lr / std::pow(1 + o.lambd * o.lr * t, o.alpha));
  mu = static_cast<float>(1 / std::max(1.0, t - o.t0));
}

void RpropOptions::validate() const {
  check_not_negative(name, "lr", lr);
  check<ValueError>(etas[0] > 0 && etas[0] < 1 && etas[1] > 1,
                    "Rprop: etas are {} and {}; the first must be in (0, 1) and the second above 1", etas[0], etas[1]);
  check<ValueError>(step_sizes[0] >= 0 && step_sizes[0] <= step_sizes[1],
                    "Rprop: step_sizes are {} and {}; the first must not be negative, nor above the second", step_sizes[0], step_sizes[1]);
}

std::vector<Optimizer::Buffer> Rprop::buffers(size_t group) const { return {{"prev"}, {"step_size", options(group).lr}}; }

void Rprop::update(size_t group, const Update& u) const {
  const RpropOptions& o = options(group);
  update_elements<2>(o, u, [&]<class T>() {
    return [shrink = static_cast<T>(o.etas[0]), grow = static_cast<T>(o.etas[1]), smallest = static_cast<T>(o.step_sizes[0]),
            largest = static_cast<T>(o.step_sizes[1])](T& p, T g, T& prev, T& size) {
      const T turn = g * prev;
      T s = size * (turn > 0 ? grow : turn < 0 ? shrink : T(1));
      s = s < smallest ? smallest : s;
      size = s > largest ? largest : s;
      prev = turn < 0 ? T(0) : g;
      p -= prev > 0 ? size : prev < 0 ? -size : T(0);
    };
  });
}

}  // namespace gradus::optim
