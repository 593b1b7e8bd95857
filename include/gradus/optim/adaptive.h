#pragma once

#include "gradus/optim/optimizer.h"

/// Optimizers beside Adam's family that scale the step of every element by the gradients it has seen.
namespace gradus::optim {

/// Options of RMSprop.
struct GRADUS_API RMSpropOptions {
  double lr = 1e-2;         ///< γ
  double alpha = 0.99;      ///< α, not negative
  double eps = 1e-8;        ///< ε
  double weight_decay = 0;  ///< λ: an L2 penalty
  double momentum = 0;      ///< μ
  bool centered = false;    ///< divide by an estimate of the deviation rather than of the size
  bool maximize = false;    ///< go up the gradient instead of down

  static constexpr const char* name = "RMSprop";
  void validate() const;
};

/// RMSprop (Hinton 2012): v = α v + (1 - α) g²; a = √v + ε, or √(v - m²) + ε with m = α m + (1 - α) g if centered; p -= γ g / a, or with
/// momentum b = μ b + g / a, p -= γ b.
class GRADUS_API RMSprop final : public GroupedOptimizer<RMSpropOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

/// Options of Adagrad.
struct GRADUS_API AdagradOptions {
  double lr = 1e-2;                      ///< γ
  double lr_decay = 0;                   ///< γ is divided by 1 + (t - 1) lr_decay
  double weight_decay = 0;               ///< λ: an L2 penalty
  double initial_accumulator_value = 0;  ///< where the sum of squares starts
  double eps = 1e-10;                    ///< ε
  bool maximize = false;                 ///< go up the gradient instead of down

  static constexpr const char* name = "Adagrad";
  void validate() const;
};

/// Adagrad (Duchi et al. 2011): s += g²; p -= γ g / (√s + ε).
class GRADUS_API Adagrad final : public GroupedOptimizer<AdagradOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  RowSparseGradients row_sparse_gradients(size_t group) const noexcept override;
  void update(size_t group, const Update& u) const override;
};

/// Options of Adadelta.
struct GRADUS_API AdadeltaOptions {
  double lr = 1.0;          ///< γ
  double rho = 0.9;         ///< ρ, in [0, 1]
  double eps = 1e-6;        ///< ε
  double weight_decay = 0;  ///< λ: an L2 penalty
  bool maximize = false;    ///< go up the gradient instead of down

  static constexpr const char* name = "Adadelta";
  void validate() const;
};

/// Adadelta (Zeiler 2012): v = ρ v + (1 - ρ) g²; d = √(u + ε) / √(v + ε) g; u = ρ u + (1 - ρ) d²; p -= γ d.
class GRADUS_API Adadelta final : public GroupedOptimizer<AdadeltaOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  void update(size_t group, const Update& u) const override;
};

}  // namespace gradus::optim
