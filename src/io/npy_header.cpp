#include "io/npy_header.h"

#include <charconv>
#include <cstring>
#include <optional>
#include <system_error>

#include "core/quoted.h"

namespace gradus::io {
namespace {

constexpr uint64_t kMostNpyHeaderBytes = 1 << 20;
constexpr size_t kAlignment = 64;

/// Why elements of that kind, NumPy's letter, are not read, and what to do.
std::string remedy(char kind) {
  switch (kind) {
    case 'O': return "Python objects, which cannot be read without running code; save numbers: x.astype(numpy.float32)";
    case 'c': return "complex numbers; save x.real and x.imag";
    case 'U':
    case 'S':
    case 'a': return "texts; save numbers that stand for them";
    case 'M':
    case 'm': return "dates or times; save x.astype(numpy.int64)";
    case 'V': return "structures or raw bytes; save each field by itself, as numbers";
    case 'f': return "floating-point numbers of that size, which have no counterpart here; save x.astype(numpy.float64)";
    default: return "elements that have no counterpart here; save x.astype(numpy.float32)";
  }
}

/// The header's text is a Python dict of three entries: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(const InputFile& file, const std::string& what, std::string_view text) : file_(file), what_(what), text_(text) {}

  NpyHeader parse() {
    NpyHeader header;
    std::optional<std::string_view> descr;
    bool has_order = false, has_shape = false;
    expect('{', "dict");
    while (!take('}')) {
      const std::string_view key = text("a key");
      expect(':', "colon after a key");
      if (key == "descr" && !descr) descr = parse_descr();
      else if (key == "fortran_order" && !has_order) header.fortran_order = parse_boolean(), has_order = true;
      else if (key == "shape" && !has_shape) header.shape = parse_shape(), has_shape = true;
      else bad(fmt::format("an unknown or repeated entry {}", gradus::quoted(key)));
      if (take('}')) break;
      expect(',', "comma after an entry");
    }
    skip_spaces();
    if (at_ != text_.size()) bad("something after the dict");
    if (!descr || !has_order || !has_shape)
      file_.fail("{}the header lacks '{}'", what_, !descr ? "descr" : !has_order ? "fortran_order" : "shape");
    header.format = &format_of(*descr);
    return header;
  }

 private:
  [[noreturn]] void bad(const std::string& found) const {
    file_.fail("{}the header has {} near its character {}: {}", what_, found, at_, gradus::quoted(text_.substr(at_, 30)));
  }

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void expect(char c, const char* what) {
    if (!take(c)) bad(fmt::format("no {}", what));
  }

  std::string_view text(const char* what) {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') bad(fmt::format("no text as {}", what));
    const size_t begin = at_ + 1, end = text_.find(quote, begin);
    const std::string_view inside = end == text_.npos ? std::string_view() : text_.substr(begin, end - begin);
    if (end == text_.npos || inside.find('\\') != inside.npos) bad("a text that does not end, or has a backslash");
    at_ = end + 1;
    return inside;
  }

  std::string_view parse_descr() {
    if (take('[') || take('(')) file_.fail("{}holds {}", what_, remedy('V'));
    return text("the element type");
  }

  bool parse_boolean() {
    if (take("True")) return true;
    if (!take("False")) bad("neither True nor False");
    return false;
  }

  Shape parse_shape() {
    Shape shape;
    expect('(', "tuple of sizes");
    while (!take(')')) {
      skip_spaces();
      int64_t size = 0;
      const char* const begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) bad("no size");
      at_ += static_cast<size_t>(end - begin);
      take('L');  // Python 2 wrote long integers so
      file_.check(shape.size() < Shape::max_rank, "{}has more than {} dimensions; save it reshaped", what_, Shape::max_rank);
      shape.push_back(size);
      if (take(')')) {
        if (shape.size() == 1) bad("no tuple but a number between brackets");
        break;
      }
      expect(',', "comma after a size");
    }
    return shape;
  }

  const ElementFormat& format_of(std::string_view descr) const {
    const bool has_order = !descr.empty() && (descr[0] == '<' || descr[0] == '>' || descr[0] == '|' || descr[0] == '=');
    const std::string_view name = has_order ? descr.substr(1) : descr;
    const ElementFormat* const format = find_element_format(&ElementFormat::npy, name);
    if (!format) file_.fail("{}the elements are {}: {}", what_, gradus::quoted(descr), remedy(name.empty() ? '\0' : name[0]));
    const bool needs_order = format->bytes > 1;
    if (needs_order && descr[0] == '>')
      file_.fail("{}the elements are {}, big-endian; save x.astype('<{}')", what_, gradus::quoted(descr), name);
    if (needs_order && descr[0] != '<')
      file_.fail("{}the elements are {}, which does not say that they are little-endian", what_, gradus::quoted(descr));
    return *format;
  }

  const InputFile& file_;
  const std::string& what_;
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

NpyHeader read_npy_header(const InputFile& file, const std::string& what, uint64_t total, ReadBytes read) {
  constexpr size_t versioned = kNpyMagicBytes + 2;
  char start[versioned];
  file.check(total >= versioned, "{}has {} bytes, too few for an .npy file", what, total);
  read(start, versioned);
  file.check(kNpyMagic == std::string_view(start, kNpyMagicBytes), "{}does not begin as an .npy file does", what);
  const int version = start[6];
  file.check(version >= 1 && version <= 3 && start[7] == 0, "{}is of version {}.{}; versions 1.0, 2.0 and 3.0 are read", what, version,
             static_cast<int>(start[7]));
  const size_t length_bytes = version == 1 ? 2 : 4;
  uint32_t length = 0;
  file.check(total >= versioned + length_bytes, "{}is cut short", what);
  read(&length, length_bytes);
  const uint64_t rest = total - versioned - length_bytes;
  file.check(length <= rest, "{}claims a header of {} bytes, but only {} follow; it is cut short", what, length, rest);
  file.check(length <= kMostNpyHeaderBytes, "{}has a header of {} bytes, more than the {} that the description of numbers takes", what,
             length, kMostNpyHeaderBytes);
  std::string text(length, '\0');
  read(text.data(), length);

  NpyHeader header = HeaderParser(file, what, text).parse();
  const std::optional<uint64_t> needed = dense_bytes(header.shape, header.format->bytes);
  file.check(
      needed == rest - length, "{}has {} bytes of elements, and the shape {} of {} needs {}; it is {}", what, rest - length, header.shape,
      header.format->npy, needed ? fmt::to_string(*needed) : "more than 64 bits count",
      needed && *needed < rest - length ? "damaged, or several arrays were saved in it one after the other" : "cut short or damaged");
  header.bytes = rest - length;
  return header;
}

std::string make_npy_header(DType dtype, const Shape& shape) {
  const ElementFormat& format = element_format_of(dtype);
  std::string sizes;
  for (int64_t size : shape) sizes += fmt::format("{}, ", size);
  if (shape.size() > 1) sizes.resize(sizes.size() - 2);
  else if (shape.size() == 1) sizes.pop_back();
  std::string text =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}", format.bytes == 1 ? '|' : '<', format.npy, sizes);

  std::string header(kNpyMagic);
  header += '\x01';
  header += '\0';
  constexpr size_t length_bytes = 2;
  const size_t before = header.size() + length_bytes;
  const size_t whole = (before + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  text.resize(whole - before - 1, ' ');
  text += '\n';
  const auto length = static_cast<uint16_t>(text.size());
  header.append(reinterpret_cast<const char*>(&length), length_bytes);
  return header + text;
}

}  // namespace gradus::io
