#include "kernels/convolution.h"

#include <algorithm>
#include <type_traits>

#include "core/allocator.h"
#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/blas.h"
#include "kernels/naive_product.h"
#include "kernels/small_kernels.h"

namespace gradus::kernels {
namespace {

// Tuning numbers.
constexpr int64_t worth_a_piece = 1 << 20;  // multiplications of a weight gradient for which a sum of its own is worth its memory …
constexpr int64_t most_pieces = 8;          // … and the most such sums, which bounds that memory

/// The outputs [begin, end) along one dimension for which tap k of the kernel meets an element; the first of these is `from`.
struct Reach {
  int64_t begin, end, from;

  Reach(const ConvolutionSizes& s, size_t d, int64_t k) {
    const int64_t offset = k * s.dilation[d] - s.padding[d], stride = s.stride[d];  // output i meets element i * stride + offset
    begin = std::min(offset >= 0 ? 0 : (-offset + stride - 1) / stride, s.out[d]);
    end = std::clamp((s.in[d] - offset + stride - 1) / stride, begin, s.out[d]);
    from = begin * stride + offset;
  }
};

/// Calls f(row, y, x, ys) for every row of the columns and every line of outputs in it: `row` points to its out[1] elements, `x` to the
/// image's line that it meets, null where that is padding; ys are the outputs within the line that meet an element.
template <class T, class X, class F>
void for_each_line(const ConvolutionSizes& s, X* image, T* columns, F f) {
  for (int64_t c = 0; c < s.in_channels; ++c, image += s.in_area())
    for (int64_t kh = 0; kh < s.kernel[0]; ++kh) {
      const Reach ys(s, 0, kh);
      for (int64_t kw = 0; kw < s.kernel[1]; ++kw) {
        const Reach xs(s, 1, kw);
        for (int64_t oh = 0; oh < s.out[0]; ++oh, columns += s.out[1]) {
          const bool inside = oh >= ys.begin && oh < ys.end;
          f(columns, inside ? image + (ys.from + (oh - ys.begin) * s.stride[0]) * s.in[1] : nullptr, xs);
        }
      }
    }
}

/// Whether output i of a line meets element i + offset of a line as long: then a row of the columns is the image's plane, moved.
bool moves_planes(const ConvolutionSizes& s) { return s.stride[0] == 1 && s.stride[1] == 1 && s.in[1] == s.out[1]; }

/// A tap of the kernel where planes are moved: output i of the plane meets its element i + offset, for i in [begin, end), except in the
/// columns before `xs.begin` and from `xs.end` on, where it meets padding. A tap that meets nothing else has begin = end = 0.
struct Move {
  int64_t begin = 0, end = 0, offset = 0;
  Reach xs;

