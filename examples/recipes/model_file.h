#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "command.h"
#include "gradus/error.h"
#include "gradus/state_dict.h"

namespace recipe {

/// A trained model in a safetensors file: its weights, what they are the weights of, and its lists of words.
struct ModelFile {
  gradus::StateDict weights;
  gradus::io::StateValues config;                         // numbers and texts
  std::map<std::string, std::vector<std::string>> lists;  // vocabularies, labels

  /// Throws IoError when it cannot be written.
  void save(const Program& program, const std::string& path) const;
  /// Throws IoError when the file cannot be read, or was not written by this program.
  static ModelFile load(const Program& program, const std::string& path);
  /// Whether load would find such a file.
  static bool is(const Program& program, const std::string& path);
};

/// What `read` makes of the file. Throws IoError as load, and when what is in the file does not fit together.
template <class Read>
auto load_model(const Program& program, const std::string& path, const Read& read) {
  const ModelFile file = ModelFile::load(program, path);
  try {
    return read(file);
  } catch (const std::out_of_range&) {
    throw gradus::IoError(path + " is damaged: a list is missing");
  } catch (const gradus::ValueError& error) {
    throw gradus::IoError(path + " is damaged: " + error.what());
  }
}

}  // namespace recipe
