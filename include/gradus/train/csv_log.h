#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gradus/export.h"
#include "gradus/io/checkpoint.h"

namespace gradus::train {

class AppendFile;

/// A table of figures in a CSV file (RFC 4180, lines that end in "\n"), to be read by spreadsheets, pandas and others: a first line with
/// `step` and the columns' names, then one line a step.
///
///     train::CsvLog log("run/log.csv", {"loss", "lr"}, resumed_step);
///     log.write(step, {loss.compute(), scheduler.get_last_lr()[0]});
///
/// Each line is written at once, so that a training that is killed leaves all but perhaps a part of the last. Numbers are written with as
/// few digits as bring them back to the bit.
class GRADUS_API CsvLog {
 public:
  /// Without `resumed_step` a new file takes the place of one that is there. With it, lines are appended: what the file has beyond that
  /// step, and a last line that was not finished, is cut off first, since the training that goes on from there makes it anew. A file that
  /// is not there, or empty, is begun.
  /// Throws ValueError without columns, on a name that is empty, `step` or there twice; IoError, naming the file and the line, where it
  /// cannot be written, has other columns, a line with another number of fields, or steps that are no whole numbers or fall. Then the file
  /// is as it was.
  CsvLog(const std::string& path, std::vector<std::string> columns, std::optional<int64_t> resumed_step = {});
  ~CsvLog();
  CsvLog(const CsvLog&) = delete;
  CsvLog& operator=(const CsvLog&) = delete;

  /// Appends a line: a number, true or false (as 1 and 0), a text, or a tensor of one element for each column. Throws ValueError on another
  /// number of values, and on a step below the one before; ShapeError on a tensor of more elements; IoError when it cannot be written.
  void write(int64_t step, const std::vector<io::StateValue>& values);

 private:
  std::unique_ptr<AppendFile> file_;
  std::vector<std::string> columns_;
  std::optional<int64_t> last_step_ = {};
};

}  // namespace gradus::train
