#pragma once

#include "gradus/optim/optimizer.h"

namespace gradus::optim {

/// Options of SGD.
struct GRADUS_API SGDOptions {
  double lr = 1e-3;         ///< γ
  double momentum = 0;      ///< μ
  double dampening = 0;     ///< τ
  double weight_decay = 0;  ///< λ: an L2 penalty
  bool nesterov = false;    ///< needs momentum > 0 and dampening = 0
  bool maximize = false;    ///< go up the gradient instead of down

  static constexpr const char* name = "SGD";
  void validate() const;
};

/// Stochastic gradient descent: b = g at the first step, μ b + (1 - τ) g later; p -= γ b, or γ g without momentum, or γ (g + μ b) with
/// Nesterov's momentum (Sutskever et al. 2013).
class GRADUS_API SGD final : public GroupedOptimizer<SGDOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  RowSparseGradients row_sparse_gradients(size_t group) const noexcept override;
  void update(size_t group, const Update& u) const override;
};

/// Options of ASGD.
struct GRADUS_API ASGDOptions {
  double lr = 1e-2;         ///< γ
  double lambd = 1e-4;      ///< how fast the steps shrink, and each parameter with them
  double alpha = 0.75;      ///< the power of that
  double t0 = 1e6;          ///< the step at which averaging starts
  double weight_decay = 0;  ///< λ: an L2 penalty
  bool maximize = false;    ///< go up the gradient instead of down

  static constexpr const char* name = "ASGD";
  void validate() const;
};

/// Averaged stochastic gradient descent (Polyak & Juditsky 1992): p = (1 - lambd η) p - η g with η = γ / (1 + lambd γ (t - 1))^alpha; the
/// state's `ax` is the mean of p over the steps after t0, p itself before.
class GRADUS_API ASGD final : public GroupedOptimizer<ASGDOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

/// Options of Rprop.
struct GRADUS_API RpropOptions {
  double lr = 1e-2;                               ///< the size of the first step
  std::array<double, 2> etas = {0.5, 1.2};        ///< η-, in (0, 1), and η+, above 1
  std::array<double, 2> step_sizes = {1e-6, 50};  ///< the smallest and the largest step
  bool maximize = false;                          ///< go up the gradient instead of down

  static constexpr const char* name = "Rprop";
  void validate() const;
};

/// Resilient backpropagation (Riedmiller & Braun 1993), for whole data sets: p -= s sign(g), where each element's step s grows by η+ while
/// g keeps its sign; when it turns, s shrinks by η- and the element rests for a step.
class GRADUS_API Rprop final : public GroupedOptimizer<RpropOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

}  // namespace gradus::optim
