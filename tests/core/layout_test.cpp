#include "core/layout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "gradus/error.h"
#include "gradus/ops/shape.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;

namespace {

Layout dense(const Shape& shape) { return contiguous_layout("test", shape); }

/// The places of all elements in the storage, in row-major order.
std::vector<int64_t> places(const Layout& x) {
  std::vector<int64_t> found;
  for (int64_t i = 0; i < x.shape.numel(); ++i) {
    int64_t rest = i, place = x.offset;
    for (int64_t d = x.rank() - 1; d >= 0; --d) {
      place += rest % x.shape[d] * x.strides[d];
      rest /= x.shape[d];
    }
    found.push_back(place);
  }
  return found;
}

using Places = std::vector<int64_t>;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

}  // namespace

TEST_CASE("row-major strides count the elements behind each dimension") {
  CHECK(contiguous_strides({2, 3, 4}).str() == "[12, 4, 1]");
  CHECK(contiguous_strides({}).str() == "[]");
  CHECK(contiguous_strides({2, 0, 4}).str() == "[4, 4, 1]");
  CHECK(dense({2, 3}).offset == 0);
}

TEST_CASE("a layout is contiguous when its elements lie in order without gaps") {
  CHECK(dense({2, 3}).is_contiguous());
  CHECK(dense({}).is_contiguous());
  CHECK(Layout{{2, 1, 3}, {3, 77, 1}, 5}.is_contiguous());
  CHECK(Layout{{2, 0}, {9, 9}, 0}.is_contiguous());
  CHECK(Layout{{0, 2}, {9, 9}, 0}.is_contiguous());
  CHECK(!Layout{{2, 3}, {1, 2}, 0}.is_contiguous());
  CHECK(!Layout{{2, 3}, {4, 1}, 0}.is_contiguous());
  CHECK(!Layout{{3}, {0}, 0}.is_contiguous());
}

TEST_CASE("a layout refuses negative sizes and more elements than can be addressed") {
  CHECK(error_of<ShapeError>([] { contiguous_layout("zeros", {2, -3}); }) == "zeros: shape [2, -3] has a negative size");
  CHECK(error_of<ShapeError>([] {
          contiguous_layout("zeros", {kMost, 2});
        }).find("zeros: shape [9223372036854775807, 2] has too many") == 0);
  CHECK(error_of<ShapeError>([] { contiguous_layout("zeros", {kMost / 4}); }).find("zeros: shape [2305843009213693951] has too many") == 0);
  CHECK(contiguous_layout("zeros", {0, kMost}).shape.numel() == 0);
}

TEST_CASE("dimensions count from both ends") {
  CHECK(wrap_dim("sum", 0, 3) == 0);
  CHECK(wrap_dim("sum", 2, 3) == 2);
  CHECK(wrap_dim("sum", -1, 3) == 2);
  CHECK(wrap_dim("sum", -3, 3) == 0);
  CHECK(wrap_dim("sum", -1, 0) == 0);
  CHECK(error_of<IndexError>([] { wrap_dim("sum", 3, 3); }) ==
        "sum: dimension 3 is out of range for a tensor with 3 dimensions: use -3 to 2");
  CHECK(error_of<IndexError>([] { wrap_dim("sum", -4, 3); }) ==
        "sum: dimension -4 is out of range for a tensor with 3 dimensions: use -3 to 2");
  CHECK(error_of<IndexError>([] { wrap_dim("sum", 1, 0); }).find("sum: dimension 1 is out of range for a tensor with 0 dim") == 0);
  CHECK(wrap_dims("sum", {-1, 0}, 3).str() == "[2, 0]");
  CHECK(error_of<ValueError>([] { wrap_dims("sum", {1, -2}, 3); }) == "sum: dims [1, -2] name dimension 1 twice");
}

TEST_CASE("permute reorders shape and strides") {
  const Layout y = permute("permute", dense({2, 3, 4}), {2, 0, -2});
  CHECK(y.shape.str() == "[4, 2, 3]");
  CHECK(y.strides.str() == "[1, 12, 4]");
  CHECK(error_of<ShapeError>([] {
          permute("permute", dense({2, 3}), {0});
        }) == "permute: dims [0] for shape [2, 3]: name each of its 2 dimensions once");
  CHECK(error_of<ValueError>([] { permute("permute", dense({2, 3}), {0, 0}); }) == "permute: dims [0, 0] name dimension 0 twice");
}

TEST_CASE("expand stretches size 1 with stride 0 and keeps a -1") {
  const Layout y = expand("expand", dense({3, 1}), {2, -1, 4});
  CHECK(y.shape.str() == "[2, 3, 4]");
  CHECK(y.strides.str() == "[0, 1, 0]");
  CHECK(places(expand("expand", dense({2, 1}), {2, 2})) == Places{0, 0, 1, 1});
  CHECK(expand("expand", dense({1, 3}), {0, 3}).shape.numel() == 0);
  CHECK(error_of<ShapeError>([] {
          expand("expand", dense({3, 2}), {3, 4});
        }) == "expand: shape [3, 2] cannot become [3, 4]: dimension 1 has size 2, and only size 1 stretches");
  CHECK(error_of<ShapeError>([] {
          expand("expand", dense({3}), {-1, 3});
        }) == "expand: shape [3] cannot become [-1, 3]: a new dimension needs its size");
  CHECK(error_of<ShapeError>([] {
          expand("expand", dense({3, 1}), {3});
        }) == "expand: shape [3, 1] cannot become [3]: it has more dimensions");
  CHECK_THROWS_AS(expand("expand", dense({1}), {-2}), ShapeError);
}

