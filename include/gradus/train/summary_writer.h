#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gradus/export.h"

namespace gradus::train {

class AppendFile;

/// Figures for TensorBoard: an event file in a folder, which `tensorboard --logdir FOLDER` shows as curves. The names are those of
/// torch.utils.tensorboard.
///
///     train::SummaryWriter writer("run/board");
///     writer.add_scalar("loss/train", loss.compute(), step);
///
/// Each figure is written at once. Folders of several trainings within one folder are shown beside each other.
class GRADUS_API SummaryWriter {
 public:
  /// Makes the folder and begins a new file in it, `events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER`. A training that is resumed gives
  /// `purge_step`, its first step: what the folder's earlier files have from that step on is no longer shown. Throws IoError when the
  /// folder or the file cannot be made, ValueError on a negative purge_step.
  explicit SummaryWriter(const std::string& log_dir, std::optional<int64_t> purge_step = {});
  ~SummaryWriter();
  SummaryWriter(const SummaryWriter&) = delete;
  SummaryWriter& operator=(const SummaryWriter&) = delete;

  /// Writes a figure of a step. TensorBoard keeps float32: the value is rounded to it. A slash in the tag makes a group. Throws ValueError
  /// on a tag that is empty or not UTF-8 and on a negative step, IoError when the file cannot be written.
  void add_scalar(const std::string& tag, double scalar_value, int64_t global_step);
  /// The event file.
  const std::string& path() const noexcept;

 private:
  std::unique_ptr<AppendFile> file_;
};

}  // namespace gradus::train
