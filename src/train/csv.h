#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::train {

/// A field as it stands in a CSV file (RFC 4180): between quotes where it has a comma, a quote or the end of a line.
std::string csv_field(std::string_view text);
/// A line, with its end.
std::string csv_line(const std::vector<std::string>& fields);

/// Reads a CSV file line by line.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {}

  /// Reads the next line; false, and stays where it is, when there is none or it has no end.
  bool next(std::vector<std::string>& fields);
  /// Where the line begins that `next` would read, in bytes.
  size_t place() const noexcept { return place_; }
  /// The number of that line, from 1; a text over several lines counts as so many.
  size_t line() const noexcept { return line_; }

 private:
  std::string_view text_;
  size_t place_ = 0, line_ = 1;
};

}  // namespace gradus::train
