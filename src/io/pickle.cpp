#include "io/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/quoted.h"

namespace gradus::io {
namespace {

/// So much is read of any file, and more of one that is large by its tensors.
constexpr size_t kMostValues = size_t{1} << 20, kBytesPerValue = 16;
constexpr size_t kContainers = size_t{1} << 18, kBytesPerContainer = 64;

/// The opcodes that tensors, texts, numbers and what holds them are written with.
enum Opcode : unsigned char {
  kProto = 0x80,
  kFrame = 0x95,
  kStop = '.',
  kMark = '(',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8A,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8C,
  kBinUnicode8 = 0x8D,
  kBinString = 'T',  // texts of Python 2
  kShortBinString = 'U',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kBuild = 'b',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPersId = 'Q',
};

}  // namespace

double PickleValue::real() const noexcept { return std::bit_cast<double>(payload); }

Unpickler::Unpickler(const InputFile& file, std::string bytes)
    : file_(file),
      bytes_(std::move(bytes)),
      most_values_(kMostValues + static_cast<size_t>(file.size()) / kBytesPerValue),
      most_containers_(kContainers + static_cast<size_t>(file.size()) / kBytesPerContainer) {}

void Unpickler::damaged(const char* what) const { file_.fail("the pickle is damaged: {} at its byte {}", what, at_); }

PickleValue Unpickler::read() {
  while (true) {
    const auto code = number<unsigned char>();
    if (code == kStop) break;
    step(code);
  }
  if (stack_.size() != 1 || !marks_.empty()) damaged("it does not end with one value");
  const PickleValue root = pop();
  stack_ = {};
  memo_ = {};
  return root;
}

void Unpickler::step(unsigned char code) {
  if (step_number(code) || step_text(code) || step_container(code) || step_memo(code)) return;
  switch (code) {
    case kProto: {
      const auto version = number<unsigned char>();
      file_.check(version >= 2 && version <= 5, "the pickle is of protocol {}; protocols 2 to 5 are read", version);
      return;
    }
    case kFrame:
      if (number<uint64_t>() > bytes_.size() - at_) damaged("a frame is longer than what follows");
      return;
    case kGlobal: {
      const std::string_view module = line(), word = line();
      return push(name(module, word));
    }
    case kStackGlobal: {
      const PickleValue word = pop(Kind::Text, "no name"), module = pop(Kind::Text, "no module");
      return push(name(text(module), text(word)));
    }
    case kReduce: {
      const PickleValue arguments = pop(Kind::Tuple, "no arguments"), function = pop(Kind::Name, "something that is no function is called");
      return push(call(function, arguments));
    }
    case kBuild:
      // An OrderedDict has attributes that belong to no tensor: a state_dict's _metadata.
      pop(Kind::Dict, "no attributes");
      top(Kind::Dict, "attributes are set on something that has none");
      return;
    case kBinPersId: return push(outside(pop()));
    default:
      file_.fail(
          "the pickle has the opcode 0x{:02x} at its byte {}, which a state dict does not need; save the tensors alone: "
          "torch.save(model.state_dict(), path)",
          code, at_ - 1);
  }
}

bool Unpickler::step_number(unsigned char code) {
  switch (code) {
    case kNone: push({}); return true;
    case kNewTrue: push({Kind::Boolean, 0, 1}); return true;
    case kNewFalse: push({Kind::Boolean, 0, 0}); return true;
    case kBinInt: push({Kind::Integer, 0, static_cast<uint64_t>(int64_t{number<int32_t>()})}); return true;
    case kBinInt1: push({Kind::Integer, 0, number<uint8_t>()}); return true;
    case kBinInt2: push({Kind::Integer, 0, number<uint16_t>()}); return true;
    case kLong1: push_integer(number<uint8_t>()); return true;
    case kBinFloat: push({Kind::Real, 0, __builtin_bswap64(number<uint64_t>())}); return true;
    default: return false;
  }
}

bool Unpickler::step_text(unsigned char code) {
  switch (code) {
    case kShortBinUnicode:
    case kShortBinString: push_text(number<uint8_t>()); return true;
    case kBinUnicode:
    case kBinString: push_text(number<uint32_t>()); return true;
    case kBinUnicode8: push_text(number<uint64_t>()); return true;
    default: return false;
  }
}

bool Unpickler::step_container(unsigned char code) {
  switch (code) {
    case kMark:
      count_values(1);
      marks_.push_back(stack_.size());
      return true;
    case kEmptyList: push(new_container(Kind::List, {})); return true;
    case kEmptyDict: push(new_container(Kind::Dict, {})); return true;
    case kEmptyTuple: push_tuple(0); return true;
    case kTuple1: push_tuple(1); return true;
    case kTuple2: push_tuple(2); return true;
    case kTuple3: push_tuple(3); return true;
    case kTuple: push(new_container(Kind::Tuple, pop_to_mark())); return true;
    case kAppend: {
      const PickleValue item = pop();
      containers_[top(Kind::List, "something is appended to what is no list").payload].push_back(item);
      return true;
    }
    case kAppends:
    case kSetItems: {
      const Items more = pop_to_mark();
      if (code == kSetItems && more.size() % 2 != 0) damaged("a key without a value");
      Items& all = containers_[top(code == kAppends ? Kind::List : Kind::Dict, "items are added to something that has none").payload];
      all.insert(all.end(), more.begin(), more.end());
      return true;
    }
    case kSetItem: {
      const PickleValue value = pop(), key = pop();
      Items& all = containers_[top(Kind::Dict, "an item is set in what is no dict").payload];
      all.push_back(key);
      all.push_back(value);
      return true;
    }
    default: return false;
  }
}

bool Unpickler::step_memo(unsigned char code) {
  switch (code) {
    case kBinPut: remember(number<uint8_t>()); return true;
    case kLongBinPut: remember(number<uint32_t>()); return true;
    case kMemoize: remember(memo_.size()); return true;
    case kBinGet: recall(number<uint8_t>()); return true;
    case kLongBinGet: recall(number<uint32_t>()); return true;
    default: return false;
  }
}

std::string_view Unpickler::take(uint64_t count) {
  if (count > bytes_.size() - at_) damaged("it is cut short");
  const std::string_view taken = std::string_view(bytes_).substr(at_, static_cast<size_t>(count));
  at_ += taken.size();
  return taken;
}

template <class T>
T Unpickler::number() {
  T value;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

std::string_view Unpickler::line() {
  const size_t end = bytes_.find('\n', at_);
  if (end == bytes_.npos) damaged("a name does not end");
  const std::string_view taken = take(end - at_);
  ++at_;
  return taken;
}

/// Two's complement in as few bytes as it takes.
void Unpickler::push_integer(size_t count) {
  const std::string_view digits = take(count);
  uint64_t value = 0;
  std::memcpy(&value, digits.data(), std::min(count, sizeof value));
  if (count < sizeof value) {
    const bool negative = count > 0 && (static_cast<unsigned char>(digits.back()) & 0x80U) != 0;
    if (negative) value |= ~uint64_t{0} << 8 * count;
    return push({Kind::Integer, 0, value});
  }
  const bool is_unsigned = count == sizeof value + 1 && digits.back() == 0;
  file_.check(count == sizeof value || is_unsigned, "the pickle has an integer of {} bytes; those of 64 bits are read", count);
  push({is_unsigned ? Kind::Unsigned : Kind::Integer, 0, value});
}

void Unpickler::push_text(uint64_t length) {
  const size_t begin = at_;
  take(length);
  if (length > UINT32_MAX) damaged("a text is longer than 4 GiB");
  push({Kind::Text, static_cast<uint32_t>(length), begin});
}

void Unpickler::count_values(size_t more) {
  file_.check(more <= most_values_ - pushed_,
              "the pickle has more than {} values; save the tensors alone: torch.save(model.state_dict(), path)", most_values_);
  pushed_ += more;
}

void Unpickler::push(PickleValue v) {
  count_values(1);
  stack_.push_back(v);
}

PickleValue Unpickler::pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("a value is missing");
  const PickleValue v = stack_.back();
  stack_.pop_back();
  return v;
}

PickleValue Unpickler::pop(Kind kind, const char* what) {
  const PickleValue v = pop();
  if (!v.is(kind)) damaged(what);
  return v;
}

Unpickler::Items Unpickler::pop_to_mark() {
  if (marks_.empty()) damaged("a mark is missing");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  Items values(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return values;
}

void Unpickler::push_tuple(size_t count) {
  Items values(count);
  for (size_t i = count; i-- > 0;) values[i] = pop();
  push(new_container(Kind::Tuple, std::move(values)));
}

PickleValue& Unpickler::top(Kind kind, const char* what) {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()) || !stack_.back().is(kind)) damaged(what);
  return stack_.back();
}

/// All writers number from 0, one by one.
void Unpickler::remember(uint64_t index) {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("a value is missing");
  if (index > memo_.size()) damaged("a value is remembered out of turn");
  if (index < memo_.size()) {
    memo_[static_cast<size_t>(index)] = stack_.back();
    return;
  }
  file_.check(memo_.size() < most_values_, "the pickle has more than {} values", most_values_);
  memo_.push_back(stack_.back());
}

void Unpickler::recall(uint64_t index) {
  if (index >= memo_.size()) damaged("a value is recalled that was not remembered");
  push(memo_[static_cast<size_t>(index)]);
}

PickleValue Unpickler::new_container(Kind kind, Items values) {
  file_.check(containers_.size() < most_containers_,
              "the pickle has more than {} lists, tuples and dicts; save the tensors alone: torch.save(model.state_dict(), path)",
              most_containers_);
  containers_.push_back(std::move(values));
  return {kind, 0, containers_.size() - 1};
}

}  // namespace gradus::io
