#include "gradus/io/checkpoint.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "gradus/error.h"
#include "gradus/memory.h"
#include "gradus/nn/layers.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/scheduler.h"
#include "gradus/random.h"
#include "io/checksum.h"
#include "memory_file.h"

namespace {

using namespace gradus;

/// The file with the checksum that its bytes have, without which none that was changed at random would be looked at.
std::string with_checksum(std::string file) {
  constexpr std::string_view key = R"("xxh64":")";
  constexpr size_t digits = 16;
  const size_t found = file.find(key);
  if (found == file.npos || found + key.size() + digits > file.size()) return file;
  file.replace(found + key.size(), digits, digits, '0');
  io::Checksum sum;
  sum.add(file.data(), file.size());
  return file.replace(found + key.size(), digits, sum.str());
}

/// A part of a checkpoint that takes everything.
struct Anything {
  io::StateValues values = {{"number", 1}};
  io::StateValues state_dict() const { return values; }
  void load_state_dict(const io::StateValues& state) { values = state; }
};

/// A small training, as seeds.cpp saves one.
struct Training {
  nn::Linear model{2, 3};
  optim::Adam optimizer{model.parameters()};
  optim::StepLR scheduler{optimizer, 2};
  Anything anything;

  io::CheckpointParts parts() { return {{"model", model}, {"optimizer", optimizer}, {"scheduler", scheduler}, {"anything", anything}}; }
};

/// All that a load may change, as text.
std::string state_of(Training& training) {
  std::string text;
  const auto add = [&text](const Tensor& x) {
    text += x.shape().str();
    for (double element : x.to_vector<double>()) text += fmt::format(" {}", element);
  };
  for (const io::CheckpointPart& part : training.parts()) {
    for (const auto& [name, value] : part.state()) {
      text += fmt::format("\n{}.{}: ", part.name(), name);
      if (value.is<Tensor>()) add(value.get<Tensor>());
      else if (value.is<std::string>()) text += value.get<std::string>();
      else if (value.is<bool>()) text += value.get<bool>() ? "true" : "false";
      else text += fmt::format("{}", value.get<double>());
    }
  }
  add(get_rng_state());
  return text;
}

}  // namespace

/// The bytes are a checkpoint, whose checksum is put right. It is loaded, or everything stays as it was.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static fuzz::MemoryFile file;
  const std::string whole = with_checksum(std::string(reinterpret_cast<const char*>(bytes), size));
  file.hold(whole.data(), whole.size());
  Training training;
  const std::string before = state_of(training);
  release_cached_memory();
  reset_peak_memory();
  try {
    io::load_checkpoint(file.path(), training.parts(), size % 2 == 0);
    for (const auto& [name, value] : training.anything.values)
      if (value.is<Tensor>()) fuzz::look_at(value.get<Tensor>());
  } catch (const Error&) {
    fuzz::expect(state_of(training) == before, "what could not be loaded has changed something");
  }
  constexpr size_t most = size_t{64} << 20;
  fuzz::expect(memory_stats().peak_bytes <= most + 4 * size, "more memory than a file of that size may ask for");
  return 0;
}
