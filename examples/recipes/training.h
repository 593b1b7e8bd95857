#pragma once

#include <csignal>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "gradus/io/checkpoint.h"
#include "gradus/nn/module.h"
#include "gradus/shape.h"
#include "gradus/tensor.h"
#include "gradus/text/vocab.h"
#include "gradus/train/metrics.h"

/// What the recipes share inside a training: signals and checkpoints.
namespace recipe {

/// While one lives, until the model is saved, SIGINT, SIGTERM and SIGHUP only ask the training to end; a second one of the kind ends the
/// program.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  /// The signal that came, or 0; on several ranks, the one that all know of.
  static int signal() noexcept;
  /// What the program ends with: 0, or 128 + signal() as shells do.
  static int status() noexcept { return signal() ? 128 + signal() : 0; }
  /// The same once a step, in which all ranks hear of a signal that came to one of them.
  static int asked();

 private:
  static constexpr int signals_[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[std::size(signals_)] = {};
};

/// The learning rate's factor at a step: from 0 to 1 in the warm-up, then down half a cosine wave to `last` at the end.
double warmup_cosine(int64_t step, int64_t warmup, int64_t steps, double last = 0);

/// How many numbers a model learns.
int64_t count_parameters(const gradus::nn::Module& model);

/// Says on standard error which tokens the vocabulary has not, if any.
void note_unknown(const gradus::text::Vocab& vocab, const std::vector<std::string>& tokens);

/// A recurrent state (L, B, H), put together from those of the parts of a batch, which may be on several ranks. Gradients end here, as in
/// truncated back-propagation.
class JoinedRows {
 public:
  explicit JoinedRows(const gradus::Shape& shape) : shape_(shape) {}
  /// Rows begin … end - 1 of the batch.
  void take(const gradus::Tensor& part, int64_t begin, int64_t end);
  /// The rows of all ranks, which all call it.
  gradus::Tensor give();

 private:
  gradus::Shape shape_;
  gradus::Tensor own_;
};

/// Where a training is, as a part of its checkpoints.
struct Counts {
  int64_t steps = 0, epochs = 0;  // that were done
  gradus::train::Mean loss;       // of the epoch so far

  void end_epoch();
  /// Of the epoch so far; at its beginning, of the one before.
  double last_loss() const { return loss.weight() > 0 ? loss.compute() : before_; }
  gradus::io::StateValues state_dict() const;
  void load_state_dict(const gradus::io::StateValues& state);

 private:
  double before_ = 0;
};

/// The checkpoints of a training; none when --checkpoint was not given.
class Checkpoints {
 public:
  /// With --resume the newest is loaded into the parts; options that the training had otherwise are named on standard error. Throws IoError
  /// when the folder cannot be written or its checkpoints are damaged, ValueError when it has those of another training.
  Checkpoints(const Program& program, const Common& common, gradus::io::CheckpointParts parts);
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;
  /// After each step: saves where --checkpoint-every says so.
  void after_step(int64_t step);
  /// After each epoch: saves unless --checkpoint-every was given.
  void after_epoch(int64_t step);
  /// Unless this step was saved.
  void save(int64_t step);

 private:
  /// The settings of the training that the checkpoint is of, beside those of this run.
  struct Settings {
    std::string now, before = {};
    gradus::io::StateValues state_dict() const { return {{"text", now}}; }
    void load_state_dict(const gradus::io::StateValues& state) { before = state.get<std::string>("text"); }
    void say_differences() const;
  };

  int64_t every_;
  Settings settings_;
  gradus::io::CheckpointParts parts_;
  std::optional<gradus::io::CheckpointManager> manager_;
  int64_t saved_ = 0;
};

}  // namespace recipe
