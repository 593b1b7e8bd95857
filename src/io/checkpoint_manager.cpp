#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/file.h"
#include "io/checkpoint_file.h"

namespace gradus::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOp = "CheckpointManager";
constexpr std::string_view kBegin = "step-", kEnd = ".safetensors";
constexpr size_t kLeastDigits = 9;

std::string name_of(int64_t step) { return fmt::format("{}{:0{}}{}", kBegin, step, kLeastDigits, kEnd); }

/// The step of a checkpoint's file name; nothing when it is another file's.
std::optional<int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd) || name.size() < kBegin.size() + kLeastDigits + kEnd.size()) return {};
  const std::string_view digits = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  int64_t step = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (read.ec != std::errc() || name_of(step) != name) return {};
  return step;
}

void warn(const std::string& text) { fmt::print(stderr, "gradus: {}\n", text); }

Checkpoint described(std::string path, int64_t step, StateValues values) {
  Checkpoint found{.path = std::move(path), .step = step};
  for (const auto& [name, value] : values) {
    if (name == "measure" && (value.is<double>() || value.is<int64_t>())) found.measure = value.get<double>();
    else if (name != "step") found.values.insert(name, value);
  }
  return found;
}

}  // namespace

CheckpointManager::CheckpointManager(std::string folder, const CheckpointManagerOptions& options)
    : folder_(std::move(folder)), options_(options) {
  check<ValueError>(options.keep >= 1, "{}: keep is {}; it must be at least 1", kOp, options.keep);
  std::error_code error;
  fs::create_directories(folder_, error);
  check<IoError>(fs::is_directory(folder_), "{}: {}: is no folder and cannot be made one: {}", kOp, folder_,
                 error ? error.message() : "another file has the name");
}

CheckpointManager::~CheckpointManager() {
  if (folder_fd_ < 0) return;
  // Children of fork() share the lock, and shall neither keep it when this process gives it up, nor give it up themselves.
  if (locked_by_ == ::getpid()) ::flock(folder_fd_, LOCK_UN);
  ::close(folder_fd_);
}

void CheckpointManager::lock() {
  if (folder_fd_ >= 0 && locked_by_ == ::getpid()) return;
  if (folder_fd_ >= 0) ::close(std::exchange(folder_fd_, -1));
  const int fd = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  check<IoError>(fd >= 0, "{}: {}: cannot be opened: {}", kOp, folder_, std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(fd);
    fail<IoError>("{}: {}: another training keeps its checkpoints there; end it, or give another folder", kOp, folder_);
  }
  folder_fd_ = fd;
  locked_by_ = ::getpid();
  known_.clear();
}

std::string CheckpointManager::path_of(int64_t step) const { return (fs::path(folder_) / name_of(step)).string(); }

/// Those that there are files of, the last first.
std::vector<int64_t> CheckpointManager::steps() const {
  std::vector<int64_t> found;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error))
    if (const auto step = step_of(it->path().filename().string())) found.push_back(*step);
  check<IoError>(!error, "{}: {}: cannot be read: {}", kOp, folder_, error.message());
  std::sort(found.rbegin(), found.rend());
  return found;
}

/// The checkpoint of a step; nothing, and a warning, when it is damaged.
std::optional<Checkpoint> CheckpointManager::whole(int64_t step) const {
  try {
    return described(path_of(step), step, read_checkpoint_values(kOp, path_of(step)));
  } catch (const IoError& error) {
    warn(fmt::format("{}; it is passed over", error.what()));
    return {};
  }
}

bool CheckpointManager::is_better(const Checkpoint& a, const Checkpoint& b) const {
  if (!a.measure || std::isnan(*a.measure)) return false;
  if (!b.measure || std::isnan(*b.measure)) return true;
  if (*a.measure == *b.measure) return a.step < b.step;
  return options_.mode == CheckpointManagerOptions::Mode::Min ? *a.measure < *b.measure : *a.measure > *b.measure;
}

std::optional<Checkpoint> CheckpointManager::latest() const {
  std::vector<Checkpoint> found = newest(1);
  if (found.empty()) return {};
  return std::move(found[0]);
}

std::vector<Checkpoint> CheckpointManager::newest(int64_t count) const {
  check<ValueError>(count >= 0, "{}: the newest {} checkpoints; their number must not be negative", kOp, count);
  std::vector<Checkpoint> found;
  for (const int64_t step : steps()) {
    if (std::ssize(found) >= count) break;
    if (auto checkpoint = whole(step)) found.push_back(std::move(*checkpoint));
  }
  return found;
}

std::optional<Checkpoint> CheckpointManager::best() const {
  std::optional<Checkpoint> best;
  for (const int64_t step : steps())
    if (auto found = whole(step); found && is_better(*found, best.value_or(Checkpoint()))) best = std::move(found);
  return best;
}

Checkpoint CheckpointManager::save(int64_t step, const CheckpointParts& parts, std::optional<double> measure, const StateValues& values) {
  check<ValueError>(step >= 0, "{}: step is {}; it must not be negative", kOp, step);
  for (const char* name : {"step", "measure"})
    check<ValueError>(!values.contains(name), "{}: a value cannot be called {}, as save has an argument of that name", kOp, name);
  lock();
  remove_abandoned(folder_, [](std::string_view name) { return step_of(name).has_value(); });
  StateValues all = values;
  all.insert("step", step);
  if (measure) all.insert("measure", *measure);
  Checkpoint saved{.path = path_of(step), .step = step, .measure = measure, .values = values};
  write_checkpoint(kOp, saved.path, parts, all);
  known_[step] = Checkpoint{.path = saved.path, .step = step, .measure = measure};
  remove_all_but_kept(step);
  return saved;
}

/// Files that are damaged neither count nor go, as somebody may want to look at them.
void CheckpointManager::remove_all_but_kept(int64_t newest) {
  std::vector<Checkpoint> there;
  for (const int64_t step : steps()) {
    if (step > newest) continue;
    if (!known_.contains(step)) {
      known_[step] = whole(step);
      if (known_[step]) known_[step]->values = {};
    }
    if (known_[step]) there.push_back(*known_[step]);
  }
  const auto best = std::min_element(there.begin(), there.end(), [&](const auto& a, const auto& b) { return is_better(a, b); });
  for (auto it = there.begin(); it != there.end(); ++it) {
    if (it - there.begin() < options_.keep || (it == best && is_better(*it, {}))) continue;
    std::error_code error;
    fs::remove(it->path, error);
    if (error) warn(fmt::format("{}: {}: cannot be removed: {}", kOp, it->path, error.message()));
    else known_.erase(it->step);
  }
}

std::optional<Checkpoint> CheckpointManager::resume(const CheckpointParts& parts) {
  check_names(kOp, parts);
  lock();
  const std::vector<int64_t> there = steps();
  for (const int64_t step : there) {
    CheckpointContent content;
    try {
      content = read_checkpoint(kOp, path_of(step));
    } catch (const IoError& error) {
      warn(fmt::format("{}; it is passed over", error.what()));
      continue;
    }
    load_parts(kOp, path_of(step), content, parts, true);
    return described(path_of(step), step, std::move(content.values));
  }
  check<IoError>(there.empty(), "{}: {}: none of its {} checkpoints is whole", kOp, folder_, there.size());
  return {};
}

}  // namespace gradus::io
