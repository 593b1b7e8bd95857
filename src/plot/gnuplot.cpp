#include "plot/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/check.h"

namespace gradus::plot {
namespace {

using File = std::unique_ptr<std::FILE, decltype([](std::FILE* file) { std::fclose(file); })>;

/// A file without a name. Files take script and picture, and not pipes: none can be full while the other side waits, and none breaks.
File temporary(const char* op) {
  File file(std::tmpfile());
  check<IoError>(file != nullptr, "{}: no temporary file can be made: {}", op, std::strerror(errno));
  return file;
}

std::string contents(std::FILE* file) {
  std::string all;
  std::array<char, 65536> part;
  std::rewind(file);
  while (const size_t got = std::fread(part.data(), 1, part.size(), file)) all.append(part.data(), got);
  return all;
}

/// gnuplot's own line of an error: the last that is not empty, without the place in the script before it.
std::string complaint(const std::string& errors) {
  const size_t end = errors.find_last_not_of(" \n\t");
  if (end == errors.npos) return "it said nothing";
  const size_t start = errors.find_last_of('\n', end);
  return errors.substr(start == errors.npos ? 0 : start + 1, end - (start == errors.npos ? 0 : start + 1) + 1);
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  void redirect(int descriptor, std::FILE* file) { ::posix_spawn_file_actions_adddup2(&actions_, ::fileno(file), descriptor); }
  const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

std::string run_gnuplot(const char* op, const std::string& script) {
  const File input = temporary(op), output = temporary(op), errors = temporary(op);
  const bool written = std::fwrite(script.data(), 1, script.size(), input.get()) == script.size() && std::fflush(input.get()) == 0;
  check<IoError>(written, "{}: a temporary file cannot be written: {}", op, std::strerror(errno));
  std::rewind(input.get());
  FileActions actions;
  actions.redirect(STDIN_FILENO, input.get());
  actions.redirect(STDOUT_FILENO, output.get());
  actions.redirect(STDERR_FILENO, errors.get());
  // Without the user's own settings, which could change the picture.
  std::array<char, 8> name{"gnuplot"};
  std::array<char, 3> defaults{"-d"};
  const std::array<char*, 3> arguments{name.data(), defaults.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, name.data(), actions.get(), nullptr, arguments.data(), environ);
  check<IoError>(error != ENOENT, "{}: gnuplot draws the pictures and is not in PATH; install gnuplot-nox (Debian, Ubuntu)", op);
  check<IoError>(error == 0, "{}: gnuplot cannot be started: {}", op, std::strerror(error));
  int status = 0;
  pid_t ended = 0;
  do ended = ::waitpid(child, &status, 0);
  while (ended < 0 && errno == EINTR);
  // A program that ignores SIGCHLD is told no status; then the picture itself says whether all went well.
  std::string picture = contents(output.get());
  const bool succeeded = ended < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
  check<IoError>(succeeded && !picture.empty(), "{}: gnuplot failed: {}", op, complaint(contents(errors.get())));
  return picture;
}

}  // namespace gradus::plot
