#pragma once

#include "gradus/optim/optimizer.h"

namespace gradus::optim {

/// Options of EMA.
struct EMAOptions {
  double decay = 0.999;         ///< d, in [0, 1]
  bool use_num_updates = true;  ///< let d grow from small values: update n has min(d, (1 + n) / (10 + n))
};

/// An exponential moving average of the weights, which often does better than the last weights (Polyak & Juditsky 1992): after every step
/// of the optimizer, s -= (1 - d) (s - p) for each parameter p. Names follow the package torch_ema; torch.optim.swa_utils.AveragedModel
/// with an avg_fn does the same.
class GRADUS_API EMA {
 public:
  /// The averages start as the parameters are. Throws ValueError unless decay is in [0, 1], there are parameters, and each
  /// element is there once, StateError when one is undefined, DTypeError when one is not floating-point.
  explicit EMA(const std::vector<Tensor>& parameters, const EMAOptions& options = {});

  EMA(const EMA&) = delete;
  EMA& operator=(const EMA&) = delete;

  /// Takes the parameters into the average, which is converted where they have become another dtype since (Module::to). Throws StateError
  /// while an Averaged lives.
  void update();
  /// How many updates there were.
  int64_t num_updates() const noexcept { return num_updates_; }
  /// The averages, in the order of the parameters.
  const std::vector<Tensor>& shadow_params() const noexcept { return shadow_; }
  /// Writes the averages into the parameters, for good.
  void copy_to() const;

  /// While it lives the parameters have their averaged values; then those from before again.
  class GRADUS_API Averaged {
   public:
    ~Averaged();
    Averaged(const Averaged&) = delete;
    Averaged& operator=(const Averaged&) = delete;

   private:
    friend class EMA;
    explicit Averaged(EMA& ema);

    EMA& ema_;
    std::vector<Tensor> before_;
  };
  /// For an evaluation: `{ auto averaged = ema.average_parameters(); … }`. Throws StateError while another one lives.
  [[nodiscard]] Averaged average_parameters() { return Averaged(*this); }

  /// `num_updates` and `shadow_params.I`, copies; io::save_safetensors writes them. The options are given to the constructor. Throws
  /// StateError while an Averaged lives: a state of the model taken beside it would hold the averages.
  State state_dict() const;
  /// Takes over a state_dict. Throws ValueError that lists every missing, unexpected and mismatched entry, and StateError while an Averaged
  /// lives, which would put the weights from before in the place of loaded ones; then nothing was changed.
  void load_state_dict(const State& state);
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const State& state);

 private:
  std::vector<Tensor> converted() const;

  std::vector<Tensor> parameters_, shadow_;
  EMAOptions options_;
  int64_t num_updates_ = 0;
  bool swapped_ = false;
};

}  // namespace gradus::optim