TEST_CASE("narrow and slice cut a window") {
  CHECK(places(narrow("narrow", dense({2, 4}), 1, 1, 2)) == Places{1, 2, 5, 6});
  CHECK(places(narrow("narrow", dense({4}), 0, -2, 2)) == Places{2, 3});
  CHECK(narrow("narrow", dense({4}), 0, 4, 0).shape.str() == "[0]");
  CHECK(places(slice("slice", dense({6}), 0, 1, 6, 2)) == Places{1, 3, 5});
  CHECK(places(slice("slice", dense({6}), 0, -5, -1, 3)) == Places{1, 4});
  CHECK(slice("slice", dense({6}), 0, 4, 2, 1).shape.str() == "[0]");
  CHECK(places(slice("slice", dense({3}), 0, -100, 100, 1)) == Places{0, 1, 2});
  CHECK(error_of<IndexError>([] { narrow("narrow", dense({4}), 0, 3, 2); }) ==
        "narrow: start 3 and length 2 go beyond dimension 0 of shape [4]");
  CHECK(error_of<IndexError>([] { narrow("narrow", dense({4}), 0, 5, 0); }) ==
        "narrow: start 5 is out of range for dimension 0 of shape [4]");
  CHECK_THROWS_AS(narrow("narrow", dense({4}), 0, 1, -1), IndexError);
  CHECK_THROWS_AS(narrow("narrow", dense({4}), 0, 1, kMost), IndexError);
  CHECK_THROWS_AS(narrow("narrow", dense({}), 0, 0, 0), ShapeError);
  CHECK_THROWS_AS(slice("slice", dense({4}), 0, 0, 4, 0), ValueError);
}

TEST_CASE("a step as large as an integer can be cuts one element") {
  const Layout y = slice("slice", dense({6}), 0, 1, 6, kMost);
  CHECK(y.shape.str() == "[1]");
  CHECK(places(y) == Places{1});
  CHECK(places(slice("slice", slice("slice", dense({6}), 0, 0, 6, 2), 0, 1, 3, kMost)) == Places{2});
}

TEST_CASE("select takes a dimension away, unsqueeze and squeeze put and take one of size 1") {
  const Layout y = select("select", dense({2, 3}), 1, -1);
  CHECK(y.shape.str() == "[2]");
  CHECK(places(y) == Places{2, 5});
  CHECK(error_of<IndexError>([] {
          select("select", dense({2, 3}), 0, 2);
        }) == "select: index 2 is out of range for dimension 0 of shape [2, 3]");
  CHECK_THROWS_AS(select("select", dense({2, 3}), 0, -3), IndexError);
  CHECK_THROWS_AS(select("select", dense({}), 0, 0), IndexError);
  CHECK(unsqueeze("unsqueeze", dense({2, 3}), -1).shape.str() == "[2, 3, 1]");
  CHECK(unsqueeze("unsqueeze", dense({2, 3}), 0).shape.str() == "[1, 2, 3]");
  CHECK_THROWS_AS(unsqueeze("unsqueeze", dense({2, 3}), 3), IndexError);
  CHECK(squeeze(dense({2, 1, 3}), 1).shape.str() == "[2, 3]");
}

TEST_CASE("a shape's -1 is worked out from the number of elements") {
  CHECK(infer_shape("view", {2, -1}, 6).str() == "[2, 3]");
  CHECK(infer_shape("view", {-1}, 0).str() == "[0]");
  CHECK(infer_shape("view", {}, 1).str() == "[]");
  CHECK(error_of<ShapeError>([] { infer_shape("view", {-1, -1}, 6); }) == "view: shape [-1, -1] has more than one -1");
  CHECK(error_of<ShapeError>([] { infer_shape("view", {4, -1}, 6); }) == "view: 6 elements do not fill shape [4, -1]");
  CHECK(error_of<ShapeError>([] { infer_shape("view", {4}, 6); }) == "view: 6 elements do not fill shape [4]");
  CHECK(error_of<ShapeError>([] { infer_shape("view", {-2}, 6); }) == "view: shape [-2] has a negative size");
  CHECK(error_of<ShapeError>([] { infer_shape("view", {0, -1}, 0); }) == "view: shape [0, -1]: -1 cannot be worked out beside a size of 0");
}

TEST_CASE("sizes whose product wraps around to the number of elements are refused") {
  const int64_t half = int64_t{1} << 32;
  CHECK_THROWS_AS(infer_shape("view", {half, half}, 0), ShapeError);
  CHECK_THROWS_AS(infer_shape("view", {half, half, -1}, 6), ShapeError);
}

