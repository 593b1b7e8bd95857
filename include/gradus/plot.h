#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/export.h"
#include "gradus/tensor.h"

/// Pictures of a training: curves, points, histograms and matrices, as SVG and PNG files and as text. gnuplot draws them: it is looked for
/// in PATH when a picture is made, and only then (Debian, Ubuntu: gnuplot-nox).
namespace gradus::plot {

/// The numbers of a picture: a tensor of one dimension, or a vector. They are copied. What is not finite leaves a gap.
class GRADUS_API Numbers {
 public:
  /// Throws ShapeError unless x has one dimension.
  Numbers(const Tensor& x);
  template <class T>
  requires std::is_arithmetic_v<T> Numbers(const std::vector<T>& x) : values_(x.begin(), x.end()) {}

  const std::vector<double>& values() const noexcept { return values_; }

 private:
  std::vector<double> values_;
};

/// The two ends of an axis or of a scale of colours.
struct Range {
  double low = 0;
  double high = 1;
};

/// What surrounds the data. An axis without a range takes in all data.
struct FigureOptions {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  int64_t width = 640;   ///< of the file, in pixels
  int64_t height = 420;  ///< likewise
  bool log_x = false;    ///< logarithmic; numbers that are not positive are left out
  bool log_y = false;
  std::optional<Range> x_range = {};
  std::optional<Range> y_range = {};
};

/// How points are shown.
struct ScatterOptions {
  std::string label = {};               ///< their name in the key
  std::vector<std::string> texts = {};  ///< what stands beside each point
};

/// How numbers are counted.
struct HistogramOptions {
  int64_t bins = 20;  ///< of equal width, from the smallest to the largest number, which belongs to the last one, as numpy.histogram has it
  std::string label = {};
};

/// How a matrix is shown.
struct HeatMapOptions {
  std::vector<std::string> row_labels = {};     ///< from the top
  std::vector<std::string> column_labels = {};  ///< from the left
  std::optional<Range> range = {};  ///< the numbers of the darkest and the brightest colour; absent: the smallest and the largest
};

/// A picture. Each call adds to it, so that calls can be chained:
///
///     plot::Figure({.title = "Training", .x_label = "epoch", .y_label = "loss"})
///         .line(train_losses, "train")
///         .line(valid_losses, "valid")
///         .save("loss.svg");
///
/// Curves, points and histograms share the axes of one figure; a heat map has a figure to itself. Control characters in texts become
/// spaces. Copies are independent.
class GRADUS_API Figure {
 public:
  /// Throws ValueError where a size is not from 64 to 16384, a range is not finite and rising, one of a logarithmic axis not positive, and
  /// on texts that are not UTF-8.
  explicit Figure(FigureOptions options = {});

  /// y over x, point joined to point. Throws ShapeError when their lengths differ.
  Figure& line(const Numbers& x, const Numbers& y, const std::string& label = "");
  /// y over 1, 2, 3, …
  Figure& line(const Numbers& y, const std::string& label = "");
  /// Points. Throws ShapeError when lengths differ, those of the texts among them.
  Figure& scatter(const Numbers& x, const Numbers& y, const ScatterOptions& options = {});
  /// How many of the finite numbers lie in each bin. Throws ValueError unless there are 1 to 100 000 bins.
  Figure& histogram(const Numbers& values, const HistogramOptions& options = {});
  /// A matrix (R, C) as colours, row 0 on top; what is not finite has none. Throws ShapeError on another rank, on no elements, and on
  /// labels of another number.
  Figure& heat_map(const Tensor& matrix, const HeatMapOptions& options = {});

  /// Writes the picture; the name's end says how, `.svg` or `.png`. An SVG file is dark where the page around it is dark. The file is there
  /// as a whole or, when this throws, as it was before. Throws ValueError on another end and on an empty figure, IoError without gnuplot
  /// and where the file cannot be written.
  void save(const std::string& path) const;
  /// The SVG file's text.
  std::string svg() const;
  /// The picture in characters, for a terminal: lines of at most `columns` columns. A heat map is drawn in shades, two columns an element,
  /// without gnuplot, and is as large as it is. Throws ValueError unless columns are from 20 to 1000 and rows from 8 to 1000.
  std::string text(int64_t columns = 79, int64_t rows = 24) const;

 private:
  friend class Drawing;
  enum class Kind { Line, Points, Boxes, Matrix };
  /// What one call added. The rows of a matrix stand in y, one after the other.
  struct Layer {
    Kind kind;
    std::vector<double> x = {}, y = {};
    std::string label = {};
    std::vector<std::string> texts = {}, column_texts = {};
    std::optional<Range> range = {};
  };

  Figure& add(const char* op, Layer layer);

  FigureOptions options_;
  std::vector<Layer> layers_;
};

/// Several pictures in one file, `columns` a row: the heads of an attention, say. All get the size of the widest and the highest of them.
/// Throws as Figure::save does, and ValueError without figures and on columns below 1.
GRADUS_API void save(const std::string& path, const std::vector<Figure>& figures, int64_t columns = 2);

}  // namespace gradus::plot
