#include "gradus/io/checkpoint.h"

#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/joined.h"
#include "core/random.h"
#include "gradus/autograd.h"
#include "io/checkpoint_file.h"
#include "io/first_names.h"
#include "io/safetensors_file.h"
#include "ops/creation/rng_state.h"

namespace gradus::io {

int64_t StateValue::whole(std::string_view name) const {
  if (!is<int64_t>()) refuse(name, "a whole number");
  return std::get<int64_t>(value_);
}

double StateValue::real(std::string_view name) const {
  if (is<int64_t>()) return static_cast<double>(std::get<int64_t>(value_));
  if (!is<double>()) refuse(name, "a number");
  return std::get<double>(value_);
}

void StateValue::refuse(std::string_view name, const char* wanted) const {
  static constexpr const char* kinds[] = {"a tensor", "true or false", "a whole number", "a real number", "text"};
  fail<ValueError>("StateValue: {} is {}, not {}", name, kinds[value_.index()], wanted);
}

const StateValue* StateValues::find(std::string_view name) const noexcept {
  for (const auto& [key, value] : entries_)
    if (key == name) return &value;
  return nullptr;
}

const StateValue& StateValues::at(std::string_view name) const {
  if (const StateValue* found = find(name)) return *found;
  fail<ValueError>("StateValues: no value is called \"{}\"; there are {}: {}", name, size(), first_names(entries_));
}

void save_checkpoint(const std::string& path, const CheckpointParts& parts, const StateValues& values) {
  write_checkpoint("save_checkpoint", path, parts, values);
}

StateValues load_checkpoint(const std::string& path, const CheckpointParts& parts, bool strict) {
  constexpr const char* op = "load_checkpoint";
  check_names(op, parts);
  CheckpointContent content = read_checkpoint(op, path);
  load_parts(op, path, content, parts, strict);
  return std::move(content.values);
}

bool verify_checksum(const std::string& path) { return SafeTensorsFile("verify_checksum", path).check_sum(); }

namespace {

/// The state with elements of its own.
StateValues copied(const StateValues& state) {
  NoGradGuard no_grad;
  StateValues copy;
  for (const auto& [name, value] : state)
    copy.insert(name, value.is<Tensor>() && value.get<Tensor>().defined() ? StateValue(value.get<Tensor>().detach().clone()) : value);
  return copy;
}

/// Parts whose load_state_dict may fail halfway. Unless they are kept, they get back the states that they had.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    for (auto it = before_.rbegin(); it != before_.rend(); ++it) {
      try {
        it->first->load(it->second);
      } catch (const std::exception&) {  // it does not even take its own state; what made the load fail is what is told
      }
    }
  }
  void load(const CheckpointPart& part, const StateValues& state) {
    before_.emplace_back(&part, copied(part.state()));
    part.load(state);
  }
  void keep() noexcept { before_.clear(); }

 private:
  std::vector<std::pair<const CheckpointPart*, StateValues>> before_;
};

/// Says which parts of a file nobody loads; a file may have very many.
void add_parts_left(std::vector<std::string>& problems, const std::set<std::string>& left) {
  constexpr size_t most = 20;
  size_t told = 0;
  for (const std::string& name : left) {
    if (told++ == most) {
      problems.push_back(fmt::format("and {} other parts of the file are not either", left.size() - most));
      break;
    }
    problems.push_back(fmt::format("part \"{}\" of the file is not among those to load", name));
  }
}

}  // namespace

void load_parts(const char* op, const std::string& path, const CheckpointContent& content, const CheckpointParts& parts, bool strict) {
  std::vector<std::string> problems;
  std::vector<std::function<void()>> second_halves;
  std::vector<const CheckpointPart*> whole;
  std::set<std::string> left;
  for (const auto& [name, state] : content.parts) left.insert(name);
  const auto noting_problems = [&](const std::string& what, const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      problems.push_back(fmt::format("{}: {}", what, error.what()));
    }
  };
  for (const CheckpointPart& part : parts) {
    left.erase(part.name());
    const auto found = content.parts.find(part.name());
    if (found == content.parts.end()) {
      if (strict) problems.push_back(fmt::format("part \"{}\" is not in the file", part.name()));
    } else if (part.loads_in_halves()) {
      noting_problems(fmt::format("part \"{}\"", part.name()), [&] { second_halves.push_back(part.prepare(found->second)); });
    } else {
      whole.push_back(&part);
    }
  }
  if (strict) add_parts_left(problems, left);
  std::optional<Generator> generator;
  if (strict) noting_problems("the random state", [&] { generator = generator_of(Op(op), content.rng_state); });
  check<ValueError>(problems.empty(), "{}: {}: the checkpoint does not fit, nothing was loaded:\n  {}", op, path, joined(problems, "\n  "));
  Undo undo;
  for (const CheckpointPart* part : whole) undo.load(*part, content.parts.at(part->name()));
  for (const auto& take_over : second_halves) take_over();
  undo.keep();
  if (generator) *LockedGenerator() = *generator;
}

}  // namespace gradus::io
