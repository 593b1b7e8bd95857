#include "gradus/ops/shape.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "autograd/op.h"
#include "core/check.h"
#include "core/checked.h"
#include "core/layout.h"
#include "gradus/creation.h"
#include "gradus/ops/indexing.h"

namespace gradus {
namespace {

/// The place in a dimension of `size` elements that the padding at place i, outside of it, shows.
int64_t source_of(int64_t i, int64_t size, std::string_view mode) {
  if (mode == "circular") return (i % size + size) % size;
  if (mode == "replicate") return std::clamp<int64_t>(i, 0, size - 1);
  return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

/// x with its own elements put around it, along one dimension.
Tensor pad_dimension(const Tensor& given, int64_t d, int64_t before, int64_t after, std::string_view mode) {
  Tensor x = given;
  if (mode == "circular") {  // what a negative number takes away does not come round
    const int64_t cut = std::max<int64_t>(-before, 0);
    x = narrow(x, d, cut, x.size(d) - cut - std::max<int64_t>(-after, 0));
    before = std::max<int64_t>(before, 0), after = std::max<int64_t>(after, 0);
  }
  std::vector<int64_t> places;
  for (int64_t i = -before; i < x.size(d) + after; ++i) places.push_back(source_of(i, x.size(d), mode));
  return index_select(x, d, from_vector(places, Shape(places.size())));
}

/// The modes "reflect", "replicate" and "circular".
Tensor pad_from_within(const Tensor& x, const Dims& pads, std::string_view mode, Scalar value) {
  constexpr Op op("pad");
  const Shape& shape = x.shape();
  const bool reflect = mode == "reflect", circular = mode == "circular";
  op.check<ValueError>(reflect || circular || mode == "replicate",
                       "mode is \"{}\"; it must be \"constant\", \"reflect\", \"replicate\" or \"circular\"", mode);
  op.check<ValueError>(value.to<double>() == 0, "mode \"{}\" takes no value", mode);
  const int64_t padded = pads.size() / 2, rank = shape.size();
  op.check<ShapeError>(pads.size() % 2 == 0 && padded >= 1 && padded <= 3 && (rank == padded + 2 || (rank == padded + 1 && !circular)),
                       "mode \"{}\" pads the last 1 to 3 dimensions, one and one before and after each, of (batch, channels, …){}; got {} "
                       "for shape {}",
                       mode, circular ? "" : " or (channels, …)", pads, shape);
  op.check<DTypeError>(circular || is_floating_point(x.dtype()), "mode \"{}\" takes float32 or float64, got {}", mode, name(x.dtype()));
  for (int64_t d = 1; d < rank; ++d)
    op.check<ShapeError>(circular || shape[d] > 0, "dimension {} of shape {} is empty; there is nothing to repeat", d, shape);
  Tensor y = x;
  for (int64_t i = 0; i < padded; ++i) {
    const int64_t d = rank - 1 - i, size = shape[d], before = pads[2 * i], after = pads[2 * i + 1];
    const int64_t left = checked_sum(op, size + std::min<int64_t>(before, 0), std::min<int64_t>(after, 0));
    const int64_t most = reflect ? size - 1 : circular ? left : std::numeric_limits<int32_t>::max();
    op.check<ShapeError>(before <= most && after <= most &&
                             (circular ? left >= 0 : checked_sum(op, left + std::max<int64_t>(before, 0), std::max<int64_t>(after, 0)) > 0),
                         "dimension {} of shape {} cannot be padded by {} and {} in mode \"{}\": too few elements, or none left", d, shape,
                         before, after, mode);
    y = pad_dimension(y, d, before, after, mode);
  }
  return y;
}

}  // namespace

Tensor pad(const Tensor& x, const Dims& pads, std::string_view mode, Scalar value) {
  constexpr Op op("pad", "constant_pad_nd");
  const Shape& shape = impl_of(op, x).layout.shape;
  if (mode != "constant") return pad_from_within(x, pads, mode, value);
  op.check<ShapeError>(pads.size() % 2 == 0 && pads.size() <= 2 * shape.size(),
                       "{} needs a number before and one after for each of at most {} dimensions, those of shape {}", pads, shape.size(),
                       shape);
  Shape padded = shape;
  Layout from = x.impl()->layout;
  for (int64_t i = 0; i < pads.size(); i += 2) {
    const int64_t d = shape.size() - 1 - i / 2, before = pads[i], after = pads[i + 1];
    const bool fits = !__builtin_add_overflow(padded[d], before, &padded[d]) && !__builtin_add_overflow(padded[d], after, &padded[d]);
    op.check<ShapeError>(fits, "{} and {} make dimension {} of shape {} too large", before, after, d, shape);
    op.check<ShapeError>(padded[d] >= 0 && shape[d] + std::min(before, int64_t{0}) + std::min(after, int64_t{0}) >= 0,
                         "{} and {} take more than the {} elements of dimension {} of shape {}", before, after, shape[d], d, shape);
  }
  Tensor y = full(padded, value, {.dtype = x.dtype()});
  Layout into = y.impl()->layout;
  for (int64_t i = 0; i < pads.size(); i += 2) {
    const int64_t d = shape.size() - 1 - i / 2, cut = std::max(-pads[i], int64_t{0}), lead = std::max(pads[i], int64_t{0});
    const int64_t kept = shape[d] - cut + std::min(pads[i + 1], int64_t{0});
    from = narrow(op, from, d, cut, kept);
    into = narrow(op, into, d, lead, kept);
  }
  copy_elements(view_of(x, from), view_of(y, into));
  return op.record(y, wrt(x, [pads](const Tensor& dy) {
                     Dims back = pads;
                     for (int64_t& n : back) n = -n;
                     return pad(dy, back);
                   }));
}

}  // namespace gradus
