#pragma once

#include "gradus/optim/optimizer.h"

namespace gradus::optim {

/// Options of SparseAdam.
struct GRADUS_API SparseAdamOptions {
  double lr = 1e-3;                            ///< γ, above 0
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε, above 0
  bool maximize = false;                       ///< go up the gradient instead of down

  static constexpr const char* name = "SparseAdam";
  void validate() const;
};

/// Adam for row-sparse gradients, those of embeddings with `sparse`: only the rows that a gradient holds are updated, their moments
/// included, while Adam would let the moments of all others fade and move those rows too. With g the sum of a row's gradients,
/// m += (1 - β1) (g - m); v += (1 - β2) (g² - v); at the parameter's step t, p -= γ √(1 - β2^t) / (1 - β1^t) · m / (√v + ε).
/// A step takes time for the rows it updates, not for the whole table. It throws ValueError, and changes nothing, when a gradient is dense.
class GRADUS_API SparseAdam final : public GroupedOptimizer<SparseAdamOptions> {
 public:
  using GroupedOptimizer::GroupedOptimizer;

 private:
  std::vector<Buffer> buffers(size_t group) const override;
  RowSparseGradients row_sparse_gradients(size_t) const noexcept override { return RowSparseGradients::Required; }
  void update(size_t group, const Update& u) const override;
};

}  // namespace gradus::optim
