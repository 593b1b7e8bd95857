#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gradus/state_dict.h"
#include "gradus/tensor.h"

/// Checkpoints: a training in one file, to go on from there as if it had never been interrupted. docs/guides/checkpoints.md tells how.
namespace gradus::io {

/// What may stand in a state: a tensor, a number, true or false, or text (UTF-8). Numbers come back to the bit.
class GRADUS_API StateValue {
 public:
  StateValue(Tensor value) : value_(std::move(value)) {}
  StateValue(std::string value) : value_(std::move(value)) {}
  StateValue(const char* value) : value_(std::string(value)) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> StateValue(Number value) {
    if constexpr (std::same_as<Number, bool>) value_ = value;
    else if constexpr (std::integral<Number>) value_ = static_cast<int64_t>(value);
    else value_ = static_cast<double>(value);
  }

  template <class T>
  bool is() const noexcept {
    return std::holds_alternative<T>(value_);
  }
  /// The value as a Tensor, std::string, bool, whole or real number; a whole number is a real one too. Throws ValueError, naming `name`,
  /// when it is of another kind, or a number that T cannot hold.
  template <class T>
  T get(std::string_view name = "the value") const {
    if constexpr (std::same_as<T, StateValue>) return *this;
    else if constexpr (std::same_as<T, uint64_t>) return static_cast<uint64_t>(whole(name));
    else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      const int64_t number = whole(name);
      if (!std::in_range<T>(number)) refuse(name, "a number of the size asked for");
      return static_cast<T>(number);
    } else if constexpr (std::floating_point<T>) {
      return static_cast<T>(real(name));
    } else {
      if (!is<T>()) refuse(name, std::same_as<T, Tensor> ? "a tensor" : std::same_as<T, bool> ? "true or false" : "text");
      return std::get<T>(value_);
    }
  }

 private:
  int64_t whole(std::string_view name) const;
  double real(std::string_view name) const;
  [[noreturn]] void refuse(std::string_view name, const char* wanted) const;

  std::variant<Tensor, bool, int64_t, double, std::string> value_;
};

/// Values by name, in order.
class GRADUS_API StateValues {
 public:
  using value_type = std::pair<std::string, StateValue>;

  StateValues() = default;
  StateValues(std::initializer_list<value_type> entries) : entries_(entries) {}

  /// Adds a value at the end.
  void insert(std::string name, StateValue value) { entries_.emplace_back(std::move(name), std::move(value)); }
  /// The value of that name, or nullptr.
  const StateValue* find(std::string_view name) const noexcept;
  /// Whether there is a value of that name.
  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }
  /// The value of that name. Throws ValueError, listing the names that there are, when there is none.
  const StateValue& at(std::string_view name) const;
  /// The same as a T: `values.get<double>("best")`. Throws ValueError when it is of another kind.
  template <class T>
  T get(std::string_view name) const {
    return at(name).get<T>(name);
  }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }
  size_t size() const noexcept { return entries_.size(); }

 private:
  std::vector<value_type> entries_;
};

/// A list or map of names with tensors, numbers or texts, as StateDict, std::map<std::string, double> or StateValues.
template <class S>
concept State = std::same_as<S, StateValues> || requires(S state, typename S::value_type entry) {
  { entry.first } -> std::convertible_to<std::string>;
  requires std::convertible_to<decltype(entry.second), StateValue>;
  state.insert(state.end(), std::move(entry));
};

/// An object that can say what it holds and take it back, as modules, optimizers, schedulers, EMA and data loaders can. A type of one's own
/// needs these two functions, and no base:
///
///     struct Counter {
///       int64_t n = 0;
///       std::map<std::string, int64_t> state_dict() const { return {{"n", n}}; }
///       void load_state_dict(const std::map<std::string, int64_t>& state) { n = state.at("n"); }
///     };
template <class T>
concept Stateful = requires(T& object) {
  requires State<std::remove_cvref_t<decltype(object.state_dict())>>;
  object.load_state_dict(std::as_const(object).state_dict());
};

