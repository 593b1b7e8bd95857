#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "error_of.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/plot.h"
#include "io/folder.h"
#include "plot/bins.h"

namespace {

using gradus::plot::Figure;
using testing::error_of;
using Values = std::vector<double>;
namespace fs = std::filesystem;
namespace plot = gradus::plot;

constexpr double kInf = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();

/// Whether gnuplot is there; without it a test says that it was skipped.
bool can_draw() {
  static const bool found = ::system("command -v gnuplot >/dev/null") == 0;
  if (!found) MESSAGE("skipped: there is no gnuplot; install gnuplot-nox");
  return found;
}

int64_t count(const std::string& text, const std::string& part) {
  int64_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

/// PATH as long as this lives.
class Path {
 public:
  explicit Path(const std::string& value) { ::setenv("PATH", value.c_str(), 1); }
  ~Path() { ::setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_ = ::getenv("PATH");
};

}  // namespace

TEST_CASE("a picture of curves has their names, title and axes, and the same data give the same file") {
  if (!can_draw()) return;
  const Figure figure = Figure({.title = "Loss & <error>", .x_label = "epoch", .y_label = "nats"})
                            .line(gradus::tensor({2.0, 1.5, 1.0}), "train")
                            .line(Values{1, 3}, Values{2.5, 1.25}, "valid");
  const std::string svg = figure.svg();
  CHECK(svg.starts_with("<?xml"));
  CHECK(svg.ends_with("</svg>\n\n"));
  for (const char* text :
       {"Loss &amp; &lt;error", "epoch", "nats", "train", "valid", "rgb(  0, 114, 178)", "rgb(213,  94,   0)", "viewBox=\"0 0 640 420\""})
    CHECK(count(svg, text) >= 1);
  CHECK(svg == figure.svg());
}

TEST_CASE("a picture turns dark on a dark page: the colours that its style sheet looks for are those that gnuplot writes") {
  if (!can_draw()) return;
  const std::string svg = Figure().line(Values{1, 2, 3}, "train").svg();
  CHECK(count(svg, "@media (prefers-color-scheme: dark)") == 1);
  for (const char* colour : {"fill=\"#ffffff\"", "color=\"black\"", "stroke=\"rgb(102, 102, 102)\"", "stroke=\"rgb(221, 221, 221)\""})
    CHECK_MESSAGE(count(svg, colour) >= 2, std::string(colour));  // once in the style sheet
}

TEST_CASE("save writes SVG and PNG by the name's end, over what was there") {
  if (!can_draw()) return;
  const Folder folder;
  const Figure figure = Figure({.width = 300, .height = 200}).line(Values{1, 2, 3});
  figure.save(folder / "loss.svg");
  CHECK(read_bytes(folder / "loss.svg") == figure.svg());
  figure.save(folder / "loss.png");
  figure.save(folder / "loss.png");
  const std::string png = read_bytes(folder / "loss.png");
  CHECK(png.starts_with("\x89PNG\r\n"));
  CHECK(png.substr(16, 8) == std::string("\0\0\1\x2c\0\0\0\xc8", 8));  // 300 and 200 in the header
}

TEST_CASE("several figures stand in one file, row by row, all as large as the largest") {
  if (!can_draw()) return;
  const Folder folder;
  std::vector<Figure> heads;
  for (const char* name : {"head one", "head two", "head three"})
    heads.push_back(Figure({.title = name, .width = 200}).heat_map(gradus::eye(3)));
  heads.push_back(Figure({.title = "head four", .height = 300}).line(Values{1, 2}));
  plot::save(folder / "heads.svg", heads, 3);
  const std::string svg = read_bytes(folder / "heads.svg");
  CHECK(count(svg, "viewBox=\"0 0 1920 840\"") == 1);
  for (const char* name : {"head one", "head two", "head three", "head four"}) CHECK(count(svg, name) == 1);
}

TEST_CASE("text is no wider than it may be, and shows names and numbers") {
  if (!can_draw()) return;
  const std::string text = Figure({.title = "training", .x_label = "epoch"})
                               .line(Values{4, 2, 1, 0.5}, "train")
                               .line(Values{5, 3, 2, 1.5}, "valid")
                               .text(60, 15);
  std::istringstream lines(text);
  int64_t rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) CHECK(line.size() <= 60);
  CHECK(rows <= 15);
  for (const char* part : {"training", "epoch", "train", "valid", "*", "#"}) CHECK(count(text, part) >= 1);
}

TEST_CASE("a heat map in text is shades, one element two columns wide, with what is not finite left open") {
  const Figure figure = Figure({.title = "weights"})
                            .heat_map(gradus::tensor({{0.0, 0.25, 0.5}, {0.75, 1.0, kNaN}}),
                                      {.row_labels = {"je", "suis"}, .column_labels = {"i", "am", "<eos>"}});
  CHECK(figure.text() ==
        "weights\n"
        "  ░░▒▒| je\n"
        "▓▓██··| suis\n"
        "columns: i am <eos>\n"
        "\"  \" = 0, ██ = 1\n");
  CHECK(Figure().heat_map(gradus::full({1, 2}, 3.0)).text() == "▒▒▒▒|\n\"  \" = 2.5, ██ = 3.5\n");
  CHECK(Figure().heat_map(gradus::tensor({{-1e308, 1e308}}, {.dtype = gradus::float64})).text() ==
        "  ██|\n\"  \" = -1e+308, ██ = 1e+308\n");
  CHECK(Figure().heat_map(gradus::tensor({{-5.0, 0.5}}), {.range = {{0, 1}}}).text() == "  ▒▒|\n\"  \" = 0, ██ = 1\n");
}

TEST_CASE("a heat map in a file has a rectangle an element, and its labels") {
  if (!can_draw()) return;
  const std::string svg = Figure()
                              .heat_map(gradus::tensor({{0.0, 1.0}, {kNaN, 0.5}, {kInf, 0.25}}),
                                        {.row_labels = {"50%", "it's", "`c`"}, .column_labels = {"x", "été"}})
                              .svg();
  for (const char* text : {"50%<", "it's", "`c`", "été"}) CHECK(count(svg, text) == 1);
  CHECK(count(svg, "<polygon") >= 4);
}

TEST_CASE("bins are numpy's: equal, the last with its upper end, and only finite numbers count") {
  const auto counts = [](const Values& values, int64_t bins) { return plot::count_in_bins(values, bins).counts; };
  CHECK(counts({0, 1, 2, 3, 4}, 4) == Values{1, 1, 1, 2});
  CHECK(counts({0, 0.5, kNaN, kInf, 1, -kInf}, 2) == Values{1, 2});
  CHECK(counts({3, 3, 3}, 3) == Values{0, 3, 0});
  CHECK(plot::count_in_bins({3, 3}, 1).centres == Values{3});
  CHECK(counts({-1e308, 1e308, 0, 1e308}, 3) == Values{1, 1, 2});
  CHECK(counts({0, 5e-324}, 2) == Values{2, 0});
  CHECK(counts({kNaN}, 5).empty());
  CHECK(counts({1e300, 1e300}, 2) == Values{2, 0});
}

TEST_CASE("what is not finite, not positive on a logarithmic axis, equal or not there at all, is drawn as a gap") {
  if (!can_draw()) return;
  for (const Values& y : {Values{}, Values{1}, Values{2, 2, 2}, Values{0, 0}, Values{kNaN, kNaN}, Values{1, kNaN, kInf, -kInf, 2},
                          Values{-1, 0}, Values{-1e300, 1e300}, Values{1e-300, 2e-300}})
    for (bool log : {false, true}) {
      CAPTURE(log);
      CAPTURE(y.size());
      const plot::FigureOptions options{.log_x = log, .log_y = log};
      CHECK(Figure(options).line(y, "y").svg().starts_with("<?xml"));
      CHECK(Figure(options).scatter(y, y, {.texts = std::vector<std::string>(y.size(), "t")}).svg().starts_with("<?xml"));
      CHECK(Figure(options).histogram(y).svg().starts_with("<?xml"));
      CHECK(!Figure(options).line(y).text().empty());
    }
}

TEST_CASE("texts are texts: nothing in them is a command") {
  if (!can_draw()) return;
  const Folder folder;
  const std::string touch = "touch " + (folder / "made");
  const std::string tricks[] = {"'; system('" + touch + "'); '", "`" + touch + "`", "\"`" + touch + "`\"", "a\nsystem('" + touch + "')\n",
                                "@macro $x %d %% {/Bold x} \\ \x01"};
  for (const std::string& trick : tricks) {
    CAPTURE(trick);
    const std::string svg = Figure({.title = trick, .x_label = trick, .y_label = trick})
                                .line(Values{1, 2}, trick)
                                .scatter(Values{1}, Values{2}, {.label = trick, .texts = {trick}})
                                .svg();
    CHECK(svg.ends_with("</svg>\n\n"));
    Figure().heat_map(gradus::eye(1), {.row_labels = {trick}, .column_labels = {trick}}).save(folder / "map.svg");
  }
  CHECK(!fs::exists(folder / "made"));
  CHECK(count(Figure({.title = "{/Bold x}_2 %d"}).line(Values{1}).svg(), "{/Bold x}_2 %d") == 1);
  CHECK(count(Figure({.title = "rate 0.001"}).line(Values{1}).svg(), ">rate 0.001<") == 1);
  CHECK(count(Figure().heat_map(gradus::eye(1), {.row_labels = {"-1"}, .column_labels = {"(2)"}}).svg(), ">-1<") == 1);
}

TEST_CASE("without gnuplot the package is named, and the file stays as it was") {
  const Folder folder;
  std::ofstream(folder / "old.svg") << "old";
  const Path path(folder / "nowhere");
  CHECK(error_of<gradus::IoError>([&] {
          Figure().line(Values{1, 2}).save(folder / "old.svg");
        }) == "plot::save: gnuplot draws the pictures and is not in PATH; install gnuplot-nox (Debian, Ubuntu)");
  CHECK(read_bytes(folder / "old.svg") == "old");
}

TEST_CASE("a gnuplot that fails is quoted, and the file stays as it was") {
  const Folder folder;
  std::ofstream(folder / "gnuplot") << "#!/bin/sh\necho half a picture\necho 'no such terminal' >&2\nexit 3\n";
  fs::permissions(folder / "gnuplot", fs::perms::owner_all);
  std::ofstream(folder / "old.png") << "old";
  const Path path((folder / "") + ":/usr/bin:/bin");
  CHECK(error_of<gradus::IoError>([&] {
          Figure().line(Values{1, 2}).save(folder / "old.png");
        }) == "plot::save: gnuplot failed: no such terminal");
  CHECK(read_bytes(folder / "old.png") == "old");
}

TEST_CASE("a program that ignores SIGCHLD draws as well") {
  if (!can_draw()) return;
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  CHECK(Figure().line(Values{1, 2}).svg().starts_with("<?xml"));
  ::signal(SIGCHLD, before);
}

TEST_CASE("what a picture cannot show is refused with its rule") {
  using gradus::ShapeError;
  using gradus::ValueError;
  const Values two{1, 2}, three{1, 2, 3};
  CHECK(error_of<ShapeError>([&] { Figure().line(two, three); }) == "plot::line: x has 2 numbers and y has 3; they must be as many");
  CHECK(error_of<ShapeError>([&] {
          Figure().line(gradus::zeros({2, 3}));
        }) == "plot: numbers of shape [2, 3]; a picture takes tensors of one dimension");
  CHECK(error_of<gradus::StateError>([&] { Figure().line(gradus::Tensor()); }) != "");
  CHECK(error_of<ShapeError>([&] { Figure().scatter(two, two, {.texts = {"a"}}); }) ==
        "plot::scatter: 2 points and 1 texts; give one a point, or none");
  CHECK(error_of<ValueError>([&] { Figure().histogram(two, {.bins = 0}); }) == "plot::histogram: bins is 0; it must be from 1 to 100000");
  CHECK(error_of<ShapeError>([&] { Figure().heat_map(gradus::zeros({2})); }) ==
        "plot::heat_map: [2]; it takes a matrix with elements, (rows, columns)");
  CHECK(error_of<ShapeError>([&] { Figure().heat_map(gradus::zeros({0, 2})); }) != "");
  CHECK(error_of<ShapeError>([&] {
          Figure().heat_map(gradus::zeros({2, 2}), {.row_labels = {"a"}});
        }) == "plot::heat_map: 1 row_labels for a matrix [2, 2]; give one each, or none");
  CHECK(error_of<ValueError>([&] { Figure().line(two).heat_map(gradus::eye(2)); }) ==
        "plot::heat_map: a heat map has a figure to itself; make another one, and plot::save puts several into one file");
  CHECK(error_of<ValueError>([&] { Figure().heat_map(gradus::eye(2)).line(two); }) != "");
  CHECK(error_of<ValueError>([&] { Figure({.width = 10}); }) == "plot::Figure: width is 10; it must be from 64 to 16384 pixels");
  CHECK(error_of<ValueError>([&] { Figure({.x_range = {{1, 1}}}); }) == "plot::Figure: x_range is 1 to 1; it must be finite and rise");
  CHECK(error_of<ValueError>([&] {
          Figure({.log_y = true, .y_range = {{0, 1}}});
        }) == "plot::Figure: y_range begins at 0; that of a logarithmic axis must be positive");
  CHECK(error_of<ValueError>([&] { Figure({.title = "\xff"}); }) == "plot::Figure: a text of the picture is not valid UTF-8");
  CHECK(error_of<ValueError>([&] { Figure().svg(); }) ==
        "plot::svg: there is nothing in the figure; call line, scatter, histogram or heat_map before");
  CHECK(error_of<ValueError>([&] { Figure().line(two).text(10); }) == "plot::text: columns is 10; it must be from 20 to 1000");
  CHECK(error_of<ValueError>([&] { Figure().line(two).save("loss.pdf"); }) ==
        "plot::save: loss.pdf: a picture's name must end in .svg or .png");
  CHECK(error_of<ValueError>([&] { plot::save("a.svg", {}); }) == "plot::save: a.svg: there are no figures to save");
  CHECK(error_of<ValueError>([&] { plot::save("a.svg", {Figure().line(two)}, 0); }) ==
        "plot::save: a.svg: columns is 0; it must be 1 or more");
}
