#pragma once

#include "gradus/optim/optimizer.h"

namespace gradus::optim {

/// Options of Adam.
struct GRADUS_API AdamOptions {
  double lr = 1e-3;                            ///< γ
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε
  double weight_decay = 0;                     ///< λ: an L2 penalty
  bool amsgrad = false;                        ///< divide by the largest v so far (Reddi et al. 2018)
  bool maximize = false;                       ///< go up the gradient instead of down

  static constexpr const char* name = "Adam";
  void validate() const;
};

/// Adam (Kingma & Ba 2015): m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²; p -= γ / (1 - β1^t) · m / (√v / √(1 - β2^t) + ε).
class GRADUS_API Adam final : public GroupedOptimizer<AdamOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

/// Options of AdamW.
struct GRADUS_API AdamWOptions {
  double lr = 1e-3;                            ///< γ
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε
  double weight_decay = 1e-2;                  ///< λ: each step shrinks the parameter by γ λ
  bool amsgrad = false;                        ///< divide by the largest v so far (Reddi et al. 2018)
  bool maximize = false;                       ///< go up the gradient instead of down

  static constexpr const char* name = "AdamW";
  void validate() const;
};

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019): p -= γ λ p first, and the gradient as it is.
class GRADUS_API AdamW final : public GroupedOptimizer<AdamWOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

/// Options of Adamax.
struct GRADUS_API AdamaxOptions {
  double lr = 2e-3;                            ///< γ
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε
  double weight_decay = 0;                     ///< λ: an L2 penalty
  bool maximize = false;                       ///< go up the gradient instead of down

  static constexpr const char* name = "Adamax";
  void validate() const;
};

/// Adamax (Kingma & Ba 2015): m = β1 m + (1 - β1) g; u = max(β2 u, |g| + ε); p -= γ / (1 - β1^t) m / u.
class GRADUS_API Adamax final : public GroupedOptimizer<AdamaxOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

/// Options of NAdam.
struct GRADUS_API NAdamOptions {
  double lr = 2e-3;                            ///< γ
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε
  double weight_decay = 0;                     ///< λ: an L2 penalty
  double momentum_decay = 4e-3;                ///< ψ

  static constexpr const char* name = "NAdam";
  void validate() const;
};

/// NAdam (Dozat 2016): Adam with Nesterov's momentum μ_t = β1 (1 - 0.96^(t ψ) / 2). With m and v as Adam's, Π = μ_1 … μ_t and
/// a = √(v / (1 - β2^t)) + ε: p -= γ ((1 - μ_t) g / (1 - Π) + μ_{t+1} m / (1 - Π μ_t μ_{t+1})) / a. The paper has Π μ_{t+1} in the second
/// term; the factor μ_t more is PyTorch 1.13's, kept so that numbers agree.
class GRADUS_API NAdam final : public GroupedOptimizer<NAdamOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

/// Options of RAdam.
struct GRADUS_API RAdamOptions {
  double lr = 1e-3;                            ///< γ
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε
  double weight_decay = 0;                     ///< λ: an L2 penalty

  static constexpr const char* name = "RAdam";
  void validate() const;
};

/// RAdam (Liu et al. 2020): Adam without its division until the variance of v is bounded, and rectified from there. With
/// ρ∞ = 2 / (1 - β2) - 1, ρ = ρ∞ - 2 t β2^t / (1 - β2^t) and r² = (ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ):
/// p -= γ r / (1 - β1^t) · m √(1 - β2^t) / (√v + ε) if ρ > 5, else p -= γ / (1 - β1^t) · m.
class GRADUS_API RAdam final : public GroupedOptimizer<RAdamOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

}  // namespace gradus::optim