namespace detail {

template <class Class, class Function>
Class class_of(Function Class::*);

/// Its load_state_dict comes in two halves, of which only the first may throw. A class that has a load_state_dict or a state_dict of its
/// own in the place of those is not meant.
template <class T>
concept LoadsInHalves = requires(T& object, decltype(object.state_dict()) state) {
  { object.prepare_load_state_dict(state) } -> std::convertible_to<std::function<void()>>;
  requires std::same_as<decltype(class_of(&T::load_state_dict)), decltype(class_of(&T::prepare_load_state_dict))>;
  requires std::same_as<decltype(class_of(&T::state_dict)), decltype(class_of(&T::prepare_load_state_dict))>;
};

template <State S>
StateValues values_of(const S& state) {
  if constexpr (std::same_as<S, StateValues>) return state;
  else {
    StateValues values;
    for (const auto& [name, value] : state) values.insert(name, StateValue(value));
    return values;
  }
}

template <State S>
S state_of(const StateValues& values) {
  if constexpr (std::same_as<S, StateValues>) return values;
  else {
    S state;
    using Value = std::remove_cvref_t<decltype(std::declval<typename S::value_type>().second)>;
    for (const auto& [name, value] : values) state.insert(state.end(), typename S::value_type(name, value.template get<Value>(name)));
    return state;
  }
}

}  // namespace detail

/// A name and the object that it stands for, which must live as long as the call that it is given to.
class GRADUS_API CheckpointPart {
 public:
  template <Stateful T>
  CheckpointPart(std::string name, T& object) : name_(std::move(name)) {
    using S = std::remove_cvref_t<decltype(object.state_dict())>;
    state_ = [&object] { return detail::values_of<S>(object.state_dict()); };
    if constexpr (detail::LoadsInHalves<T>)
      prepare_ = [&object](const StateValues& values) { return object.prepare_load_state_dict(detail::state_of<S>(values)); };
    else load_ = [&object](const StateValues& values) { object.load_state_dict(detail::state_of<S>(values)); };
  }

  const std::string& name() const noexcept { return name_; }
  StateValues state() const { return state_(); }
  /// Whether `prepare` can be called; `load` otherwise.
  bool loads_in_halves() const noexcept { return static_cast<bool>(prepare_); }
  /// Calls the first half of the object's load_state_dict, which throws what does not fit; the function that it gives is the second half.
  std::function<void()> prepare(const StateValues& state) const { return prepare_(state); }
  /// Calls the object's load_state_dict.
  void load(const StateValues& state) const { load_(state); }

 private:
  std::string name_;
  std::function<StateValues()> state_;
  std::function<std::function<void()>(const StateValues&)> prepare_;
  std::function<void(const StateValues&)> load_;
};

/// What a checkpoint is made of: `{{"model", model}, {"optimizer", adam}}`.
using CheckpointParts = std::vector<CheckpointPart>;

/// Writes the states of the parts, the random state and values of your own into one safetensors file, in which part P's tensor T is called
/// `P.T`; numbers and texts stand in the metadata, and a checksum of the whole file.
///
///     io::save_checkpoint("run.safetensors", {{"model", model}, {"optimizer", adam}, {"loader", loader}}, {{"step", step}});
///
/// Save between two steps: gradients are not part of it. A new file is written beside the old one, flushed to the disk and then put in its
/// place, as save_safetensors does: the path always holds a whole file.
/// Throws ValueError on part names that are empty, occur twice, have a dot or are `values` or `rng_state`, on names and texts that are not
/// UTF-8 or more than 100 000 numbers and texts; IoError with the system's reason when it cannot be written; what a part's state_dict
/// throws.
GRADUS_API void save_checkpoint(const std::string& path, const CheckpointParts& parts, const StateValues& values = {});

