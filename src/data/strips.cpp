#include "gradus/data/strips.h"

#include <algorithm>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/dtype.h"

namespace gradus::data {

// N tokens, B strips of L tokens each, T steps.
Strips::Strips(const Tensor& tokens, const StripOptions& options) : options_(options) {
  const int64_t B = options.batch_size, T = options.steps;
  check<ValueError>(B >= 1, "Strips: batch_size is {}; it must be at least 1", B);
  check<ValueError>(T >= 1, "Strips: steps is {}; it must be at least 1", T);
  check<ShapeError>(tokens.dim() == 1, "Strips: tokens of shape {}; a stream has one dimension", tokens.shape());
  check<DTypeError>(tokens.dtype() == DType::Int64, "Strips: tokens are {}; convert them with .to(int64)", name(tokens.dtype()));
  length_ = tokens.size(0) / B;
  const int64_t least = options.drop_last ? T : 1;
  check<ValueError>(length_ - 1 >= least,
                    "Strips: {} tokens make {} strips of {}; a block of {} steps and the token after it need strips of {}", tokens.size(0),
                    B, length_, least, least + 1);
  NoGradGuard no_grad;
  const Tensor rows = tokens.slice(0, 0, B * length_).reshape({B, length_});
  // A block of either form is a dense piece of memory, or rows that are dense.
  strips_ = options.batch_first ? rows.clone() : rows.t().clone().contiguous();
}

int64_t Strips::size() const noexcept {
  if (!strips_.defined()) return 0;
  const int64_t steps = std::max<int64_t>(length_ - 1, 0), full = steps / options_.steps;
  return options_.drop_last || full * options_.steps == steps ? full : full + 1;
}

StripBlock Strips::get(int64_t i) const {
  check<IndexError>(i >= 0 && i < size(), "Strips: block {} is out of range for {}", i, size());
  NoGradGuard no_grad;
  const int64_t begin = i * options_.steps, end = std::min(begin + options_.steps, length_ - 1), along = options_.batch_first ? 1 : 0;
  return {strips_.slice(along, begin, end), strips_.slice(along, begin + 1, end + 1), i == 0};
}

}  // namespace gradus::data
