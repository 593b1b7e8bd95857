#include <algorithm>
#include <string>
#include <vector>

#include "gradus/text.h"
#include "memory_file.h"

namespace {

using namespace gradus;

std::vector<text::Pair> read(const std::string& path, int64_t limit, std::string& complaint) {
  try {
    return text::read_pairs(path, limit);
  } catch (const IoError& error) {
    complaint = error.what();
    return {};
  }
}

std::vector<text::Pair> parse(std::string_view bytes, const std::string& name, int64_t limit, std::string& complaint) {
  try {
    return text::parse_pairs(bytes, name, limit);
  } catch (const IoError& error) {
    complaint = error.what();
    return {};
  }
}

bool is_sentence(const std::string& text) {
  return !text.empty() && text::is_valid_utf8(text) && text.find_first_of(std::string_view("\t\n\r\0", 4)) == std::string::npos;
}

}  // namespace

/// The first byte limits the pairs, the others are text. It is the same text from a file and from memory; what is a pair keeps the rules.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const int64_t limit = bytes[0] % 2 == 0 ? -1 : bytes[0] / 2;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  static fuzz::MemoryFile file;
  file.hold(text.data(), text.size());

  std::string of_file, of_text;
  const std::vector<text::Pair> read_pairs = read(file.path(), limit, of_file);
  const std::vector<text::Pair> parsed_pairs = parse(text, file.path(), limit, of_text);
  fuzz::expect(of_file.substr(of_file.find(file.path()) + 1) == of_text.substr(of_text.find(file.path()) + 1),
               "a file and its text have other errors");
  fuzz::expect(read_pairs.size() == parsed_pairs.size(), "a file and its text have other numbers of pairs");
  for (size_t i = 0; i < read_pairs.size(); ++i) {
    const text::Pair &a = read_pairs[i], &b = parsed_pairs[i];
    fuzz::expect(a.source == b.source && a.target == b.target && a.more == b.more, "a file and its text have other pairs");
    fuzz::expect(is_sentence(a.source) && is_sentence(a.target) && std::ranges::all_of(a.more, is_sentence), "a pair breaks the rules");
  }
  return 0;
}