/// Loads what save_checkpoint wrote into the parts, sets the random state, and gives the values.
///
///     const auto values = io::load_checkpoint("run.safetensors", {{"model", model}, {"optimizer", adam}, {"loader", loader}});
///     int64_t step = values.get<int64_t>("step");
///
/// Either all parts are loaded or nothing is changed: first everything is read and checked, and where a part of your own throws when it is
/// loaded, it and those loaded before get back the states that they had. The parts must be those of the file. With strict = false parts
/// that the file or the call lacks are passed over, and the random state stays as it is: so a model alone is taken out of a checkpoint.
/// Throws IoError, naming the file, when it cannot be read, is no checkpoint, or was damaged, be it in a single bit; ValueError that lists
/// everything that does not fit, for every part; what the load_state_dict of a part of your own throws.
GRADUS_API StateValues load_checkpoint(const std::string& path, const CheckpointParts& parts, bool strict = true);

/// Whether a safetensors file has a checksum, as checkpoints do. Throws IoError, naming the file, when it is not that of its bytes, or the
/// file cannot be read.
GRADUS_API bool verify_checksum(const std::string& path);

/// How a CheckpointManager chooses what it keeps.
struct CheckpointManagerOptions {
  int64_t keep = 3;  ///< that many of the newest, at least 1; and the best, if it is none of them
  /// Whether a smaller or a larger measure is better.
  enum class Mode { Min, Max } mode = Mode::Min;
};

/// One file of a CheckpointManager.
struct Checkpoint {
  std::string path;
  int64_t step = 0;
  std::optional<double> measure = {};
  StateValues values = {};  ///< those given to `save`
};

/// A folder of checkpoints, `step-000001200.safetensors`: the last ones and the best.
///
///     io::CheckpointManager checkpoints("run", {.keep = 3});
///     if (const auto found = checkpoints.resume(parts)) step = found->step;
///     …
///     checkpoints.save(step, parts, validation_loss);
///
/// A file counts as whole when its checksum says so. Those that are not are passed over with a warning on stderr that names them, and left
/// alone; so is every other file but what interrupted saves left, which the next save removes. From the first `save` or `resume` on, the
/// folder is locked: those of another process, or of another manager, throw IoError, so that two trainings do not destroy each other's
/// files. (Not every file system has locks.) `latest`, `newest` and `best` lock nothing.
class GRADUS_API CheckpointManager {
 public:
  /// Makes the folder if it is not there. Throws IoError when it cannot, ValueError when `keep` is below 1.
  explicit CheckpointManager(std::string folder, const CheckpointManagerOptions& options = {});
  ~CheckpointManager();
  CheckpointManager(const CheckpointManager&) = delete;
  CheckpointManager& operator=(const CheckpointManager&) = delete;

  /// Saves a checkpoint, in the place of one of the same step, and removes the files of earlier steps that are neither among the newest nor
  /// the best. Of equal measures the first is the best; NaN never is. Files of later steps stay.
  /// Throws what save_checkpoint throws; ValueError when the step is negative or the values have the name `step` or `measure`, IoError when
  /// another one keeps checkpoints here.
  Checkpoint save(int64_t step, const CheckpointParts& parts, std::optional<double> measure = {}, const StateValues& values = {});

  /// The newest whole checkpoint; nothing when there is none.
  std::optional<Checkpoint> latest() const;
  /// The newest whole checkpoints, at most `count` of them, the last first. Throws ValueError when `count` is negative.
  std::vector<Checkpoint> newest(int64_t count) const;
  /// The whole checkpoint with the best measure; nothing when none has one.
  std::optional<Checkpoint> best() const;
  /// Loads the newest whole checkpoint, as load_checkpoint does. Gives nothing, and changes nothing, when the folder has no checkpoints.
  /// Throws what load_checkpoint throws, and IoError when there are checkpoints but none is whole, or another one keeps checkpoints here.
  std::optional<Checkpoint> resume(const CheckpointParts& parts);

 private:
  std::string path_of(int64_t step) const;
  std::vector<int64_t> steps() const;
  std::optional<Checkpoint> whole(int64_t step) const;
  bool is_better(const Checkpoint& a, const Checkpoint& b) const;
  void lock();
  void remove_all_but_kept(int64_t newest);

  std::string folder_;
  CheckpointManagerOptions options_;
  int folder_fd_ = -1;
  int64_t locked_by_ = 0;                                 // the process
  std::map<int64_t, std::optional<Checkpoint>> known_{};  // by step, what need not be read again; nothing: a damaged one
};

}  // namespace gradus::io
