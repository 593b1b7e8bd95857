#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "core/check.h"
#include "gradus/text/pairs.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

constexpr const char* kForm = "a line is source, a tab, target";
constexpr size_t kMostLineBytes = size_t{1} << 20;

/// Whether nothing is left of it once tokenized.
bool is_blank(std::string_view sentence) {
  constexpr std::string_view spaces[] = {" ", "\u00A0", "\u202F"};
  while (!sentence.empty()) {
    const auto* space = std::find_if(std::begin(spaces), std::end(spaces), [&](std::string_view s) { return sentence.starts_with(s); });
    if (space == std::end(spaces)) return false;
    sentence.remove_prefix(space->size());
  }
  return true;
}

/// Takes what stands before the next tab away from a line, with the tab.
std::string_view take_column(std::string_view& line) {
  const std::string_view column = line.substr(0, line.find('\t'));
  line.remove_prefix(std::min(column.size() + 1, line.size()));
  return column;
}

/// Takes the pairs out of lines that come one after another.
class PairParser {
 public:
  PairParser(const char* op, const std::string& name, int64_t limit) : name_(name), limit_(limit) {
    check<ValueError>(limit >= -1, "{}: limit {} is negative; -1 stands for all pairs", op, limit);
  }

  bool full() const { return limit_ >= 0 && static_cast<int64_t>(pairs_.size()) >= limit_; }

  /// A line without its line feed.
  void add_line(std::string_view line) {
    check_length(line);
    ++number_;
    if (number_ == 1 && line.starts_with("\uFEFF")) line.remove_prefix(3);
    if (line.ends_with('\r')) line.remove_suffix(1);
    check_characters(line);
    if (is_blank(line)) return;
    check<IoError>(line.find('\t') != line.npos, "{}:{}: has no tab; {}", name_, number_, kForm);
    const std::string_view source = take_column(line), target = take_column(line);
    check<IoError>(!is_blank(source), "{}:{}: has nothing before the tab; {}", name_, number_, kForm);
    check<IoError>(!is_blank(target), "{}:{}: has nothing behind the tab; {}", name_, number_, kForm);
    Pair& pair = pairs_.emplace_back(Pair{std::string(source), std::string(target)});
    while (!line.empty())
      if (const std::string_view column = take_column(line); !is_blank(column)) pair.more.emplace_back(column);
  }

  /// Throws when the next line, of which this is the beginning or all, is too long.
  void check_length(std::string_view line) const {
    check<IoError>(line.size() <= kMostLineBytes, "{}:{}: is longer than {} bytes; {}, and ends with LF or CR LF", name_, number_ + 1,
                   kMostLineBytes, kForm);
  }

  std::vector<Pair> take() { return std::move(pairs_); }

 private:
  void check_characters(std::string_view line) const {
    const size_t nul = line.find('\0'), carriage_return = line.find('\r'), valid = valid_utf8_bytes(line);
    check<IoError>(nul == line.npos, "{}:{}: has a NUL byte, byte {} of the line; {}, in UTF-8 text", name_, number_, nul + 1, kForm);
    check<IoError>(valid == line.size(), "{}:{}: is not valid UTF-8 from byte {} of the line on; {}, in UTF-8 text", name_, number_,
                   valid + 1, kForm);
    check<IoError>(carriage_return == line.npos, "{}:{}: has a carriage return inside; {}, and ends with LF or CR LF", name_, number_,
                   kForm);
  }

  std::string name_;
  int64_t limit_;
  int64_t number_ = 0;
  std::vector<Pair> pairs_;
};

/// A file, pipe or device that is read from its beginning.
class Source {
 public:
  explicit Source(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    check<IoError>(fd_ >= 0, "read_pairs: {}: cannot be opened: {}", path, std::strerror(errno));
  }
  ~Source() { ::close(fd_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// The next bytes, as many as there are now; none at the end.
  std::string_view read() {
    ssize_t bytes = 0;
    do bytes = ::read(fd_, buffer_.data(), buffer_.size());
    while (bytes < 0 && errno == EINTR);
    check<IoError>(bytes >= 0, "read_pairs: {}: cannot be read: {}", path_, std::strerror(errno));
    return {buffer_.data(), static_cast<size_t>(bytes)};
  }

 private:
  const std::string& path_;
  int fd_;
  std::vector<char> buffer_ = std::vector<char>(1 << 16);
};

}  // namespace

std::vector<Pair> parse_pairs(std::string_view text, const std::string& name, int64_t limit) {
  PairParser parser("parse_pairs", name, limit);
  while (!text.empty() && !parser.full()) {
    const size_t end = std::min(text.find('\n'), text.size());
    parser.add_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.take();
}

std::vector<Pair> read_pairs(const std::string& path, int64_t limit) {
  PairParser parser("read_pairs", path, limit);
  Source source(path);
  std::string line;  // what has been read of the next one
  while (!parser.full()) {
    std::string_view text = source.read();
    if (text.empty()) {
      if (!line.empty()) parser.add_line(line);
      break;
    }
    for (size_t end = text.find('\n'); end != text.npos && !parser.full(); end = text.find('\n')) {
      parser.add_line(line.append(text.substr(0, end)));
      line.clear();
      text.remove_prefix(end + 1);
    }
    if (!parser.full()) parser.check_length(line.append(text));
  }
  return parser.take();
}

}  // namespace gradus::text
