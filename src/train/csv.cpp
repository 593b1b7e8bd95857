#include "train/csv.h"

#include <algorithm>

namespace gradus::train {

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) line += (i ? "," : "") + csv_field(fields[i]);
  return line + "\n";
}

bool CsvReader::next(std::vector<std::string>& fields) {
  fields.assign(1, "");
  bool is_quoted = false;
  size_t at = place_;
  for (; at < text_.size(); ++at) {
    const char c = text_[at];
    if (c == '"') {
      const bool is_doubled = is_quoted && at + 1 < text_.size() && text_[at + 1] == '"';
      if (is_doubled) fields.back() += text_[++at];
      else is_quoted = !is_quoted;
    } else if (is_quoted || (c != ',' && c != '\n')) {
      fields.back() += c;
    } else if (c == ',') {
      fields.emplace_back();
    } else {
      break;
    }
  }
  if (at == text_.size()) return false;
  if (fields.back().ends_with('\r')) fields.back().pop_back();
  line_ += static_cast<size_t>(
      std::count(text_.begin() + static_cast<std::ptrdiff_t>(place_), text_.begin() + static_cast<std::ptrdiff_t>(at + 1), '\n'));
  place_ = at + 1;
  return true;
}

}  // namespace gradus::train
