#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace gradus::io {

/// A value of a pickle: a number, or a reference to what the Unpickler keeps.
struct PickleValue {
  enum class Kind : uint8_t {
    None,
    Boolean,
    Integer,
    Unsigned,  // an integer beyond int64
    Real,
    Text,
    List,
    Tuple,
    Dict,
    Name,  // of a class or function, which is only ever named
    Storage,
    Tensor,
  };
  Kind kind = Kind::None;
  uint32_t length = 0;   // of a text
  uint64_t payload = 0;  // the number, or the place of a text or an index

  bool is(Kind k) const noexcept { return kind == k; }
  bool is_container() const noexcept { return kind == Kind::List || kind == Kind::Tuple || kind == Kind::Dict; }
  int64_t integer() const noexcept { return static_cast<int64_t>(payload); }
  double real() const noexcept;
};

/// Reads a pickle (docs.python.org/3/library/pickle.html) of protocols 2 to 5 without running any code: it has no way to call anything.
/// What names a class or function, calls one, or refers to something outside is given to the functions of a derived class, which know a
/// few. Memory is bounded by the number of values, and nothing recurses. Errors are IoErrors that begin with the file's `op: path:`.
class Unpickler {
 public:
  using Kind = PickleValue::Kind;
  using Items = std::vector<PickleValue>;

  /// Reads `bytes`, which it keeps, for texts are parts of them.
  Unpickler(const InputFile& file, std::string bytes);
  virtual ~Unpickler() = default;
  Unpickler(const Unpickler&) = delete;
  Unpickler& operator=(const Unpickler&) = delete;

  /// Reads the pickle and gives what it stands for.
  PickleValue read();

  const InputFile& file() const noexcept { return file_; }
  size_t bytes() const noexcept { return bytes_.size(); }
  std::string_view text(const PickleValue& v) const noexcept { return std::string_view(bytes_).substr(v.payload, v.length); }
  /// What a list or tuple holds; a dict's keys and values in turn.
  const Items& items(const PickleValue& container) const noexcept { return containers_[container.payload]; }
  size_t containers() const noexcept { return containers_.size(); }

 protected:
  /// The value for a name; throws for one that is not known.
  virtual PickleValue name(std::string_view module, std::string_view name) = 0;
  /// What the call of a name with a tuple of arguments would give.
  virtual PickleValue call(const PickleValue& function, const PickleValue& arguments) = 0;
  /// What a reference to something outside the pickle stands for.
  virtual PickleValue outside(const PickleValue& id) = 0;

  PickleValue new_container(Kind kind, Items items);
  /// Makes room for so many values more, or throws.
  void count_values(size_t more);

 private:
  void step(unsigned char code);
  bool step_number(unsigned char code);
  bool step_text(unsigned char code);
  bool step_container(unsigned char code);
  bool step_memo(unsigned char code);

  template <class T>
  T number();
  std::string_view take(uint64_t count);
  std::string_view line();
  void push_integer(size_t bytes);
  void push_text(uint64_t length);

  void push(PickleValue v);
  PickleValue pop();
  PickleValue pop(Kind kind, const char* what);
  /// The values since the last mark, which go.
  Items pop_to_mark();
  void push_tuple(size_t count);
  PickleValue& top(Kind kind, const char* what);
  void remember(uint64_t index);
  void recall(uint64_t index);
  [[noreturn]] void damaged(const char* what) const;

  const InputFile& file_;
  std::string bytes_;
  size_t most_values_, most_containers_;
  size_t at_ = 0;
  size_t pushed_ = 0;
  std::vector<PickleValue> stack_;
  std::vector<size_t> marks_;
  std::vector<PickleValue> memo_;
  std::vector<Items> containers_;
};

}  // namespace gradus::io