TEST_CASE("reshape shows the same places in the same order, or says that it cannot") {
  const Shape shapes[] = {{24}, {2, 12}, {4, 6}, {2, 3, 4}, {2, 3, 2, 2}, {1, 24, 1}, {6, 1, 4}, {3, 8}};
  const Layout sources[] = {dense({2, 3, 4}),
                            permute("permute", dense({2, 3, 4}), {2, 0, 1}),
                            permute("permute", dense({4, 6}), {1, 0}),
                            slice("slice", dense({48}), 0, 0, 48, 2),
                            narrow("narrow", dense({4, 12}), 1, 2, 6),
                            expand("expand", dense({1, 24}), {1, 24}),
                            expand("expand", dense({2, 1}), {2, 12})};
  int64_t views = 0, copies = 0;
  for (const Layout& source : sources)
    for (const Shape& shape : shapes) {
      CAPTURE(source.shape.str());
      CAPTURE(source.strides.str());
      CAPTURE(shape.str());
      Layout y;
      const bool possible = reshape(source, shape, y);
      possible ? ++views : ++copies;
      if (!possible) continue;
      CHECK(y.shape == shape);
      CHECK(places(y) == places(source));
    }
  CHECK(views >= 25);
  CHECK(copies >= 10);
  Layout y;
  CHECK(!reshape(permute("permute", dense({2, 3}), {1, 0}), {6}, y));
  CHECK(reshape(permute("permute", dense({2, 3}), {1, 0}), {3, 1, 2}, y));
}

TEST_CASE("shapes broadcast from the end") {
  CHECK(broadcast_shapes("add", {2, 3}, {3}).str() == "[2, 3]");
  CHECK(broadcast_shapes("add", {2, 1}, {1, 3}).str() == "[2, 3]");
  CHECK(broadcast_shapes("add", {}, {4}).str() == "[4]");
  CHECK(broadcast_shapes("add", {1, 0}, {5, 1}).str() == "[5, 0]");
  CHECK(error_of<ShapeError>([] {
          broadcast_shapes("add", {2, 3}, {4});
        }) == "add: shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 at dimension -1 (from the end) must be equal or 1");
  CHECK(error_of<ShapeError>([] {
          broadcast_shapes("add", {3}, {4, 2, 1, 2});
        }) == "add: shapes [3] and [4, 2, 1, 2] do not broadcast: sizes 3 and 2 at dimension -1 (from the end) must be equal or 1");
  CHECK_THROWS_AS(broadcast_shapes("add", {0}, {2}), ShapeError);
}

TEST_CASE("meet finds out exactly whether two layouts have a place in common") {
  const auto places = [](const Layout& x) {
    std::set<int64_t> all;
    for (int64_t i = 0; i < x.shape[0]; ++i)
      for (int64_t j = 0; j < x.shape[1]; ++j) all.insert(x.offset + i * x.strides[0] + j * x.strides[1]);
    return all;
  };
  std::vector<Layout> all;
  for (int64_t offset : {0, 1, 7})
    for (int64_t rows : {0, 1, 2, 3})
      for (int64_t row : {0, 1, 2, 5})
        for (int64_t step : {0, 1, 3}) all.push_back({{rows, 2}, {row, step}, offset});
  for (const Layout& x : all)
    for (const Layout& y : all) {
      const std::set<int64_t> a = places(x), b = places(y);
      const bool common = std::any_of(a.begin(), a.end(), [&](int64_t place) { return b.contains(place); });
      if (meet(x, y) != common) FAIL_CHECK(x.shape.str(), x.strides.str(), x.offset, y.shape.str(), y.strides.str(), y.offset);
    }
}

TEST_CASE("overlaps finds out exactly whether two elements have one place") {
  const auto overlap = [](const Shape& shape, const Strides& strides) { return overlaps({shape, strides, 5}); };
  CHECK_FALSE(overlaps(dense({})));
  CHECK_FALSE(overlaps(dense({4, 1, 3})));
  CHECK_FALSE(overlap({3, 4}, {1, 3}));
  CHECK_FALSE(overlap({1, 4}, {0, 2}));
  CHECK_FALSE(overlap({0, 4}, {0, 0}));
  CHECK(overlap({2, 4}, {0, 1}));
  CHECK(overlap({3, 2}, {1, 1}));
  CHECK_FALSE(overlap({2, 3}, {3, 2}));
  CHECK(overlap({3, 4}, {3, 2}));
  CHECK_FALSE(overlap({2, 2, 1000}, {2, 3, 100}));
  // Every layout of three small dimensions, against counting its places.
  for (int64_t code = 0; code < 3 * 3 * 3 * 512; ++code) {
    const int64_t sizes = code / 512, steps = code % 512;
    const Layout x{{1 + sizes % 3, 1 + sizes / 3 % 3, 1 + sizes / 9}, {steps % 8, steps / 8 % 8, steps / 64}, 0};
    std::vector<int64_t> found = places(x);
    std::sort(found.begin(), found.end());
    const bool meet = std::adjacent_find(found.begin(), found.end()) != found.end();
    if (overlaps(x) != meet) FAIL_CHECK(x.shape.str(), " ", x.strides.str());
  }
}
