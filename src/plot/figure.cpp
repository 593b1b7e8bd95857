#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "gradus/dtype.h"
#include "gradus/plot.h"
#include "gradus/text/utf8.h"
#include "plot/bins.h"
#include "plot/drawing.h"
#include "plot/gnuplot.h"

namespace gradus::plot {
namespace {

/// The text as one line that an XML file can hold.
std::string one_line(const char* op, std::string text) {
  check<ValueError>(text::is_valid_utf8(text), "{}: a text of the picture is not valid UTF-8", op);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) c = ' ';
  return text;
}

std::vector<double> numbers_of(const Tensor& x) { return x.detach().to(DType::Float64).to_vector<double>(); }

void check_range(const char* what, const std::optional<Range>& range, bool logarithmic) {
  if (!range) return;
  check<ValueError>(std::isfinite(range->low) && std::isfinite(range->high) && range->low < range->high,
                    "plot::Figure: {} is {} to {}; it must be finite and rise", what, range->low, range->high);
  check<ValueError>(!logarithmic || range->low > 0, "plot::Figure: {} begins at {}; that of a logarithmic axis must be positive", what,
                    range->low);
}

void check_size(const char* what, int64_t size) {
  check<ValueError>(size >= 64 && size <= 16384, "plot::Figure: {} is {}; it must be from 64 to 16384 pixels", what, size);
}

void check_lengths(const char* op, const Numbers& x, const Numbers& y) {
  check<ShapeError>(x.values().size() == y.values().size(), "{}: x has {} numbers and y has {}; they must be as many", op,
                    x.values().size(), y.values().size());
}

Format format_of(const char* op, const std::string& path) {
  if (path.ends_with(".svg")) return Format::Svg;
  check<ValueError>(path.ends_with(".png"), "{}: {}: a picture's name must end in .svg or .png", op, path);
  return Format::Png;
}

void check_drawn(const char* op, const Figure& figure) {
  check<ValueError>(!Drawing(figure).is_empty(), "{}: there is nothing in the figure; call line, scatter, histogram or heat_map before",
                    op);
}

/// The picture with a dark ground and pale texts where the page around it is dark. gnuplot writes colours as attributes, which a style
/// sheet goes before; those of curves and heat maps can be told apart on both grounds and stay, but for the darkest.
std::string for_dark_pages(std::string svg) {
  constexpr std::string_view style = R"css(
<style>
  @media (prefers-color-scheme: dark) {
    rect[fill="#ffffff"] { fill: #1e2129; }
    text { fill: #ccd2db; }
    [color="black"], [stroke="black"], [stroke="rgb( 51,  51,  51)"], [color="rgb( 51,  51,  51)"] { color: #ccd2db; stroke: #ccd2db; }
    [stroke="rgb(102, 102, 102)"] { stroke: #8b93a0; }
    [stroke="rgb(221, 221, 221)"] { stroke: #3a404b; }
  }
</style>)css";
  return svg.insert(svg.find('>', svg.find("<svg")) + 1, style);
}

std::string drawn(const char* op, Format format, const std::vector<Figure>& figures, int64_t columns) {
  for (const Figure& figure : figures) check_drawn(op, figure);
  std::string picture = run_gnuplot(op, Drawing::file(format, figures, columns));
  return format == Format::Svg ? for_dark_pages(std::move(picture)) : picture;
}

void write(const char* op, const std::string& path, const std::vector<Figure>& figures, int64_t columns) {
  const std::string picture = drawn(op, format_of(op, path), figures, columns);
  AtomicFile file(op, path);
  file.write(picture.data(), picture.size());
  file.commit();
}

/// gnuplot's characters without the empty lines around them and the spaces at the ends of lines.
std::string trimmed(const std::string& text) {
  std::string result, line;
  for (size_t from = 0; from < text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    line = text.substr(from, end - from);
    line.erase(line.find_last_not_of(" \f\r") + 1);
    if (!line.empty() || !result.empty()) result += line + "\n";
    from = end + 1;
  }
  while (result.ends_with("\n\n")) result.pop_back();
  return result;
}

}  // namespace

Numbers::Numbers(const Tensor& x) {
  check<ShapeError>(x.dim() == 1, "plot: numbers of shape {}; a picture takes tensors of one dimension", x.shape());
  values_ = numbers_of(x);
}

Figure::Figure(FigureOptions options) : options_(std::move(options)) {
  for (std::string* text : {&options_.title, &options_.x_label, &options_.y_label}) *text = one_line("plot::Figure", std::move(*text));
  check_size("width", options_.width);
  check_size("height", options_.height);
  check_range("x_range", options_.x_range, options_.log_x);
  check_range("y_range", options_.y_range, options_.log_y);
}

Figure& Figure::add(const char* op, Layer layer) {
  const bool fits = layers_.empty() || (layer.kind != Kind::Matrix && layers_[0].kind != Kind::Matrix);
  check<ValueError>(fits, "{}: a heat map has a figure to itself; make another one, and plot::save puts several into one file", op);
  layer.label = one_line(op, std::move(layer.label));
  for (auto* texts : {&layer.texts, &layer.column_texts})
    for (std::string& text : *texts) text = one_line(op, std::move(text));
  layers_.push_back(std::move(layer));
  return *this;
}

Figure& Figure::line(const Numbers& x, const Numbers& y, const std::string& label) {
  constexpr const char* op = "plot::line";
  check_lengths(op, x, y);
  return add(op, {.kind = Kind::Line, .x = x.values(), .y = y.values(), .label = label});
}

Figure& Figure::line(const Numbers& y, const std::string& label) {
  std::vector<double> x(y.values().size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i + 1);
  return add("plot::line", {.kind = Kind::Line, .x = std::move(x), .y = y.values(), .label = label});
}

Figure& Figure::scatter(const Numbers& x, const Numbers& y, const ScatterOptions& options) {
  constexpr const char* op = "plot::scatter";
  check_lengths(op, x, y);
  check<ShapeError>(options.texts.empty() || options.texts.size() == x.values().size(),
                    "{}: {} points and {} texts; give one a point, or none", op, x.values().size(), options.texts.size());
  return add(op, {.kind = Kind::Points, .x = x.values(), .y = y.values(), .label = options.label, .texts = options.texts});
}

Figure& Figure::histogram(const Numbers& values, const HistogramOptions& options) {
  constexpr const char* op = "plot::histogram";
  check<ValueError>(options.bins >= 1 && options.bins <= 100'000, "{}: bins is {}; it must be from 1 to 100000", op, options.bins);
  Bins bins = count_in_bins(values.values(), options.bins);
  return add(op, {.kind = Kind::Boxes, .x = std::move(bins.centres), .y = std::move(bins.counts), .label = options.label});
}

Figure& Figure::heat_map(const Tensor& matrix, const HeatMapOptions& options) {
  constexpr const char* op = "plot::heat_map";
  check<ShapeError>(matrix.dim() == 2 && matrix.numel() > 0, "{}: {}; it takes a matrix with elements, (rows, columns)", op,
                    matrix.shape());
  const auto check_labels = [&](const char* what, const std::vector<std::string>& labels, int64_t size) {
    check<ShapeError>(labels.empty() || static_cast<int64_t>(labels.size()) == size, "{}: {} {} for a matrix {}; give one each, or none",
                      op, labels.size(), what, matrix.shape());
  };
  check_labels("row_labels", options.row_labels, matrix.size(0));
  check_labels("column_labels", options.column_labels, matrix.size(1));
  check_range("the heat map's range", options.range, false);
  std::vector<double> columns(static_cast<size_t>(matrix.size(1)));
  for (size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<double>(i);
  return add(op, {.kind = Kind::Matrix,
                  .x = std::move(columns),
                  .y = numbers_of(matrix.reshape({-1})),
                  .texts = options.row_labels,
                  .column_texts = options.column_labels,
                  .range = options.range});
}

void Figure::save(const std::string& path) const { write("plot::save", path, {*this}, 1); }

std::string Figure::svg() const { return drawn("plot::svg", Format::Svg, {*this}, 1); }

std::string Figure::text(int64_t columns, int64_t rows) const {
  constexpr const char* op = "plot::text";
  const Drawing drawing(*this);
  check_drawn(op, *this);
  check<ValueError>(columns >= 20 && columns <= 1000, "{}: columns is {}; it must be from 20 to 1000", op, columns);
  check<ValueError>(rows >= 8 && rows <= 1000, "{}: rows is {}; it must be from 8 to 1000", op, rows);
  return drawing.is_heat_map() ? drawing.shades() : trimmed(run_gnuplot(op, drawing.characters(columns, rows)));
}

void save(const std::string& path, const std::vector<Figure>& figures, int64_t columns) {
  constexpr const char* op = "plot::save";
  check<ValueError>(!figures.empty(), "{}: {}: there are no figures to save", op, path);
  check<ValueError>(columns >= 1, "{}: {}: columns is {}; it must be 1 or more", op, path, columns);
  write(op, path, figures, columns);
}

}  // namespace gradus::plot
