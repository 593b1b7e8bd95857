#pragma once

#include "gradus/optim.h"

namespace gradus::optim {

/// Options of SparseAdam.
struct SparseAdamOptions {
  double lr = 1e-3;                            ///< the learning rate γ, above 0
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε, above 0
  bool maximize = false;                       ///< climb instead
};

/// Adam for row-sparse gradients, those of embeddings with `sparse`: only the rows that a gradient holds are updated, their moments
/// included, while Adam would let the moments of all others fade and move those rows too. With g the sum of a row's gradients,
/// m += (1 - β1) (g - m); v += (1 - β2) (g² - v); at the parameter's step t, p -= γ √(1 - β2^t) / (1 - β1^t) · m / (√v + ε).
/// A step takes time for the rows it updates, not for the whole table. It throws ValueError, and changes nothing, when a gradient is dense.
class GRADUS_API SparseAdam final : public Optimizer {
 public:
  explicit SparseAdam(const std::vector<Tensor>& params, const SparseAdamOptions& options = {});
  explicit SparseAdam(const std::vector<ParamGroup<SparseAdamOptions>>& groups, const SparseAdamOptions& options = {});
  /// Throws ValueError that names the option which is out of range, and what Optimizer says of parameters.
  void add_param_group(const ParamGroup<SparseAdamOptions>& group);
  const SparseAdamOptions& options(size_t group = 0) const { return options_.at(group); }

 private:
  const char* name() const noexcept override { return "SparseAdam"; }
  std::vector<std::string> buffer_names(size_t) const override { return {"exp_avg", "exp_avg_sq"}; }
  double& lr_of(size_t group) override { return options_[group].lr; }
  RowSparseGradients row_sparse_gradients(size_t) const noexcept override { return RowSparseGradients::Required; }
  void update(size_t group, const Update& u) const noexcept override;

  SparseAdamOptions defaults_;
  std::vector<SparseAdamOptions> options_;
};

}  // namespace gradus::optim
