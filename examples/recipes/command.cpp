#include "command.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "gradus/error.h"
#include "gradus/parallel.h"
#include "gradus/plot.h"
#include "gradus/precision.h"
#include "ranks.h"
#include "validators.h"

namespace recipe {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const Program& program, const std::string& text) {
  throw gradus::ValueError(std::string(program.name) + ": " + text);
}

constexpr const char* kTraining = "Training";  // the group of options that --load refuses

void add_common(Options& options, CLI::App& app, Common& c, const detail::PresetHelp& presets) {
  std::vector<std::string> names;
  std::string help;
  for (const auto& [name, what] : presets) {
    names.push_back(name);
    help += (help.empty() ? "'" : "; '") + name + "': " + what;
  }
  options.training(false);
  option(app, "--seed", c.seed, "of weights, order and dropout", not_negative());
  app.add_option("--threads", c.threads, "threads to use (default: all processors)")->check(whole(1, 256));
  option(app, "--precision", c.precision, kPrecisionHelp, CLI::IsMember(kPrecisions));
  options.file("--load", c.load, "take the model of this file, and do not train");
  const auto json = [&] { options.flag("--json", c.json, "end with one line of JSON"); };
  if (options.tests_loaded()) json();
  options.training();
  if (!options.tests_loaded()) json();
  if (!names.empty()) app.add_option("--preset", c.preset, help)->check(CLI::IsMember(names))->group(kTraining);
  options.output("--save", c.save, "write the trained model here (safetensors)");
  options.text("--checkpoint", c.checkpoint, "keep checkpoints of the training in this folder, also when a signal ends it");
  options.whole("--checkpoint-every", c.checkpoint_every, "steps from one checkpoint to the next (0: one after each epoch)", 0);
  options.flag("--resume", c.resume, "go on from the newest checkpoint of the folder, as if the training had not been interrupted");
  options.whole("--shards", c.shards, kShardsHelp, 0);
}

/// Whether both name one file, be it there or not.
bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return fs::equivalent(a, b, ignored) || fs::weakly_canonical(a, ignored) == fs::weakly_canonical(b, ignored);
}

void refuse_contradictions(const Program& program, const CLI::App& app, const Options& options, const Common& c) {
  const auto path_of = [&](const std::string& name) { return app.get_option(name)->as<std::string>(); };
  for (const auto* names : {&options.inputs(), &options.outputs()})
    for (const std::string& name : *names)
      if (app.count(name) && path_of(name).empty()) refuse(program, name + " needs the name of a file");
  if (app.count("--checkpoint") && c.checkpoint.empty()) refuse(program, "--checkpoint needs the name of a folder");
  for (const char* name : {"--checkpoint-every", "--resume"})
    if (app.count(name) && c.checkpoint.empty())
      refuse(program, std::string(name) + " needs the folder of the checkpoints; give --checkpoint");
  for (const std::string& out : options.outputs())
    for (const std::string& in : options.inputs())
      if (app.count(out) && app.count(in) && same_file(path_of(out), path_of(in)))
        refuse(program, out + " would overwrite " + path_of(in) + ", which " + in + " reads; give another file");
  if (c.load.empty()) return;
  for (const CLI::Option* given : app.get_options())
    if (given->count() > 0 && given->get_group() == kTraining)
      refuse(program, given->get_name() + " is for training, and --load does not train; leave out one of the two");
}

/// What a training depends on: its options but those of files, which differ from one run to the next, and of how long it goes.
std::string settings_of(const CLI::App& app, const Options& options, const Common& c) {
  std::string settings = "--seed " + std::to_string(c.seed) + "\n--precision " + c.precision + "\n";
  for (const CLI::Option* one : app.get_options()) {
    const std::string name = one->get_name();
    const auto is = [&](const std::vector<std::string>& names) { return std::ranges::find(names, name) != names.end(); };
    const bool is_file = is(options.inputs()) || is(options.outputs());
    if (one->get_group() != kTraining || is_file || is({"--preset", "--checkpoint", "--checkpoint-every", "--resume", "--json"})) continue;
    settings += name + " " + (one->count() > 0 ? one->as<std::string>() : one->get_default_str()) + "\n";
  }
  return settings;
}

/// One line, whatever the text is like.
int fail(const std::string& text) {
  std::string line;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\n' && text[at] != '\r') {
      line += text[at];
      continue;
    }
    at = std::min(text.find_first_not_of("\n\r ", at), text.size()) - 1;
    if (at + 1 < text.size()) line += line.ends_with(':') ? " " : "; ";
  }
  std::fprintf(stderr, "%s\n", line.c_str());
  return EXIT_FAILURE;
}

}  // namespace

CLI::Validator whole(int64_t least, int64_t most) {
  const bool open = most == int64_t{1} << 40;
  return CLI::Range(least, most)
      .description(open ? "at least " + std::to_string(least) : std::to_string(least) + " to " + std::to_string(most));
}

