#include "plot/drawing.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "core/joined.h"

namespace gradus::plot {
namespace {

// Told apart by everybody (M. Okabe and K. Ito, "Color Universal Design", 2008); their yellow, too pale for a line, is left out.
constexpr std::array<std::string_view, 7> kColours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333"};
// viridis, by S. van der Walt and N. Smith, at nine places.
constexpr std::string_view kPalette =
    "set palette defined (0 '#440154', 1 '#472c7a', 2 '#3b518b', 3 '#2c718e', 4 '#21908d', 5 '#27ad81', 6 '#5cc863', 7 '#aadc32', 8 "
    "'#fde725')\n";

/// The text as a string of gnuplot's. Quotes, backslashes and backquotes all mean something there, so every ASCII character but letters and
/// spaces stands as its number; digits do so too, because gnuplot would take one behind a number for a part of it.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x80 || std::isalpha(code) != 0 || c == ' ') result += c;
    else result += fmt::format("\\{:03o}", code);
  }
  return result + "\"";
}

std::string number(double v) { return std::isfinite(v) ? fmt::format("{}", v) : "NaN"; }

std::string range_of(const std::optional<Range>& range, std::string_view otherwise) {
  return range ? fmt::format("[{}:{}]", range->low, range->high) : std::string(otherwise);
}

/// set xtics ("first" 0, "second" 1, …). gnuplot takes them for formats of numbers, in which %% is a percent sign.
std::string named_tics(std::string_view axis, const std::vector<std::string>& names, std::string_view style) {
  if (names.empty()) return {};
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string name;
    for (char c : names[i]) name.append(c == '%' ? 2 : 1, c);
    list += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(name), i);
  }
  return fmt::format("set {} ({}){}\n", axis, list, style);
}

/// The smallest and the largest of the finite numbers, and some range where they are none or one.
Range scale_of(const std::vector<double>& values) {
  Range found{HUGE_VAL, -HUGE_VAL};
  for (double v : values)
    if (std::isfinite(v)) found = {std::min(found.low, v), std::max(found.high, v)};
  if (found.low > found.high) return {0, 1};
  return found.low < found.high ? found : Range{found.low - 0.5, found.high + 0.5};
}

}  // namespace

bool Drawing::is_visible(double x, double y) const {
  return std::isfinite(x) && std::isfinite(y) && (!options_.log_x || x > 0) && (!options_.log_y || y > 0);
}

bool Drawing::has_visible() const {
  return std::ranges::any_of(layers_, [&](const Layer& layer) {
    for (size_t i = 0; i < layer.x.size(); ++i)
      if (is_visible(layer.x[i], layer.y[i])) return true;
    return false;
  });
}

void Drawing::put_axes(Script& script) const {
  const bool boxes = std::ranges::any_of(layers_, [](const Layer& layer) { return layer.kind == Kind::Boxes; });
  // gnuplot refuses to draw axes around nothing.
  const bool nothing = !has_visible();
  const auto otherwise = [&](bool log) { return !nothing ? "[*:*]" : log ? "[1:10]" : "[0:1]"; };
  if (options_.log_x) script.put("set logscale x\n");
  if (options_.log_y) script.put("set logscale y\n");
  script.put("set xrange {}\n", range_of(options_.x_range, otherwise(options_.log_x)));
  script.put("set yrange {}\n", range_of(options_.y_range, boxes && !options_.log_y && !nothing ? "[0:*]" : otherwise(options_.log_y)));
  const bool named = std::ranges::any_of(layers_, [](const Layer& layer) { return !layer.label.empty(); });
  script.put("{}\n", named ? "set key tmargin right horizontal width 2 noenhanced" : "unset key");
}

void Drawing::put_data(Script& script) const {
  for (size_t k = 0; k < layers_.size(); ++k) {
    const Layer& layer = layers_[k];
    script.put("$d{} << END\n", k);
    for (size_t i = 0; i < layer.x.size(); ++i) {
      if (is_visible(layer.x[i], layer.y[i])) script.put("{} {}\n", layer.x[i], layer.y[i]);
      else script.put("NaN NaN\n");
    }
    script.put("{}END\n", layer.x.empty() ? "NaN NaN\n" : "");
    for (size_t i = 0; i < layer.texts.size(); ++i)
      if (is_visible(layer.x[i], layer.y[i]))
        script.put("set label {} at {},{} offset char 0.8,0 noenhanced\n", quoted(layer.texts[i]), layer.x[i], layer.y[i]);
  }
}

