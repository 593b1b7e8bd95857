#include "gradus/train/csv_log.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "core/quoted.h"
#include "train/append_file.h"
#include "train/csv.h"

namespace gradus::train {
namespace {

constexpr const char* kCsvLog = "CsvLog";

std::vector<std::string> header_of(const std::vector<std::string>& columns) {
  std::vector<std::string> header{"step"};
  header.insert(header.end(), columns.begin(), columns.end());
  return header;
}

std::string content_of(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return "";
  const InputFile file(kCsvLog, path);
  std::string content(file.size(), '\0');
  file.read_at(0, content.data(), content.size());
  return content;
}

/// Where the lines end whose step is at most `resumed`, and the last of these steps.
struct Kept {
  size_t bytes = 0;
  std::optional<int64_t> last_step = {};
};

Kept kept_of(const std::string& path, const std::string& content, const std::vector<std::string>& header, int64_t resumed) {
  CsvReader reader(content);
  std::vector<std::string> fields;
  if (!reader.next(fields)) {
    // What was killed in its first line may have left the beginning of a header.
    check<IoError>(csv_line(header).starts_with(content), "{}: {}: has no line that ends, and does not begin as the header: {}", kCsvLog,
                   path, csv_line(header));
    return {};
  }
  check<IoError>(fields == header, "{}: {}: line 1: the columns are {}, not {}; give another file", kCsvLog, path,
                 printable(fmt::format("{}", fmt::join(fields, ",")), 200), fmt::join(header, ","));
  Kept kept{.bytes = reader.place()};
  for (size_t line = reader.line(); reader.next(fields); line = reader.line()) {
    check<IoError>(fields.size() == header.size(), "{}: {}: line {}: there are {} fields, not {}", kCsvLog, path, line, fields.size(),
                   header.size());
    int64_t step = 0;
    const char* const end = fields[0].data() + fields[0].size();
    const auto read = std::from_chars(fields[0].data(), end, step);
    check<IoError>(read.ec == std::errc() && read.ptr == end, "{}: {}: line {}: the step {} is no whole number", kCsvLog, path, line,
                   gradus::quoted(fields[0]));
    check<IoError>(!kept.last_step || step >= *kept.last_step, "{}: {}: line {}: step {} follows step {}; steps must not fall", kCsvLog,
                   path, line, step, kept.last_step.value_or(0));
    if (step > resumed) break;
    kept = {.bytes = reader.place(), .last_step = step};
  }
  return kept;
}

std::string text_of(const io::StateValue& value) {
  if (value.is<std::string>()) return value.get<std::string>();
  if (value.is<bool>()) return value.get<bool>() ? "1" : "0";
  if (value.is<int64_t>()) return fmt::format("{}", value.get<int64_t>());
  if (value.is<double>()) return fmt::format("{}", value.get<double>());
  const auto x = value.get<Tensor>();
  if (!is_floating_point(x.dtype())) return fmt::format("{}", x.item<int64_t>());
  return x.dtype() == DType::Float32 ? fmt::format("{}", x.item<float>()) : fmt::format("{}", x.item());
}

}  // namespace

CsvLog::CsvLog(const std::string& path, std::vector<std::string> columns, std::optional<int64_t> resumed_step)
    : columns_(std::move(columns)) {
  check<ValueError>(!columns_.empty(), "{}: {}: no columns; name at least one beside the step", kCsvLog, path);
  const std::vector<std::string> header = header_of(columns_);
  for (size_t i = 1; i < header.size(); ++i) {
    check<ValueError>(!header[i].empty(), "{}: {}: column {} has no name", kCsvLog, path, i);
    check<ValueError>(std::find(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(i), header[i]) - header.begin() ==
                          static_cast<std::ptrdiff_t>(i),
                      "{}: {}: two columns are called \"{}\"; the first one is \"step\"", kCsvLog, path, header[i]);
  }
  Kept kept;
  if (resumed_step) kept = kept_of(path, content_of(path), header, *resumed_step);
  file_ = std::make_unique<AppendFile>(kCsvLog, path);
  file_->cut(kept.bytes);
  if (kept.bytes == 0) file_->write(csv_line(header));
  last_step_ = kept.last_step;
}

CsvLog::~CsvLog() = default;

void CsvLog::write(int64_t step, const std::vector<io::StateValue>& values) {
  check<ValueError>(values.size() == columns_.size(), "{}: {}: {} values for the columns {}", kCsvLog, file_->path(), values.size(),
                    fmt::join(columns_, ", "));
  check<ValueError>(!last_step_ || step >= *last_step_, "{}: {}: step {} after step {}; steps must not fall", kCsvLog, file_->path(), step,
                    last_step_.value_or(0));
  std::vector<std::string> fields{fmt::format("{}", step)};
  for (const io::StateValue& value : values) fields.push_back(text_of(value));
  file_->write(csv_line(fields));
  last_step_ = step;
}

}  // namespace gradus::train
