#include "gradus/optim/sparse_adam.h"

#include <cmath>

#include "optim/update.h"
#include "optim/validate.h"

namespace gradus::optim {

void SparseAdamOptions::validate() const {
  check<ValueError>(std::isfinite(lr) && lr > 0, "SparseAdam: lr is {}; it must be finite and above 0", lr);
  check<ValueError>(std::isfinite(eps) && eps > 0, "SparseAdam: eps is {}; it must be finite and above 0", eps);
  check_betas(name, betas);
}

std::vector<Optimizer::Buffer> SparseAdam::buffers(size_t) const { return {{"exp_avg"}, {"exp_avg_sq"}}; }

void SparseAdam::update(size_t group, const Update& u) const {
  const SparseAdamOptions& o = options(group);
  const auto t = static_cast<double>(u.step);
  const double rate = o.lr * std::sqrt(1 - std::pow(o.betas[1], t)) / (1 - std::pow(o.betas[0], t));
  update_elements<2>(o, u, [&]<class T>() {
    return [rest1 = static_cast<T>(1 - o.betas[0]), rest2 = static_cast<T>(1 - o.betas[1]), eps = static_cast<T>(o.eps),
            size = static_cast<T>(rate)](T& p, T g, T& m, T& v) {
      m += rest1 * (g - m);
      v += rest2 * (g * g - v);
      p -= size * m / (std::sqrt(v) + eps);
    };
  });
}

}  // namespace gradus::optim
