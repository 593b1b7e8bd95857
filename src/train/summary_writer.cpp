#include "gradus/train/summary_writer.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <system_error>

#include "core/check.h"
#include "text/utf8.h"
#include "train/append_file.h"
#include "train/event.h"

namespace gradus::train {
namespace {

constexpr const char* kSummaryWriter = "SummaryWriter";

double wall_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// A name that no other writer has; the files of a folder in the order of their names are in the order of time.
std::string file_name() {
  static std::atomic<int> written{0};
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') host = {"localhost"};
  return fmt::format("events.out.tfevents.{:010}.{}.{}.{}", static_cast<int64_t>(wall_time()), host.data(), ::getpid(), written++);
}

}  // namespace

SummaryWriter::SummaryWriter(const std::string& log_dir, std::optional<int64_t> purge_step) {
  check<ValueError>(purge_step.value_or(0) >= 0, "{}: purge_step {} must not be negative", kSummaryWriter, purge_step.value_or(0));
  std::error_code error;
  std::filesystem::create_directories(log_dir, error);
  check<IoError>(std::filesystem::is_directory(log_dir), "{}: {}: is no folder and cannot be made one: {}", kSummaryWriter, log_dir,
                 error ? error.message() : "another file has the name");
  std::string begin = record_of(version_event(wall_time(), purge_step.value_or(0)));
  if (purge_step) begin += record_of(start_event(wall_time(), *purge_step));
  file_ = std::make_unique<AppendFile>(kSummaryWriter, (std::filesystem::path(log_dir) / file_name()).string());
  file_->write(begin);
}

SummaryWriter::~SummaryWriter() = default;

const std::string& SummaryWriter::path() const noexcept { return file_->path(); }

void SummaryWriter::add_scalar(const std::string& tag, double scalar_value, int64_t global_step) {
  check<ValueError>(!tag.empty() && text::valid_utf8_bytes(tag) == tag.size(), "{}: the tag of a figure must be UTF-8, and not empty",
                    kSummaryWriter);
  check<ValueError>(global_step >= 0, "{}: step {} of \"{}\" must not be negative", kSummaryWriter, global_step, tag);
  file_->write(record_of(scalar_event(wall_time(), global_step, tag, static_cast<float>(scalar_value))));
}

}  // namespace gradus::train
