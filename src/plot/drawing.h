#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gradus/plot.h"

namespace gradus::plot {

enum class Format { Svg, Png };

/// How figures become gnuplot's commands, or characters.
class Drawing {
 public:
  explicit Drawing(const Figure& figure) : options_(figure.options_), layers_(figure.layers_) {}

  bool is_empty() const noexcept { return layers_.empty(); }
  bool is_heat_map() const noexcept { return !layers_.empty() && layers_[0].kind == Kind::Matrix; }

  /// The commands for a file with these figures, `columns` a row.
  static std::string file(Format format, const std::vector<Figure>& figures, int64_t columns);
  /// The commands for a figure in characters.
  std::string characters(int64_t columns, int64_t rows) const;
  /// A heat map in characters: no commands, the picture itself.
  std::string shades() const;

 private:
  using Kind = Figure::Kind;
  using Layer = Figure::Layer;

  /// Commands, written one after the other.
  struct Script {
    std::string text;
    template <class... Args>
    void put(fmt::format_string<Args...> format, Args&&... args) {
      text += fmt::vformat(format, fmt::make_format_args(args...));
    }
  };

  bool is_visible(double x, double y) const;
  bool has_visible() const;
  void put_figure(Script& script, bool grid) const;
  void put_axes(Script& script) const;
  void put_data(Script& script) const;
  void put_curves(Script& script) const;
  void put_matrix(Script& script) const;

  const FigureOptions& options_;
  const std::vector<Layer>& layers_;
};

}  // namespace gradus::plot