  Move(const ConvolutionSizes& s, int64_t kh, int64_t kw) : xs(s, 1, kw) {
    const Reach ys(s, 0, kh);
    if (ys.begin == ys.end || xs.begin == xs.end) return;
    const int64_t width = s.out[1];
    begin = ys.begin * width + xs.begin;
    end = (ys.end - 1) * width + xs.end;
    offset = (ys.from - ys.begin) * width + xs.from - xs.begin;
  }
};

/// Calls f(row, plane, move) for every row of the columns.
template <class T, class X, class F>
void for_each_move(const ConvolutionSizes& s, X* image, T* columns, F f) {
  for (int64_t c = 0; c < s.in_channels; ++c, image += s.in_area())
    for (int64_t kh = 0; kh < s.kernel[0]; ++kh)
      for (int64_t kw = 0; kw < s.kernel[1]; ++kw, columns += s.out_area()) f(columns, image, Move(s, kh, kw));
}

/// Sets to 0 what of a row of the columns meets padding at the lines' ends, in the part that was moved.
template <class T>
void clear_line_ends(const ConvolutionSizes& s, const Move& move, T* row) {
  const int64_t width = s.out[1];
  if (move.begin == move.end) return;
  for (int64_t i = move.begin - move.xs.begin; i < move.end; i += width) {
    for (int64_t x = 0; x < move.xs.begin; ++x) row[i + x] = T(0);
    for (int64_t x = move.xs.end; x < width; ++x) row[i + x] = T(0);
  }
}

/// columns (window, out_area): column i holds the elements under window i of the image.
template <class T>
void windows_to_columns(const ConvolutionSizes& s, const T* image, T* columns) {
  if (moves_planes(s))
    return for_each_move(s, image, columns, [&](T* row, const T* plane, const Move& move) {
      std::fill_n(row, move.begin, T(0));
      std::copy_n(plane + move.begin + move.offset, move.end - move.begin, row + move.begin);
      std::fill_n(row + move.end, s.out_area() - move.end, T(0));
      clear_line_ends(s, move, row);
    });
  for_each_line(s, image, columns, [&](T* row, const T* line, const Reach& xs) {
    if (!line) {
      std::fill_n(row, s.out[1], T(0));
      return;
    }
    std::fill_n(row, xs.begin, T(0));
    const T* from = line + xs.from;
    if (s.stride[1] == 1) std::copy_n(from, xs.end - xs.begin, row + xs.begin);
    else
      for (int64_t i = xs.begin; i < xs.end; ++i, from += s.stride[1]) row[i] = *from;
    std::fill_n(row + xs.end, s.out[1] - xs.end, T(0));
  });
}

/// The adjoint: every column's elements are added to the places of the image that they came from. The columns are used up.
template <class T>
void columns_to_windows(const ConvolutionSizes& sizes, T* columns, T* image) {
  isa::run<T>([s = sizes, columns, image] {
    if (moves_planes(s))
      return for_each_move(s, image, columns, [&s](T* row, T* plane, const Move& move) {
        clear_line_ends(s, move, row);
        T* to = plane + move.offset;
        GRADUS_INDEPENDENT
        for (int64_t i = move.begin; i < move.end; ++i) to[i] += row[i];
      });
    for_each_line(s, image, columns, [&s](const T* row, T* line, const Reach& xs) {
      if (!line) return;
      row += xs.begin, line += xs.from;
      const int64_t n = xs.end - xs.begin, stride = s.stride[1];
      if (stride == 1) {
        GRADUS_INDEPENDENT
        for (int64_t i = 0; i < n; ++i) line[i] += row[i];
      } else {
        for (int64_t i = 0; i < n; ++i) line[i * stride] += row[i];
      }
    });
  });
}

/// Whether the columns would be the image itself.
bool is_pointwise(const ConvolutionSizes& s) {
  constexpr std::array<int64_t, 2> one{1, 1}, none{0, 0};
  return s.kernel == one && s.stride == one && s.padding == none && s.in == s.out;
}

/// C = A B, added to C or in its place; integers wrap around.
template <class T>
void multiply(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c, bool accumulate) {
  if constexpr (std::is_floating_point_v<T>) gemm(a, b, c, accumulate_if(accumulate));
  else naive_product<uint64_t>(a, b, c, accumulate);
}

/// to (cols, rows) = from (rows, cols) transposed.
template <class T>
void transpose(int64_t rows, int64_t cols, const T* from, T* to) {
  if constexpr (std::is_same_v<T, float>) return pack_block(cols, rows, from, cols, 1, to);
  for (int64_t j = 0; j < cols; ++j)
    for (int64_t i = 0; i < rows; ++i) to[j * rows + i] = from[i * cols + j];
}

/// Calls f(image, group) for all of them, on the pool's threads.
template <class F>
void for_each_group(const ConvolutionSizes& s, F f) {
  const int64_t work = s.out_channels * s.out_area() * s.window();
  parallel_for(s.images * s.groups, std::max<int64_t>(multiplications_a_piece / std::max<int64_t>(work, 1), 1),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) f(i / s.groups, i % s.groups);
               });
}

}  // namespace

