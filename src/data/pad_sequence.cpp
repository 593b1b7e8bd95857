#include <algorithm>

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/data/pad_sequence.h"
#include "gradus/ops/shape.h"

namespace gradus::data {

// T_i steps of sequence i, T the most of them, B sequences.
Tensor pad_sequence(const std::vector<Tensor>& sequences, bool batch_first, double padding_value) {
  check<ValueError>(!sequences.empty(), "pad_sequence: no sequences");
  const Tensor& first = sequences[0];
  int64_t longest = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Tensor& x = sequences[i];
    check<ShapeError>(x.dim() > 0, "pad_sequence: sequence {} is a scalar; dimension 0 counts the steps", i);
    Shape expected = first.shape();
    expected[0] = x.size(0);
    check<ShapeError>(x.shape() == expected, "pad_sequence: sequences 0 and {} have shapes {} and {}; only dimension 0 may differ", i,
                      first.shape(), x.shape());
    check<DTypeError>(x.dtype() == first.dtype(), "pad_sequence: sequences 0 and {} are {} and {}; convert them with .to()", i,
                      name(first.dtype()), name(x.dtype()));
    longest = std::max(longest, x.size(0));
  }
  Scalar padding = padding_value;
  if (!is_floating_point(first.dtype())) {
    check<ValueError>(
        padding_value >= -0x1p63 && padding_value < 0x1p63 && static_cast<double>(static_cast<int64_t>(padding_value)) == padding_value,
        "pad_sequence: padding_value {} is not a whole number, but the sequences are {}", padding_value, name(first.dtype()));
    padding = static_cast<int64_t>(padding_value);
  }
  std::vector<Tensor> padded;
  for (const Tensor& x : sequences) {
    Shape rest = x.shape();
    rest[0] = longest - x.size(0);
    padded.push_back(rest[0] == 0 ? x : cat({x, full(rest, padding, {.dtype = x.dtype()})}));
  }
  return stack(padded, batch_first ? 0 : 1);
}

}  // namespace gradus::data
