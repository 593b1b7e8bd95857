#include "inspect/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "core/quoted.h"

namespace gradus::inspect {
namespace {

constexpr size_t kColumns = 7;
using Row = std::array<std::string, kColumns>;
constexpr size_t kTextColumns = 3;  // they stand at the left, numbers at the right

std::string short_text(const Number& number) {
  if (const auto* exact = std::get_if<int64_t>(&number)) return fmt::to_string(*exact);
  return fmt::format("{:.5g}", std::get<double>(number));
}

nlohmann::ordered_json json_number(const Number& number) {
  if (const auto* exact = std::get_if<int64_t>(&number)) return *exact;
  const double value = std::get<double>(number);
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return value;
}

/// Bytes that are no UTF-8 are replaced: names in a zip archive need not be any.
std::string dumped(const nlohmann::ordered_json& json) { return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace); }

/// How many characters a terminal shows: all bytes of UTF-8 but those that continue one.
size_t width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string counted(uint64_t count, const char* what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

std::string size_text(uint64_t bytes) {
  constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return counted(bytes, "byte");
  double size = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(units); ++unit) size /= 1024;
  return fmt::format("{:.1f} {}", size, units[unit]);
}

Row row_of(const Report& report, size_t i) {
  constexpr size_t most_of_name = 200;
  const auto& [name, x] = report.contents.file.tensors[i];
  const Statistics& s = report.statistics[i];
  Row row{printable(name, most_of_name), report.contents.formats[i]->pytorch, x.shape().str(), "-", "-", "-", fmt::to_string(s.nans)};
  if (s.has_numbers()) {
    row[3] = short_text(s.min);
    row[4] = short_text(s.max);
    row[5] = short_text(s.mean);
  }
  return row;
}

std::string table_of(const std::vector<Row>& rows) {
  std::array<size_t, kColumns> widths{};
  for (const Row& row : rows)
    for (size_t c = 0; c < kColumns; ++c) widths[c] = std::max(widths[c], width(row[c]));
  std::string table;
  for (const Row& row : rows) {
    for (size_t c = 0; c < kColumns; ++c) {
      const std::string space(widths[c] - width(row[c]), ' ');
      table += "  ";
      table += c < kTextColumns ? row[c] + space : space + row[c];
    }
    table += '\n';
  }
  return table;
}

}  // namespace

Report read_report(const std::string& path) {
  Report report{.path = path, .contents = io::read_any("gradus-inspect", path)};
  std::error_code error;
  report.bytes = std::filesystem::file_size(path, error);
  for (const auto& [name, x] : report.contents.file.tensors) report.statistics.push_back(statistics_of(x));
  return report;
}

std::string as_text(const Report& report) {
  constexpr size_t most_of_path = 4096, most_of_value = 100;
  const io::Contents& contents = report.contents;
  uint64_t elements = 0;
  for (const Statistics& s : report.statistics) elements += static_cast<uint64_t>(s.elements);
  std::string text = fmt::format("{}: {}, {} of {}, {}, {}\n", printable(report.path, most_of_path), contents.kind,
                                 counted(report.statistics.size(), "tensor"), counted(elements, "element"), size_text(report.bytes),
                                 contents.checksum ? fmt::format("{} is right", contents.checksum) : "no checksum");
  if (!report.statistics.empty()) {
    std::vector<Row> rows{{"name", "dtype", "shape", "min", "max", "mean", "NaN"}};
    for (size_t i = 0; i < report.statistics.size(); ++i) rows.push_back(row_of(report, i));
    text += table_of(rows);
  }
  size_t longest = 0;
  for (const auto& [name, value] : contents.file.metadata) longest = std::max(longest, width(printable(name, most_of_value)));
  if (longest > 0) text += "  metadata\n";
  for (const auto& [name, value] : contents.file.metadata) {
    const std::string shown = printable(name, most_of_value);
    text += fmt::format("    {}{}  {}\n", shown, std::string(longest - width(shown), ' '), printable(value, most_of_value));
  }
  return text;
}

std::string as_json(const Report& report) {
  const io::Contents& contents = report.contents;
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (size_t i = 0; i < report.statistics.size(); ++i) {
    const auto& [name, x] = contents.file.tensors[i];
    const Statistics& s = report.statistics[i];
    nlohmann::ordered_json tensor{{"name", name},
                                  {"dtype", contents.formats[i]->pytorch},
                                  {"shape", std::vector<int64_t>(x.shape().begin(), x.shape().end())},
                                  {"min", nullptr},
                                  {"max", nullptr},
                                  {"mean", nullptr},
                                  {"nan", s.nans}};
    if (s.has_numbers()) {
      tensor["min"] = json_number(s.min);
      tensor["max"] = json_number(s.max);
      tensor["mean"] = json_number(s.mean);
    }
    tensors.push_back(std::move(tensor));
  }
  nlohmann::ordered_json json{{"file", report.path}, {"kind", contents.kind}, {"bytes", report.bytes}, {"checksum", nullptr}};
  if (contents.checksum) json["checksum"] = contents.checksum;
  json["metadata"] = contents.file.metadata;
  json["tensors"] = std::move(tensors);
  return dumped(json);
}

std::string as_json(const std::string& path, const std::string& error) { return dumped({{"file", path}, {"error", error}}); }

}  // namespace gradus::inspect