template <class T>
void convolution(const ConvolutionSizes& s, const T* x, const T* weight, const T* bias, T* y) {
  const int64_t O = s.out_channels, P = s.out_area(), W = s.window();
  const bool pointwise = is_pointwise(s);
  for_each_group(s, [=](int64_t image, int64_t group) {
    const int64_t at = image * s.groups + group;
    const T* from = x + at * s.in_channels * s.in_area();
    T* to = y + at * O * P;
    if (bias)
      for (int64_t o = 0; o < O; ++o) std::fill_n(to + o * P, P, bias[group * O + o]);
    const Scratch<T> columns(pointwise ? 0 : W * P);
    if (!pointwise) windows_to_columns(s, from, columns.data());
    multiply<T>({weight + group * O * W, O, W}, {pointwise ? from : columns.data(), W, P}, {to, O, P}, bias != nullptr);
  });
}

template <class T>
void convolution_input_gradient(const ConvolutionSizes& s, const T* dy, const T* weight, T* dx) {
  const int64_t O = s.out_channels, P = s.out_area(), W = s.window(), size = s.in_channels * s.in_area();
  const bool pointwise = is_pointwise(s);
  for_each_group(s, [=](int64_t image, int64_t group) {
    const int64_t at = image * s.groups + group;
    const Scratch<T> columns(pointwise ? 0 : W * P);
    T* const to = pointwise ? dx + at * size : columns.data();
    gemm({weight + group * O * W, W, O, W, Trans::Yes}, {dy + at * O * P, O, P}, MatrixView(to, W, P));
    if (pointwise) return;
    std::fill_n(dx + at * size, size, T(0));
    columns_to_windows(s, columns.data(), dx + at * size);
  });
}

template <class T>
void convolution_weight_gradient(const ConvolutionSizes& s, const T* x, const T* dy, T* dweight) {
  const int64_t O = s.out_channels, P = s.out_area(), W = s.window(), weights = s.groups * O * W;
  const bool pointwise = is_pointwise(s);
  // A few pieces of the batch add up on their own, then the pieces are added; how many depends on the sizes alone.
  const int64_t work = s.images * weights * P,
                pieces = std::clamp<int64_t>(work / worth_a_piece, 1, std::clamp<int64_t>(s.images, 1, most_pieces));
  // A group's sums are (W, O), and dy what is packed for the products: columns are W / O times as many.
  const Scratch<T> partial(pieces * weights);
  parallel_pieces(pieces * s.groups, [&](int64_t i) {
    const int64_t piece = i / s.groups, group = i % s.groups;
    const MatrixView<T> sum(partial.data() + (piece * s.groups + group) * O * W, W, O);
    std::fill_n(sum.at(0, 0), O * W, T(0));
    const Scratch<T> columns(pointwise ? 0 : W * P);
    for (int64_t image = piece * s.images / pieces; image < (piece + 1) * s.images / pieces; ++image) {
      const int64_t at = image * s.groups + group;
      const T* from = x + at * s.in_channels * s.in_area();
      if (!pointwise) windows_to_columns(s, from, columns.data());
      gemm({pointwise ? from : columns.data(), W, P}, {dy + at * O * P, P, O, P, Trans::Yes}, sum, Output::Accumulate);
    }
  });
  T* const total = partial.data();
  for (int64_t piece = 1; piece < pieces; ++piece)
    for (int64_t i = 0; i < weights; ++i) total[i] += total[piece * weights + i];
  for (int64_t group = 0; group < s.groups; ++group) transpose(W, O, total + group * O * W, dweight + group * O * W);
}

template void convolution(const ConvolutionSizes&, const float*, const float*, const float*, float*);
template void convolution(const ConvolutionSizes&, const double*, const double*, const double*, double*);
template void convolution(const ConvolutionSizes&, const int64_t*, const int64_t*, const int64_t*, int64_t*);
template void convolution_input_gradient(const ConvolutionSizes&, const float*, const float*, float*);
template void convolution_input_gradient(const ConvolutionSizes&, const double*, const double*, double*);
template void convolution_weight_gradient(const ConvolutionSizes&, const float*, const float*, float*);
template void convolution_weight_gradient(const ConvolutionSizes&, const double*, const double*, double*);

}  // namespace gradus::kernels