CLI::Validator real(double least, double most) {
  const auto shown = [](double x) {
    std::string text = std::to_string(x);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  const std::string range = shown(least) + " to " + shown(most);
  return CLI::Validator(
      [=](const std::string& given) {
        double value = std::numeric_limits<double>::quiet_NaN();
        const bool fits = CLI::detail::lexical_cast(given, value) && value >= least && value <= most;
        return fits ? std::string() : given + " is not a number from " + range;
      },
      range);
}

CLI::Validator not_negative() {
  return {[](const std::string& given) { return given.starts_with('-') ? given + " is below 0" : ""; }, "at least 0"};
}

void Options::whole(const std::string& name, int64_t& value, const std::string& help, int64_t least, int64_t most) {
  option(app_, name, value, help, recipe::whole(least, most));
  group(name);
}

void Options::real(const std::string& name, double& value, const std::string& help, double least, double most) {
  option(app_, name, value, help, recipe::real(least, most));
  group(name);
}

void Options::one_of(const std::string& name, std::string& value, const std::string& help, const std::vector<std::string>& choices) {
  option(app_, name, value, help, CLI::IsMember(choices));
  group(name);
}

void Options::flag(const std::string& name, bool& value, const std::string& help) {
  app_.add_flag(name, value, help);
  group(name);
}

void Options::text(const std::string& name, std::string& value, const std::string& help) {
  app_.add_option(name, value, help);
  group(name);
}

void Options::texts(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  app_.add_option(name, values, help);
  group(name);
}

void Options::file(const std::string& name, std::string& path, const std::string& help) {
  app_.add_option(name, path, help)->check(CLI::ExistingFile);
  inputs_.push_back(name);
  group(name);
}

void Options::output(const std::string& name, std::string& path, const std::string& help) {
  text(name, path, help);
  outputs_.push_back(name);
}

void Options::group(const std::string& name) {
  if (is_training_) app_.get_option(name)->group(kTraining);
}

bool detail::read(const Program& program, int argc, char** argv, Common& common, const PresetHelp& presets,
                  const std::function<void(Options&)>& add_options) {
  CLI::App app(program.about, program.name);
  Options options(app);
  add_options(options);
  add_common(options, app, common, presets);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    flush_output(program);
    return false;
  } catch (const CLI::ParseError& error) {
    refuse(program, error.what() + std::string("; ") + program.name + " --help lists the options");
  }
  refuse_contradictions(program, app, options, common);
  common.settings = settings_of(app, options, common);
  if (common.threads > 0) gradus::set_num_threads(static_cast<int>(common.threads));
  gradus::set_float32_matmul_precision(common.precision);
  return true;
}

const char* const kShardsHelp =
    "cut each batch into so many parts: runs with the same number give the same bits on any number of ranks (0: one rank has the batch "
    "whole)";

const char* const kPrecisionHelp =
    "of float32 products; medium rounds their operands to bfloat16 where the processor multiplies such numbers";
const std::vector<std::string> kPrecisions{"highest", "high", "medium"};

int main_of(const Program& program, const std::function<int()>& run) {
  const std::string name = std::string(program.name) + ": ";
  try {
    const Ranks ranks;
    return run();
  } catch (const std::bad_alloc&) {
    return fail(name + "the memory is used up; choose a smaller model or smaller batches");
  } catch (const gradus::Error& error) {
    const std::string text = error.what();
    return fail(text.starts_with(name) ? text : name + text);
  } catch (const std::exception& error) {
    return fail(name + error.what());
  }
}

void check_writable(const Program& program, const char* flag, const std::string& path, bool whole) {
  if (!Ranks::all().is_first()) return;
  const auto refuse_file = [&](const std::string& reason) {
    throw gradus::IoError(std::string(program.name) + ": " + flag + " " + path + " cannot be written: " + reason);
  };
  std::error_code ignored;
  const bool existed = fs::exists(path, ignored);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
  if (fd < 0) refuse_file(std::strerror(errno));
  struct stat info {};
  ::fstat(fd, &info);
  // A device such as /dev/full takes an open, and refuses what is written.
  const bool device_refuses = S_ISCHR(info.st_mode) && ::isatty(fd) == 0 && ::write(fd, "\n", 1) != 1;
  const std::string reason = std::strerror(errno);
  ::close(fd);
  const fs::path file = fs::canonical(path);
  if (!existed) fs::remove(file);
  if (device_refuses) refuse_file(reason);
  if (!whole) return;
  if (!S_ISREG(info.st_mode)) refuse_file("it is not a regular file");
  // The new file is written beside the old one.
  if (::access(file.parent_path().c_str(), W_OK | X_OK) != 0) refuse_file("its folder: " + std::string(std::strerror(errno)));
}

void check_picture(const Program& program, const std::string& path) {
  if (!path.ends_with(".svg") && !path.ends_with(".png")) refuse(program, "--picture " + path + " must end in .svg or .png");
  check_writable(program, "--picture", path);
  gradus::plot::Figure().line(std::vector<double>{0, 1}).svg();  // says what is missing without gnuplot
}

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += (text.empty() ? "" : " ") + token;
  return text;
}

void print_json(const gradus::io::StateValues& figures) {
  nlohmann::ordered_json line;
  for (const auto& [name, value] : figures)
    if (value.is<int64_t>()) line[name] = value.get<int64_t>();
    else if (const double number = value.get<double>(name); std::isnan(number)) line[name] = nullptr;
    else line[name] = number;
  std::printf("%s\n", line.dump().c_str());
}

void flush_output(const Program& program) {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && std::ferror(stdout) == 0) return;
  throw gradus::IoError(std::string(program.name) + ": standard output cannot be written" +
                        (errno ? ": " + std::string(std::strerror(errno)) : ""));
}

}  // namespace recipe