void Drawing::put_curves(Script& script) const {
  script.put("set style fill transparent solid 0.55 noborder\nplot");
  for (size_t k = 0; k < layers_.size(); ++k) {
    const Layer& layer = layers_[k];
    const std::string_view colour = kColours[k % kColours.size()];
    script.put("{} $d{} using 1:2", k == 0 ? "" : ",", k);
    if (layer.kind == Kind::Line) script.put(" with lines lw 2 dt {} lc rgb '{}'", k / kColours.size() + 1, colour);
    if (layer.kind == Kind::Points) script.put(" with points pt 7 ps 0.6 lc rgb '{}'", colour);
    if (layer.kind == Kind::Boxes) script.put(":({}) with boxes lc rgb '{}'", layer.x.size() > 1 ? layer.x[1] - layer.x[0] : 1.0, colour);
    script.put("{}", layer.label.empty() ? " notitle" : " title " + quoted(layer.label));
  }
  script.put("\n");
}

void Drawing::put_matrix(Script& script) const {
  const Layer& layer = layers_[0];
  const size_t columns = layer.x.size(), rows = layer.y.size() / columns;
  const Range scale = layer.range.value_or(scale_of(layer.y));
  script.put("set border 15\nset tics scale 0\nunset key\n{}set cbrange [{}:{}]\n", kPalette, scale.low, scale.high);
  script.put("set xrange [-0.5:{}.5]\nset yrange [{}.5:-0.5]\n", columns - 1, rows - 1);
  script.put("{}", named_tics("xtics", layer.column_texts, " rotate by 90 right noenhanced"));
  script.put("{}", named_tics("ytics", layer.texts, " noenhanced"));
  script.put("$d0 << END\n");
  for (size_t i = 0; i < rows * columns; ++i) script.put("{}{}", number(layer.y[i]), (i + 1) % columns == 0 ? "\n" : " ");
  script.put("END\nplot $d0 matrix with image pixels\n");
}

void Drawing::put_figure(Script& script, bool grid) const {
  script.put("reset\nset encoding utf8\nset border 3 lc rgb '#666666'\nset tics nomirror out textcolor rgb '#444444'\n");
  script.put("set title {} noenhanced\n", quoted(options_.title));
  script.put("set xlabel {} noenhanced\nset ylabel {} noenhanced\n", quoted(options_.x_label), quoted(options_.y_label));
  if (is_heat_map()) return put_matrix(script);
  if (grid) script.put("set grid lc rgb '#dddddd'\n");
  put_axes(script);
  put_data(script);
  put_curves(script);
}

std::string Drawing::file(Format format, const std::vector<Figure>& figures, int64_t columns) {
  int64_t width = 0, height = 0;
  for (const Figure& figure : figures) {
    width = std::max(width, figure.options_.width);
    height = std::max(height, figure.options_.height);
  }
  const auto count = static_cast<int64_t>(figures.size());
  const int64_t across = std::min(columns, count), down = (count + across - 1) / across;
  Script script;
  script.put("set terminal {} size {},{} font 'sans,12' background '#ffffff' noenhanced\n", format == Format::Svg ? "svg" : "pngcairo",
             across * width, down * height);
  if (count > 1) script.put("set multiplot layout {},{}\n", down, across);
  for (const Figure& figure : figures) Drawing(figure).put_figure(script, true);
  if (count > 1) script.put("unset multiplot\n");
  return script.text;
}

std::string Drawing::characters(int64_t columns, int64_t rows) const {
  Script script;
  script.put("set terminal dumb size {},{} noenhanced\n", columns, rows);
  put_figure(script, false);
  return script.text;
}

std::string Drawing::shades() const {
  constexpr std::array<std::string_view, 5> shades{"  ", "░░", "▒▒", "▓▓", "██"};
  const Layer& layer = layers_[0];
  const size_t columns = layer.x.size(), rows = layer.y.size() / columns;
  const Range scale = layer.range.value_or(scale_of(layer.y));
  std::string text = options_.title.empty() ? "" : options_.title + "\n";
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      const double v = layer.y[r * columns + c];
      const double share = std::clamp((v / 2 - scale.low / 2) / (scale.high / 2 - scale.low / 2), 0.0, 1.0);
      text += std::isfinite(v) ? shades[static_cast<size_t>(std::lround(share * (shades.size() - 1)))] : "··";
    }
    text += layer.texts.empty() ? "|\n" : "| " + layer.texts[r] + "\n";
  }
  if (!layer.column_texts.empty()) text += fmt::format("columns: {}\n", joined(layer.column_texts, " "));
  return text + fmt::format("{} = {:.4g}, {} = {:.4g}\n", "\"  \"", scale.low, shades.back(), scale.high);
}

}  // namespace gradus::plot
