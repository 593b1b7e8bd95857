#include "gradus/optim/adam.h"

#include <cmath>

#include "optim/update.h"
#include "optim/validate.h"

namespace gradus::optim {
namespace {

/// What the whole family has in common.
template <class Options>
void validate_family(const Options& o) {
  check_not_negative(Options::name, "lr", o.lr);
  check_not_negative(Options::name, "eps", o.eps);
  check_not_negative(Options::name, "weight_decay", o.weight_decay);
  check_betas(Options::name, o.betas);
}

/// The moving means m of g and v of g².
template <class T>
struct Moments {
  T keep1, take1, keep2, take2;

  explicit Moments(const std::array<double, 2>& betas)
      : keep1(static_cast<T>(betas[0])),
        take1(static_cast<T>(1 - betas[0])),
        keep2(static_cast<T>(betas[1])),
        take2(static_cast<T>(1 - betas[1])) {}
  void operator()(T g, T& m, T& v) const {
    m = keep1 * m + take1 * g;
    v = keep2 * v + take2 * g * g;
  }
};

double bias_correction(double beta, int64_t step) { return 1 - std::pow(beta, static_cast<double>(step)); }

/// The step of Adam and AdamW, which differ in how `o` decays the weights: p = shrink p first, or the gradient grows.
template <class Options>
void adam(const Options& o, double shrink, const auto& u) {
  const double size = o.lr / bias_correction(o.betas[0], u.step), correction = std::sqrt(bias_correction(o.betas[1], u.step));
  const auto make = [&]<class T>() {
    return [moments = Moments<T>(o.betas), eps = static_cast<T>(o.eps), keep = static_cast<T>(shrink), step = static_cast<T>(size),
            root = static_cast<T>(correction)](T& p, T g, T& m, T& v, auto&... v_max) {
      moments(g, m, v);
      T scale = v;
      ((scale = v_max = v_max < v ? v : v_max), ...);
      p = keep * p - step * m / (std::sqrt(scale) / root + eps);
    };
  };
  if (o.amsgrad) update_elements<3>(o, u, make);
  else update_elements<2>(o, u, make);
}

}  // namespace

void AdamOptions::validate() const { validate_family(*this); }
void AdamWOptions::validate() const { validate_family(*this); }
void AdamaxOptions::validate() const { validate_family(*this); }
void RAdamOptions::validate() const { validate_family(*this); }
void NAdamOptions::validate() const {
  validate_family(*this);
  check_not_negative(name, "momentum_decay", momentum_decay);
}

std::vector<Optimizer::Buffer> Adam::buffers(size_t group) const {
  if (options(group).amsgrad) return {{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq"}};
  return {{"exp_avg"}, {"exp_avg_sq"}};
}

void Adam::update(size_t group, const Update& u) const { adam(options(group), 1, u); }

std::vector<Optimizer::Buffer> AdamW::buffers(size_t group) const {
  if (options(group).amsgrad) return {{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq"}};
  return {{"exp_avg"}, {"exp_avg_sq"}};
}

void AdamW::update(size_t group, const Update& u) const {
  AdamWOptions plain = options(group);
  const double shrink = 1 - plain.lr * plain.weight_decay;
  plain.weight_decay = 0;
  adam(plain, shrink, u);
}

std::vector<Optimizer::Buffer> Adamax::buffers(size_t) const { return {{"exp_avg"}, {"exp_inf"}}; }

void Adamax::update(size_t group, const Update& u) const {
  const AdamaxOptions& o = options(group);
  update_elements<2>(o, u, [&]<class T>() {
    return [keep1 = static_cast<T>(o.betas[0]), take1 = static_cast<T>(1 - o.betas[0]), keep2 = static_cast<T>(o.betas[1]),
            eps = static_cast<T>(o.eps), size = static_cast<T>(o.lr / bias_correction(o.betas[0], u.step))](T& p, T g, T& m, T& largest) {
      m = keep1 * m + take1 * g;
      const T here = std::fabs(g) + eps, before = keep2 * largest;
      largest = before > here ? before : here;
      p -= size * m / largest;
    };
  });
}

std::vector<Optimizer::Buffer> NAdam::buffers(size_t) const { return {{"exp_avg"}, {"exp_avg_sq"}, {"mu_product", 1, true}}; }

void NAdam::update(size_t group, const Update& u) const {
  const NAdamOptions& o = options(group);
  const auto momentum = [&](int64_t t) { return o.betas[0] * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * o.momentum_decay)); };
  const double now = momentum(u.step), next = momentum(u.step + 1);
  // In float, as in PyTorch, for parameters of either dtype.
  float& product = *u.buffers[2].data<float>();
  product *= static_cast<float>(now);
  const float product_next = product * static_cast<float>(now) * static_cast<float>(next);
  update_elements<2>(o, u, [&]<class T>() {
    return [moments = Moments<T>(o.betas), eps = static_cast<T>(o.eps), correction = static_cast<T>(bias_correction(o.betas[1], u.step)),
            of_g = static_cast<T>(o.lr * (1 - now) / (1 - static_cast<double>(product))),
            of_m = static_cast<T>(o.lr * next / (1 - static_cast<double>(product_next)))](T& p, T g, T& m, T& v) {
      moments(g, m, v);
      p -= (of_g * g + of_m * m) / (std::sqrt(v / correction) + eps);
    };
  });
}

std::vector<Optimizer::Buffer> RAdam::buffers(size_t) const { return {{"exp_avg"}, {"exp_avg_sq"}}; }

void RAdam::update(size_t group, const Update& u) const {
  const RAdamOptions& o = options(group);
  const double correction2 = bias_correction(o.betas[1], u.step), limit = 2 / (1 - o.betas[1]) - 1;
  const double rho = limit - 2 * static_cast<double>(u.step) * (1 - correction2) / correction2;
  const bool rectified = rho > 5;
  const double r = std::sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)) * std::sqrt(correction2);
  const double size = o.lr / bias_correction(o.betas[0], u.step) * (rectified ? r : 1);
  update_elements<2>(o, u, [&]<class T>() {
    return [=, moments = Moments<T>(o.betas), eps = static_cast<T>(o.eps), step = static_cast<T>(size)](T& p, T g, T& m, T& v) {
      moments(g, m, v);
      p -= rectified ? step * m / (std::sqrt(v) + eps) : step * m;
    };
  });
}

}  // namespace gradus::optim
