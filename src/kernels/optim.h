#pragma once

#include <cstdint>

namespace gradus::kernels {

/// The numbers of one SGD update.
struct SgdStep {
  double lr;
  double weight_decay;
  double keep;      ///< factor of the buffer
  double take;      ///< factor of the gradient in the buffer
  double momentum;  ///< factor of the buffer beside the gradient, for Nesterov's
  bool nesterov;
};

/// g = grad + weight_decay p; without buffer p -= lr g, with one b = keep b + take g and p -= lr b, or lr (g + momentum b).
template <class T>
void sgd(int64_t n, T* param, const T* grad, T* buffer, const SgdStep& step);

/// The numbers of one Adam update.
struct AdamStep {
  double beta1;
  double beta2;
  double eps;
  double shrink;            ///< factor of the parameter beforehand: 1, or 1 - lr weight_decay where the decay is decoupled
  double weight_decay;      ///< factor of the parameter in the gradient, 0 where the decay is decoupled
  double step_size;         ///< lr / (1 - beta1^t)
  double sqrt_correction2;  ///< sqrt(1 - beta2^t)
};

/// g = grad + weight_decay p; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p = shrink p - step_size m / (sqrt(v) / sqrt_correction2 + eps). With v_max (else null), max(v_max, v), kept there, stands for v.
template <class T>
void adam(int64_t n, T* param, const T* grad, T* m, T* v, T* v_max, const AdamStep& step);

}  // namespace gradus::kernels
