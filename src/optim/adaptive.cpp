#include "gradus/optim/adaptive.h"

#include <cmath>
#include <type_traits>

#include "optim/update.h"
#include "optim/validate.h"

namespace gradus::optim {

void RMSpropOptions::validate() const {
  check_not_negative(name, "lr", lr);
  check_not_negative(name, "eps", eps);
  check_not_negative(name, "momentum", momentum);
  check_not_negative(name, "weight_decay", weight_decay);
  check_not_negative(name, "alpha", alpha);
}

std::vector<Optimizer::Buffer> RMSprop::buffers(size_t group) const {
  std::vector<Buffer> list{{"square_avg"}};
  if (options(group).centered) list.push_back({"grad_avg"});
  list.push_back({.name = "momentum_buffer", .of_momentum = true});
  return list;
}

void RMSprop::update(size_t group, const Update& u) const {
  const RMSpropOptions& o = options(group);
  const auto with = [&](auto centered, auto momentum) {
    update_elements<1 + centered + momentum>(o, u, [&]<class T>() {
      const T alpha = static_cast<T>(o.alpha), rest = static_cast<T>(1 - o.alpha), eps = static_cast<T>(o.eps), lr = static_cast<T>(o.lr),
              keep = static_cast<T>(o.momentum);
      return [=](T& p, T g, T& v, auto&... others) {
        T* const more[] = {&others..., nullptr};
        v = alpha * v + rest * g * g;
        T size = v;
        if constexpr (centered) {
          T& m = *more[0];
          m = alpha * m + rest * g;
          size -= m * m;
        }
        T step = g / (std::sqrt(size) + eps);
        if constexpr (momentum) {
          T& b = *more[centered];
          step = b = keep * b + step;
        }
        p -= lr * step;
      };
    });
  };
  using Yes = std::integral_constant<int, 1>;
  using No = std::integral_constant<int, 0>;
  if (o.centered) o.momentum > 0 ? with(Yes(), Yes()) : with(Yes(), No());
  else o.momentum > 0 ? with(No(), Yes()) : with(No(), No());
}

void AdagradOptions::validate() const {
  check_not_negative(name, "lr", lr);
  check_not_negative(name, "lr_decay", lr_decay);
  check_not_negative(name, "weight_decay", weight_decay);
  check_not_negative(name, "initial_accumulator_value", initial_accumulator_value);
  check_not_negative(name, "eps", eps);
}

std::vector<Optimizer::Buffer> Adagrad::buffers(size_t group) const { return {{"sum", options(group).initial_accumulator_value}}; }

/// Where the gradient is 0 nothing changes, unless the weights decay.
Optimizer::RowSparseGradients Adagrad::row_sparse_gradients(size_t group) const noexcept {
  return options(group).weight_decay == 0 ? RowSparseGradients::ByRows : RowSparseGradients::Densified;
}

void Adagrad::update(size_t group, const Update& u) const {
  const AdagradOptions& o = options(group);
  const double lr = o.lr / (1 + static_cast<double>(u.step - 1) * o.lr_decay);
  update_elements<1>(o, u, [&]<class T>() {
    return [size = static_cast<T>(lr), eps = static_cast<T>(o.eps)](T& p, T g, T& sum) {
      sum += g * g;
      p -= size * g / (std::sqrt(sum) + eps);
    };
  });
}

void AdadeltaOptions::validate() const {
  check_not_negative(name, "lr", lr);
  check<ValueError>(rho >= 0 && rho <= 1, "Adadelta: rho is {}; it must be in [0, 1]", rho);
  check_not_negative(name, "eps", eps);
  check_not_negative(name, "weight_decay", weight_decay);
}

std::vector<Optimizer::Buffer> Adadelta::buffers(size_t) const { return {{"square_avg"}, {"acc_delta"}}; }

void Adadelta::update(size_t group, const Update& u) const {
  const AdadeltaOptions& o = options(group);
  update_elements<2>(o, u, [&]<class T>() {
    return [rho = static_cast<T>(o.rho), rest = static_cast<T>(1 - o.rho), eps = static_cast<T>(o.eps), lr = static_cast<T>(o.lr)](
               T& p, T g, T& v, T& deltas) {
      v = rho * v + rest * g * g;
      const T d = std::sqrt(deltas + eps) / std::sqrt(v + eps) * g;
      deltas = rho * deltas + rest * d * d;
      p -= lr * d;
    };
  });
}

}  // namespace gradus::optim
