#include "model_file.h"

#include <nlohmann/json.hpp>

#include "gradus/error.h"
#include "gradus/io/safetensors.h"
#include "ranks.h"

namespace recipe {
namespace {

using nlohmann::json;

std::string format_of(const Program& program) { return std::string("gradus-") + program.name + "-recipe-1"; }

json json_of(const gradus::io::StateValue& value) {
  if (value.is<int64_t>()) return value.get<int64_t>();
  if (value.is<double>()) return value.get<double>();
  return value.get<std::string>();
}

gradus::io::StateValue value_of(const json& value) {
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  return value.get<std::string>();
}

}  // namespace

void ModelFile::save(const Program& program, const std::string& path) const {
  if (!Ranks::all().is_first()) return;
  json values;
  for (const auto& [name, value] : config) values[name] = json_of(value);
  gradus::io::save_safetensors(path, weights, {{"format", format_of(program)}, {"config", values.dump()}, {"lists", json(lists).dump()}});
}

ModelFile ModelFile::load(const Program& program, const std::string& path) {
  const gradus::io::NamedTensors file = gradus::io::load_safetensors(path);
  const auto format = file.metadata.find("format"), config = file.metadata.find("config"), lists = file.metadata.find("lists");
  const bool whole = config != file.metadata.end() && lists != file.metadata.end();
  if (format == file.metadata.end() || format->second != format_of(program) || !whole)
    throw gradus::IoError(path + " was not written by " + program.name + " --save");
  try {
    ModelFile model{file.tensors, {}, json::parse(lists->second)};
    const json values = json::parse(config->second);
    for (const auto& [name, value] : values.items()) model.config.insert(name, value_of(value));
    return model;
  } catch (const json::exception& error) {
    throw gradus::IoError("the config in " + path + " is damaged: " + error.what());
  }
}

bool ModelFile::is(const Program& program, const std::string& path) {
  try {
    const auto metadata = gradus::io::load_safetensors(path).metadata;
    const auto format = metadata.find("format");
    return format != metadata.end() && format->second == format_of(program);
  } catch (const gradus::Error&) {
    return false;  // what is wrong is said when it is loaded
  }
}

}  // namespace recipe
