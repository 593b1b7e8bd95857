#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "core/quoted.h"
#include "inspect/report.h"

/// gradus-inspect: what files of tensors hold.
namespace {

using gradus::inspect::Report;

constexpr int kBadFile = 1, kBadUse = 2;

constexpr const char* kHelp = R"(Usage: gradus-inspect [--json] FILE...

Lists what files of tensors hold: safetensors, checkpoints, NumPy's .npy and .npz, and PyTorch's. Files are recognised
by their bytes, whatever they are called.

For each tensor: its name, its dtype in the file, its shape, the smallest and the largest number and the mean, without
those that are NaN, and how many are NaN. For each file: its metadata, and whether its bytes agree with its checksum.

  --json     one JSON array with an object for each file, in which long metadata are not cut; numbers that JSON has not
             are the texts "Infinity", "-Infinity" and "NaN"
  --help     this text
  --version  the version of gradus
  --         what follows are files, whatever they begin with

A file that cannot be read is one line on standard error, and the others are listed all the same. The exit status is
then 1; after a wrong option it is 2, otherwise 0.
)";

struct Arguments {
  bool json = false;
  std::vector<std::string> files;
};

int wrong_use(const std::string& what) {
  std::fprintf(stderr, "gradus-inspect: %s; gradus-inspect --help shows how it is used\n", what.c_str());
  return kBadUse;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// A JSON array of objects, whose lines move to the right.
std::string as_array(const std::vector<std::string>& objects) {
  std::string text = "[";
  for (const std::string& object : objects) {
    text += text == "[" ? "\n  " : ",\n  ";
    for (const char c : object) text += c == '\n' ? std::string("\n  ") : std::string(1, c);
  }
  return text + (objects.empty() ? "]\n" : "\n]\n");
}

int list(const Arguments& arguments) {
  std::vector<std::string> objects;
  bool is_first = true;
  int status = 0;
  for (const std::string& path : arguments.files) {
    try {
      const Report report = gradus::inspect::read_report(path);
      if (arguments.json) objects.push_back(as_json(report));
      else print((is_first ? "" : "\n") + as_text(report));
      is_first = false;
    } catch (const std::exception& error) {
      status = kBadFile;
      constexpr size_t most = 2000;
      const std::string line = gradus::printable(error.what(), most);
      std::fflush(stdout);
      std::fprintf(stderr, "%s\n", line.c_str());
      if (arguments.json) objects.push_back(gradus::inspect::as_json(path, line));
    }
  }
  if (arguments.json) print(as_array(objects));
  if (std::fflush(stdout) == 0) return status;
  std::fprintf(stderr, "gradus-inspect: standard output cannot be written\n");
  return kBadFile;
}

}  // namespace

int main(int count, char** values) {
  Arguments arguments;
  bool are_files = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view value = values[i];
    if (are_files || value.empty() || value[0] != '-') {
      arguments.files.emplace_back(value);
    } else if (value == "--") {
      are_files = true;
    } else if (value == "--json") {
      arguments.json = true;
    } else if (value == "--help" || value == "-h") {
      print(kHelp);
      return 0;
    } else if (value == "--version") {
      print("gradus-inspect " GRADUS_VERSION "\n");
      return 0;
    } else {
      return wrong_use("there is no option " + gradus::quoted(value));
    }
  }
  if (arguments.files.empty()) return wrong_use("no file is named");
  return list(arguments);
}
