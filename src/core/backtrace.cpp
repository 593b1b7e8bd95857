#include "core/backtrace.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

namespace gradus {
namespace {

constexpr int kMostFrames = 64;

thread_local int wanted = 0;  // by so many

/// A return address, and the program or library that it lies in.
struct Frame {
  const char* file = "";
  uintptr_t load_address = 0, address = 0;  // address: in the file, of the call rather than of what follows it
  std::string function;                     // if the file exports it
};

Frame frame_of(void* address) {
  Dl_info info{};
  link_map* map = nullptr;
  if (dladdr1(address, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0 || !map) return {};
  Frame frame{info.dli_fname ? info.dli_fname : "",
              reinterpret_cast<uintptr_t>(info.dli_fbase),
              reinterpret_cast<uintptr_t>(address) - map->l_addr - 1,
              {}};
  if (!info.dli_sname) return frame;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), std::free);
  frame.function = status == 0 ? text.get() : info.dli_sname;
  return frame;
}

/// What a command prints; nothing when it can't be run.
std::string output_of(std::vector<std::string> command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const bool started = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char part[4096];
  while (started) {
    const ssize_t n = read(ends[0], part, sizeof part);
    if (n > 0) text.append(part, static_cast<size_t>(n));
    else if (n == 0 || errno != EINTR) break;
  }
  close(ends[0]);
  if (started)
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

/// A function and its place, "train.cpp:42"; "??" for what is not known.
struct Place {
  std::string function, line;
};

/// For each address in the file, the calls that it stands for: more than one where functions were inlined.
std::map<uintptr_t, std::vector<Place>> places_in(const std::string& file, const std::vector<uintptr_t>& addresses) {
  std::vector<std::string> command{"addr2line", "-a", "-i", "-f", "-C", "-e", file};
  for (uintptr_t address : addresses) command.push_back(fmt::format("{:#x}", address));
  std::map<uintptr_t, std::vector<Place>> found;
  std::vector<Place>* places = nullptr;
  const std::vector<std::string> lines = lines_of(output_of(std::move(command)));
  for (size_t i = 0; i < lines.size();) {
    if (lines[i].starts_with("0x")) places = &found[std::strtoull(lines[i++].c_str(), nullptr, 16)];
    else if (places && i + 1 < lines.size()) {
      places->push_back({lines[i], lines[i + 1].substr(0, lines[i + 1].find(" (discriminator"))});
      i += 2;
    } else {
      break;
    }
  }
  return found;
}

/// The lines for a frame. The library's own functions are left out where they can be told by their names alone.
std::string describe(const Frame& frame, std::vector<Place> places, bool skip_own) {
  if (places.empty() || places[0].function == "??") places = {{frame.function.empty() ? "??" : frame.function, "??"}};
  std::string text;
  for (const Place& place : places) {
    if (skip_own && place.function.starts_with("gradus::")) continue;
    text += "\n  ";
    if (!place.line.starts_with("??")) text += place.line + " ";
    if (place.function != "??") text += "in " + place.function + " ";
    text += fmt::format("({} +{:#x})", frame.file, frame.address);
  }
  return text;
}

bool is_main(const Frame& frame, const std::vector<Place>& places) {
  return frame.function == "main" || (!places.empty() && places.back().function == "main");
}

}  // namespace

std::vector<void*> call_trace() {
  std::vector<void*> frames(kMostFrames);
  frames.resize(static_cast<size_t>(backtrace(frames.data(), kMostFrames)));
  return frames;
}

std::string describe_trace(const std::vector<void*>& trace) {
  const uintptr_t own = frame_of(reinterpret_cast<void*>(&call_trace)).load_address;
  // Linked into the program, the library is told from it by the names of its functions alone.
  const bool is_in_program = own == frame_of(reinterpret_cast<void*>(getauxval(AT_ENTRY))).load_address;
  std::vector<Frame> frames;
  std::map<std::string, std::vector<uintptr_t>> by_file;
  for (void* address : trace) {
    Frame frame = frame_of(address);
    if (frame.load_address == 0 || (frame.load_address == own && !is_in_program)) continue;
    by_file[frame.file].push_back(frame.address);
    frames.push_back(std::move(frame));
  }
  std::map<std::string, std::map<uintptr_t, std::vector<Place>>> places;
  for (const auto& [file, addresses] : by_file) places[file] = places_in(file, addresses);
  std::string text;
  for (const Frame& frame : frames) {
    text += describe(frame, places[frame.file][frame.address], is_in_program);
    if (is_main(frame, places[frame.file][frame.address])) break;
  }
  return text.empty() ? "\n  (no calls outside the library)" : text;
}

bool backtraces_wanted() noexcept {
  static const bool asked_for = [] {
    const char* value = std::getenv("GRADUS_BACKTRACE");
    return value && *value && std::strcmp(value, "0") != 0;
  }();
  return asked_for || wanted > 0;
}

void want_backtraces(int more) noexcept { wanted += more; }

}  // namespace gradus
